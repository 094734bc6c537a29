//! Policy's metrics.

use aegis_schemas::{ActionKind, Event, pipeline::Output};
use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};

use crate::Stats;

/// Describes every metric of this crate.
pub(crate) fn describe() {
    describe_counter!(
        "aegis_policy_decisions_total",
        Unit::Count,
        "decisions said, by verdict and action"
    );
    describe_gauge!(
        "aegis_policy_open_proposals",
        Unit::Count,
        "acts that wait for a person's yes"
    );
    describe_gauge!(
        "aegis_policy_acts_under_way",
        Unit::Count,
        "signed acts whose verdict is not in"
    );
    describe_gauge!(
        "aegis_policy_halted",
        Unit::Count,
        "1 while the kill switch is on"
    );
    describe_gauge!(
        "aegis_policy_storm",
        Unit::Count,
        "1 while so much is wrong at once that nothing is done without people"
    );
    describe_gauge!(
        "aegis_policy_budget_left",
        Unit::Count,
        "acts that the cluster may see before they wait or people are asked, by budget"
    );
    describe_gauge!(
        "aegis_policy_invalid_activations",
        Unit::Count,
        "policy sets on the log that were refused"
    );
    describe_gauge!(
        "aegis_policy_disagreements",
        Unit::Count,
        "own decisions on the log that differ from what was said: a person must look"
    );
    describe_gauge!(
        "aegis_policy_unsayable_messages",
        Unit::Count,
        "decisions that were too large to be said"
    );
}

/// The core said something.
pub(crate) fn said(outputs: &[Output]) {
    for output in outputs {
        let (verdict, action) = match Event::decode(output.kind.as_str(), &output.body) {
            Ok(Event::Warrant(envelope)) => (
                "allow",
                envelope.peek().ok().map(|warrant| warrant.action.kind()),
            ),
            Ok(Event::Decision(decision)) => (decision.verdict.as_str(), decision.action),
            Ok(_) => continue,
            Err(error) => {
                tracing::error!(%error, "an output of our own cannot be read back");
                continue;
            }
        };
        let action = action.map_or("none", ActionKind::as_str);
        counter!("aegis_policy_decisions_total", "verdict" => verdict, "action" => action)
            .increment(1);
    }
}

/// How the core stands.
pub(crate) fn standing(stats: &Stats) {
    gauge!("aegis_policy_open_proposals").set(stats.open_proposals as f64);
    gauge!("aegis_policy_acts_under_way").set(stats.acts_under_way as f64);
    gauge!("aegis_policy_halted").set(if stats.halted { 1.0 } else { 0.0 });
    gauge!("aegis_policy_storm").set(if stats.storm.is_some() { 1.0 } else { 0.0 });
    for (budget, (left, _)) in [("rate", stats.rate_left), ("blast", stats.blast_left)] {
        gauge!("aegis_policy_budget_left", "budget" => budget).set(f64::from(left));
    }
    gauge!("aegis_policy_invalid_activations").set(stats.invalid_activations as f64);
    gauge!("aegis_policy_disagreements").set(stats.disagreements as f64);
    gauge!("aegis_policy_unsayable_messages").set(stats.unsayable as f64);
}
