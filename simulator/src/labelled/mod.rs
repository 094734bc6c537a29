//! Labelled incidents: small worlds, drawn, in each of which one thing goes wrong.
//!
//! What to learn the names of failures from. A world has a few workloads with calls, replicas, noise and a
//! load that follows the day; harmless things happen in it as well; the fault's target, onset and severity
//! are drawn, weak ones included. Nothing marks a kind but what the fault does.

mod dice;
mod trouble;
mod world;

use std::time::Duration;

use self::dice::Dice;
use self::trouble::Trouble;
use crate::scenario::{Effect, Fault, Oracle, Range, Scenario};

/// The kinds of failure that can be drawn, as incidents name them; `unknown` is something that is none
/// of the others.
pub const KINDS: [&str; 12] = [
    "cpu_saturation",
    "memory_leak",
    "oom_limit_too_low",
    "crash_loop",
    "bad_rollout",
    "dependency_latency",
    "error_spike",
    "network_loss",
    "disk_pressure",
    "load_spike",
    "traffic_drop",
    "unknown",
];

/// The name of the fault in the scenario.
const FAULT: &str = "trouble";
/// From the scenario's start to the earliest and the latest onset.
const ONSET: (f64, f64) = (300.0, 600.0);
/// How long something that nobody notices goes on before somebody does: the least and the most.
const UNNOTICED: (f64, f64) = (120.0, 600.0);
/// How long is written after somebody noticed: the least and the most.
const AFTER: (f64, f64) = (150.0, 300.0);
/// How long an incident has been open when it is looked at: the least and the most.
const LOOKED: (f64, f64) = (0.0, 240.0);

/// A scenario with one fault, and what a diagnosis of it should say.
#[derive(Clone, Debug)]
pub struct Labelled {
    /// What happens.
    pub scenario: Scenario,
    /// The failure's kind.
    pub kind: &'static str,
    /// The workload that is the root, `namespace/name`.
    pub root: String,
    /// When it begins, from the scenario's start.
    pub onset: Duration,
    /// How long after the onset a person notices what no detector does.
    pub noticed: Duration,
    /// How long it is followed after it was noticed.
    pub after: Duration,
    /// How long after an incident was opened for it that is looked at.
    pub looked: Duration,
}

impl Labelled {
    /// The incident of that kind and seed; `None` when `kind` is not one of [`KINDS`].
    #[must_use]
    pub fn draw(kind: &str, seed: u64) -> Option<Self> {
        let kind = *KINDS.iter().find(|known| **known == kind)?;
        let dice = Dice::new(seed, kind);
        let mut scenario = world::draw(&dice);
        let Trouble { place, effect } = trouble::draw(&dice, kind, &mut scenario);
        let seconds = |name: &str, (low, high)| {
            Duration::from_secs_f64(dice.between(name, low, high).round())
        };
        let onset = seconds("onset", ONSET);
        let root = scenario.workloads[place].path();
        let mut faults = world::harmless(&dice, &scenario, place, onset);
        faults.push(Fault {
            oracle: Oracle {
                kind: kind.to_owned(),
                ..Oracle::default()
            },
            ..fault(FAULT, &root, onset, None, effect)
        });
        scenario.faults = faults;
        Some(Self {
            kind,
            root,
            onset,
            noticed: seconds("noticed", UNNOTICED),
            after: seconds("after", AFTER),
            looked: seconds("looked", LOOKED),
            scenario,
        })
    }
}

/// A fault without jitter.
fn fault(
    name: &str,
    target: &str,
    at: Duration,
    duration: Option<Duration>,
    effect: Effect,
) -> Fault {
    Fault {
        name: name.to_owned(),
        at,
        jitter: Duration::ZERO,
        after: None,
        target: target.to_owned(),
        duration,
        effect,
        oracle: Oracle::default(),
    }
}

const fn exactly(value: f64) -> Range {
    Range::Exactly(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_many_seeds_is_a_sound_scenario_with_the_fault_last() {
        for kind in KINDS {
            for seed in 0..40 {
                let drawn = Labelled::draw(kind, seed).expect("a known kind");
                let sound = drawn.scenario.check().map_err(|error| error.to_string());
                assert_eq!(sound, Ok(()), "{kind} {seed}");
                assert!(drawn.scenario.place(&drawn.root).is_some());
                let last = drawn.scenario.faults.last();
                assert_eq!(last.map(|one| one.at), Some(drawn.onset));
            }
        }
        assert!(Labelled::draw("flu", 1).is_none());
    }

    #[test]
    fn names_tell_nothing_and_seeds_differ() {
        let names = |seed| -> Vec<String> {
            let drawn = Labelled::draw("crash_loop", seed).expect("a known kind");
            let workloads = drawn.scenario.workloads.into_iter();
            workloads.map(|one| one.name).collect()
        };
        assert_ne!(names(1), names(2));
        assert_eq!(names(1), names(1));
    }
}
