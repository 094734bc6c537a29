//! The executor's metrics.

use std::time::Duration;

use aegis_schemas::{Outcome, RefusalCode};
use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};

/// Describes every metric of this crate.
pub(crate) fn describe() {
    describe_counter!(
        "aegis_executor_outcomes_total",
        Unit::Count,
        "decisions that ended, by phase, action and code"
    );
    describe_counter!(
        "aegis_executor_forged_total",
        Unit::Count,
        "messages in the place of decisions that no key of ours vouches for, by code: raise an alarm"
    );
    describe_counter!(
        "aegis_executor_waits_total",
        Unit::Count,
        "attempts that ended in waiting for the API server, the bus or a disruption budget"
    );
    describe_histogram!(
        "aegis_executor_outcome_seconds",
        Unit::Seconds,
        "time from the decision in the stream to its outcome"
    );
}

/// A decision ended.
pub(crate) fn ended(outcome: &Outcome, took: Duration) {
    let phase = outcome.phase.as_str();
    let code = outcome.code.map_or("none", |code| code.as_str());
    let action = outcome
        .action
        .as_ref()
        .map_or("none", |action| action.kind().as_str());
    counter!("aegis_executor_outcomes_total", "phase" => phase, "action" => action, "code" => code)
        .increment(1);
    histogram!("aegis_executor_outcome_seconds", "phase" => phase).record(took.as_secs_f64());
}

/// Somebody sent what is no decision of ours.
pub(crate) fn forged(code: RefusalCode) {
    counter!("aegis_executor_forged_total", "code" => code.as_str()).increment(1);
}

/// An attempt has to be made again.
pub(crate) fn waits() {
    counter!("aegis_executor_waits_total").increment(1);
}
