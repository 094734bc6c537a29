//! The executor's metrics.

use std::time::Duration;

use aegis_schemas::{Outcome, RefusalCode};
use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

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
    describe_gauge!(
        "aegis_executor_clock_ahead_seconds",
        Unit::Seconds,
        "by how much the clock is ahead of the bus's, or behind when it is below 0: raise an alarm beyond 5"
    );
    describe_histogram!(
        "aegis_executor_outcome_seconds",
        Unit::Seconds,
        "time from the decision in the stream to its outcome"
    );
    // What alerts look at is there before it happens: a series that begins with 1 has not risen.
    for code in RefusalCode::ALL {
        counter!("aegis_executor_forged_total", "code" => code.as_str()).absolute(0);
    }
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

/// By how much the clock is ahead of the server's.
pub(crate) fn clock_ahead(seconds: f64) {
    gauge!("aegis_executor_clock_ahead_seconds").set(seconds);
}

/// An attempt has to be made again.
pub(crate) fn waits() {
    counter!("aegis_executor_waits_total").increment(1);
}
