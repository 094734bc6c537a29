//! Whether an act would be allowed, and why: for people who ask before they ask for it.
//!
//! Only what a question can carry is looked at: the policies, the mode, freezes and the kill switch. What
//! the core counts from the log (cooldowns, rates, budgets, the breaker, storms) is not, and is said to be not.

use std::collections::{BTreeMap, BTreeSet};

use aegis_schemas::{
    Action, ActionKind, Actor, Digest, Entity, EvidenceSource, FailureKind, Mode, Severity,
    StandingOrders, Timestamp, Verdict,
};

use crate::orders::Orders;
use crate::rules::{Answer, CaseFacts, Facts, Principal, Rules, Said};

/// What nobody can look at without the core's memory of the log.
pub const NOT_LOOKED_AT: [&str; 11] = [
    "identity", "clock", "room", "storm", "target", "evidence", "waiting", "breaker", "cooldown",
    "blast", "rate",
];

/// An act that somebody thinks of, and the case in which.
#[derive(Clone, Debug)]
pub struct Question {
    /// Who would want it; none for Aegis itself.
    pub by: Option<Actor>,
    /// What.
    pub action: Action,
    /// To which workload.
    pub workload: Entity,
    /// How many pods it wants.
    pub replicas: u32,
    /// How many of them are ready.
    pub ready: u32,
    /// Its labels and annotations.
    pub tags: BTreeMap<String, String>,
    /// Those of its namespace.
    pub namespace_tags: BTreeMap<String, String>,
    /// The mode, if not the one that stands.
    pub mode: Option<Mode>,
    /// Whether a person has said yes.
    pub approved: bool,
    /// What the incident is called.
    pub failure: Option<FailureKind>,
    /// How bad it is.
    pub severity: Option<Severity>,
    /// How sure the detector is, in thousandths.
    pub confidence: u16,
    /// The kinds of evidence.
    pub sources: BTreeSet<EvidenceSource>,
    /// Ready pods that the act may take down at once.
    pub at_risk: u32,
}

/// Why it is so, and the smallest change that would turn it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Because {
    /// The policy or guard.
    pub policy: String,
    /// In words.
    pub text: String,
    /// What would turn it; empty if nothing need.
    pub flip: String,
}

/// What policy would say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evaluation {
    /// Ask or deny; none means that it would be allowed.
    pub verdict: Option<Verdict>,
    /// The mode that was assumed.
    pub mode: Mode,
    /// Why.
    pub reasons: Vec<Because>,
    /// The policy set that was asked.
    pub policy: Digest,
}

impl Rules {
    /// What would be said to an act, as far as that can be known without the core's memory.
    #[must_use]
    pub fn evaluate(
        &self,
        question: &Question,
        standing: &StandingOrders,
        now: Timestamp,
    ) -> Evaluation {
        let orders = Orders::from_said(standing);
        let kind = question.action.kind();
        let standing = orders.mode(&question.workload, kind);
        let mode = question.mode.unwrap_or(standing);
        let ordered = ordered(&orders, &question.workload, kind, now);
        let answer = self.asked(question, mode, question.approved);
        let verdict = match (&ordered, answer.allowed) {
            (Some(_), _) => Some(Verdict::Deny),
            (None, true) => None,
            // What a yes would lift asks for it.
            (None, false) if !question.approved && self.asked(question, mode, true).allowed => {
                Some(Verdict::Ask)
            }
            (None, false) => Some(Verdict::Deny),
        };
        let mut reasons: Vec<Because> = ordered.into_iter().collect();
        reasons.extend(answer.deciding.into_iter().map(because));
        if reasons.is_empty() {
            reasons.push(Because {
                policy: "no-permit".to_owned(),
                text: "no policy permits it".to_owned(),
                flip: "a `permit` for it, or a role that has one".to_owned(),
            });
        }
        Evaluation {
            verdict,
            mode,
            reasons,
            policy: self.digest(),
        }
    }

    fn asked(&self, question: &Question, mode: Mode, approved: bool) -> Answer {
        let (from, to) = match question.action {
            Action::Scale { replicas, from } => (from, replicas),
            _ => (0, 0),
        };
        self.policies().act(&Facts {
            principal: question
                .by
                .as_ref()
                .map_or(Principal::Aegis, Principal::Person),
            action: question.action.kind().as_str(),
            workload: &question.workload,
            replicas: i64::from(question.replicas),
            ready: i64::from(question.ready),
            tags: &question.tags,
            namespace_tags: &question.namespace_tags,
            case: Some(CaseFacts {
                mode,
                approved,
                failure: question.failure.map_or("", FailureKind::as_str),
                severity: question.severity,
                confidence: question.confidence,
                sources: question.sources.clone(),
                from,
                to,
                at_risk: question.at_risk,
            }),
        })
    }
}

fn because(said: Said) -> Because {
    Because {
        policy: said.policy,
        text: said.text,
        flip: said.flip,
    }
}

/// The order that forbids every act there.
fn ordered(
    orders: &Orders,
    workload: &Entity,
    action: ActionKind,
    now: Timestamp,
) -> Option<Because> {
    if orders.is_halted(&workload.cluster) {
        return Some(Because {
            policy: "kill-switch".to_owned(),
            text: format!("the kill switch of {} is on", workload.cluster),
            flip: "resume".to_owned(),
        });
    }
    let (_, until) = orders.freeze(workload, action, now)?;
    Some(Because {
        policy: "freeze".to_owned(),
        text: format!("nothing is done there until {until}"),
        flip: "end the freeze".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use aegis_schemas::Scope;

    use super::*;

    fn question() -> Question {
        let yes = |tag: &str| [(format!("aegis.dev/{tag}"), "true".to_owned())].into();
        Question {
            by: None,
            action: Action::RolloutRestart,
            workload: "demo/shop/deployment/cart".parse().expect("an entity"),
            replicas: 3,
            ready: 3,
            tags: yes("managed"),
            namespace_tags: yes("enabled"),
            mode: None,
            approved: false,
            failure: Some(FailureKind::CrashLoop),
            severity: Some(Severity::Error),
            confidence: 900,
            sources: [EvidenceSource::Metrics].into(),
            at_risk: 1,
        }
    }

    fn orders(mode: Mode) -> StandingOrders {
        let scope = Scope {
            cluster: question().workload.cluster,
            namespace: None,
            action: None,
        };
        StandingOrders {
            modes: vec![(scope, mode)],
            freezes: Vec::new(),
            halted: Vec::new(),
        }
    }

    fn says(question: &Question, orders: &StandingOrders) -> (Option<Verdict>, Vec<String>) {
        let evaluation = Rules::built_in().evaluate(question, orders, Timestamp::EPOCH);
        let policies = evaluation.reasons.into_iter().map(|reason| reason.policy);
        (evaluation.verdict, policies.collect())
    }

    #[test]
    fn the_mode_that_stands_and_the_case_decide() {
        let ours = question();
        let person = |role: &str| Question {
            by: Some(Actor {
                name: "ann".to_owned(),
                roles: [role.to_owned()].into(),
            }),
            ..question()
        };
        let unmanaged = Question {
            tags: BTreeMap::new(),
            ..question()
        };
        for (question, mode, verdict, policy) in [
            (&ours, Mode::Act, None, "aegis-acts"),
            (&ours, Mode::Ask, Some(Verdict::Ask), "mode-ask"),
            (&ours, Mode::Observe, Some(Verdict::Deny), "mode-observe"),
            (
                &unmanaged,
                Mode::Act,
                Some(Verdict::Deny),
                "workload-not-managed",
            ),
            (
                &person("operator"),
                Mode::Observe,
                None,
                "people-act-in-their-role",
            ),
            (
                &person("auditor"),
                Mode::Act,
                Some(Verdict::Deny),
                "no-permit",
            ),
        ] {
            let said = says(question, &orders(mode));
            assert_eq!(said, (verdict, vec![policy.to_owned()]), "{mode}");
        }
    }

    #[test]
    fn freezes_and_the_kill_switch_hold_for_everybody() {
        let mut frozen = orders(Mode::Act);
        let scope = frozen.modes[0].0.clone();
        frozen.freezes = vec![(scope.clone(), Timestamp::from_millis(1))];
        let mut halted = orders(Mode::Act);
        halted.halted = vec![scope.cluster];
        for (orders, policy) in [(frozen, "freeze"), (halted, "kill-switch")] {
            let (verdict, policies) = says(&question(), &orders);
            assert_eq!(
                (verdict, policies[0].as_str()),
                (Some(Verdict::Deny), policy)
            );
        }
    }
}
