//! Whatever happens, budgets are never exceeded.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot build its case fails"
)]

mod log;

use std::collections::BTreeMap;
use std::time::Duration;

use aegis_schemas::{
    Action, AssessmentVerdict, DecisionId, OutcomePhase, RefusalCode, Verdict, Warrant,
};
use log::{Answer, Log, incident, recommend, restart, scale, target};
use proptest::prelude::*;

const WORKLOADS: [(&str, i32); 6] = [
    ("cart", 4),
    ("web", 10),
    ("db", 10),
    ("a", 2),
    ("b", 3),
    ("c", 12),
];

#[derive(Clone, Copy, Debug)]
enum Step {
    Incident { workload: usize, act: u8 },
    Outcome { applied: bool },
    Assess { verdict: u8 },
    Approve,
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..WORKLOADS.len(), 0..4_u8).prop_map(|(workload, act)| Step::Incident { workload, act }),
        4 => prop::bool::weighted(0.8).prop_map(|applied| Step::Outcome { applied }),
        4 => (0..3_u8).prop_map(|verdict| Step::Assess { verdict }),
        2 => Just(Step::Approve),
        3 => (1..400_u64).prop_map(Step::Wait),
    ]
}

/// What an outsider counts, from the signed decisions alone.
#[derive(Default)]
struct Books {
    warrants: Vec<Warrant>,
    applied: Vec<DecisionId>,
    void: Vec<DecisionId>,
    proposals: Vec<aegis_schemas::Digest>,
}

impl Books {
    fn note(&mut self, answer: &Answer) {
        for decision in &answer.decisions {
            if let (Verdict::Ask, Some(proposal)) = (decision.verdict, &decision.proposal) {
                self.proposals.push(proposal.digest);
            }
        }
        for warrant in &answer.warrants {
            self.warrants.push(warrant.clone());
            self.check(warrant);
        }
    }

    fn check(&self, newest: &Warrant) {
        let within = |window: u64| {
            self.warrants.iter().filter(move |warrant| {
                warrant.undo_of.is_none()
                    && newest.iat.since(warrant.iat) < Duration::from_secs(window)
            })
        };
        let real = |warrant: &&Warrant| !self.void.contains(&warrant.decision_id);
        assert!(within(600).filter(real).count() <= 5, "acts per cluster");
        let unasked = within(3600)
            .filter(|warrant| warrant.approvals.is_empty())
            .count();
        assert!(unasked <= 20, "acts per hour");
        let mut pods: BTreeMap<_, u32> = BTreeMap::new();
        for warrant in within(600).filter(real) {
            *pods
                .entry(warrant.target.object.workload.clone())
                .or_default() += warrant.max_blast.pods;
        }
        for (workload, at_risk) in &pods {
            let (_, of) = WORKLOADS
                .iter()
                .find(|(name, _)| *name == workload.name.as_str())
                .unwrap();
            assert!(
                *at_risk <= (*of as u32 / 4).max(1),
                "{workload}: {at_risk} of {of}"
            );
        }
        let all: i32 = WORKLOADS.iter().map(|(_, replicas)| replicas).sum();
        assert!(
            pods.values().sum::<u32>() <= (all as u32 / 10).max(1),
            "{pods:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_log_makes_policy_exceed_a_budget(steps in prop::collection::vec(step(), 1..80)) {
        let mut log = Log::new();
        let mut books = Books::default();
        for (name, replicas) in WORKLOADS {
            log.workload(name, replicas, replicas, 1, &[("aegis.dev/managed", "true")]);
            log.pod(name, 1, true);
        }
        for step in steps {
            let answer = match step {
                Step::Incident { workload, act } => {
                    let (name, replicas) = WORKLOADS[workload];
                    let best = match act {
                        0 => scale(name, replicas, replicas + 2),
                        1 => recommend(Action::RolloutRestart, target(name, 1)),
                        2 => recommend(
                            Action::Rollback { revision: 0, template_hash: "older".to_owned() },
                            target(name, 1),
                        ),
                        _ => restart(name, 1),
                    };
                    log.incident(&incident(name, vec![best]))
                }
                Step::Outcome { applied } => match books.warrants.last().cloned() {
                    Some(warrant) if applied => {
                        books.applied.push(warrant.decision_id);
                        log.applied(&warrant)
                    }
                    Some(warrant) => {
                        // Only what was not carried out yet is void, however late that is said.
                        if !books.applied.contains(&warrant.decision_id) {
                            books.void.push(warrant.decision_id);
                        }
                        log.outcome(&warrant, OutcomePhase::Refused, Some(RefusalCode::Stale), None)
                    }
                    None => continue,
                },
                Step::Assess { verdict } => {
                    let verdict = [
                        AssessmentVerdict::Verified,
                        AssessmentVerdict::Ineffective,
                        AssessmentVerdict::Regressed,
                    ][usize::from(verdict)];
                    match books.warrants.last().cloned() {
                        Some(warrant) => log.assessed(&warrant, verdict),
                        None => continue,
                    }
                }
                Step::Approve => match books.proposals.last().copied() {
                    Some(proposal) => log.approve("ann", proposal),
                    None => continue,
                },
                Step::Wait(seconds) => log.wait(seconds),
            };
            books.note(&answer);
        }
        prop_assert_eq!(log.core.stats().disagreements, 0);
    }
}

#[test]
fn what_is_left_of_the_budgets_is_told() {
    let mut log = Log::new();
    log.workload("cart", 4, 4, 1, &[("aegis.dev/managed", "true")]);
    log.pod("cart", 1, true);
    let left = |log: &Log| (log.core.stats().rate_left, log.core.stats().blast_left);
    assert_eq!(left(&log), ((20, 20), (5, 5)));
    let answer = log.incident(&incident("cart", vec![restart("cart", 1)]));
    let warrant = answer.warrants.first().unwrap();
    assert_eq!(left(&log), ((19, 20), (4, 5)));
    log.applied(warrant);
    log.assessed(warrant, AssessmentVerdict::Verified);
    log.wait(601);
    assert_eq!(
        left(&log),
        ((19, 20), (5, 5)),
        "nothing is at risk any more"
    );
    log.wait(3_000);
    assert_eq!(left(&log), ((20, 20), (5, 5)), "it was long ago");
}
