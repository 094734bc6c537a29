//! What a rehearsal came to.

use std::collections::BTreeMap;
use std::time::Duration;

use aegis_schemas::{
    AssessmentVerdict, DecisionId, Event, FailureKind, IncidentId, IncidentPhase, OutcomePhase,
    Verdict,
};
use serde::Serialize;
use serde_json::Value;

/// An incident.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    /// Seconds from the start.
    pub at_s: f64,
    /// The root.
    pub entity: String,
    /// The failure's name, as last said.
    pub kind: FailureKind,
    /// The first cause, as last said.
    pub cause: String,
}

/// An allowed act.
#[derive(Clone, Debug, Serialize)]
pub struct Act {
    /// Seconds from the start.
    pub at_s: f64,
    /// The object.
    pub target: String,
    /// In words.
    pub act: String,
    /// Whether it takes another back.
    pub undo: bool,
    /// What the executor said.
    pub outcome: Option<String>,
    /// How it was judged.
    pub verdict: Option<AssessmentVerdict>,
}

/// One seed's result.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// Episodes that the scorer opened.
    pub episodes: u64,
    /// Incidents, in order.
    pub incidents: Vec<Found>,
    /// Allowed acts, in order.
    pub acts: Vec<Act>,
    /// Other decisions, by verdict.
    pub decisions: BTreeMap<&'static str, u64>,
    /// Reasons of denials and escalations, with how often.
    pub reasons: BTreeMap<String, u64>,
    /// The simulated cluster's own word on each fault and act.
    pub simulation: Value,
    #[serde(skip)]
    found: BTreeMap<IncidentId, usize>,
    #[serde(skip)]
    decided: BTreeMap<DecisionId, usize>,
}

impl Report {
    /// Whether every fault was healed as its oracle asks, no act was wrong and there were no more
    /// incidents than the scenario allows.
    #[must_use]
    pub fn is_right(&self) -> bool {
        let faults = self.simulation["faults"].as_array().into_iter().flatten();
        let right = |fault: &Value| {
            let nothing_to_do = fault["right"].as_array().is_some_and(Vec::is_empty);
            nothing_to_do || fault["harmless"] == true || fault["state"] == "healed"
        };
        let most = self.simulation["most_incidents"].as_u64();
        let few = most.is_none_or(|most| self.incidents.len() as u64 <= most);
        few && faults.clone().all(right) && self.simulation["wrong_acts"] == 0
    }

    pub(super) fn hear(&mut self, after: Duration, event: &Event) {
        let at_s = after.as_secs_f64();
        match event {
            Event::Anomaly(anomaly) => {
                self.episodes += u64::from(anomaly.phase == aegis_schemas::AnomalyPhase::Opened);
            }
            Event::Incident(incident) if incident.phase != IncidentPhase::Resolved => {
                let cause = incident.causes.first();
                let found = Found {
                    at_s,
                    entity: incident.entity.to_string(),
                    kind: incident.kind,
                    cause: cause.map_or_else(String::new, |cause| {
                        format!("{:?} {}", cause.kind, cause.entity.short())
                    }),
                };
                match self.found.get(&incident.incident) {
                    Some(place) => {
                        let at_s = self.incidents[*place].at_s;
                        self.incidents[*place] = Found { at_s, ..found };
                    }
                    None => {
                        self.found.insert(incident.incident, self.incidents.len());
                        self.incidents.push(found);
                    }
                }
            }
            Event::Warrant(envelope) => {
                let Ok(warrant) = envelope.peek() else { return };
                self.decided.insert(warrant.decision_id, self.acts.len());
                self.acts.push(Act {
                    at_s,
                    target: warrant.target.object.entity.to_string(),
                    act: warrant.action.describe(),
                    undo: warrant.undo_of.is_some(),
                    outcome: None,
                    verdict: None,
                });
            }
            Event::Decision(decision) => {
                *self.decisions.entry(decision.verdict.as_str()).or_default() += 1;
                if matches!(decision.verdict, Verdict::Deny | Verdict::Escalate) {
                    for reason in &decision.reasons {
                        *self.reasons.entry(reason.policy.clone()).or_default() += 1;
                    }
                }
            }
            Event::Outcome(outcome) => {
                if let Some(act) = self.decided.get(&outcome.decision) {
                    let said = match outcome.phase {
                        OutcomePhase::Applied => "applied".to_owned(),
                        _ => format!("{}: {}", outcome.phase.as_str(), outcome.message),
                    };
                    self.acts[*act].outcome = Some(said);
                }
            }
            Event::Assessment(assessment) => {
                if let Some(act) = self.decided.get(&assessment.decision) {
                    self.acts[*act].verdict = Some(assessment.verdict);
                }
            }
            _ => {}
        }
    }

    pub(super) fn finish(&self, seed: u64, simulation: &Value) -> Self {
        Self {
            seed,
            simulation: simulation.clone(),
            ..self.clone()
        }
    }
}
