//! What acts and diagnoses were worth so far, and what follows from it for the next ones.
//!
//! Verdicts on acts are counted by failure, action and class of workload; opinions of operators by failure
//! and class. Either only ever lowers a confidence, to the upper end of Wilson's interval: what failed
//! often is left to people, and no run of good luck opens what the diagnosis alone would not. Whoever calls
//! an incident no problem raises what its root must show for the next one, for a while.
//!
//! The newest opinion on an incident replaces the ones before, and can be withdrawn: then all is as if
//! nobody had said anything.

use std::collections::{BTreeMap, VecDeque};

use aegis_schemas::{
    ActionKind, AssessmentVerdict, DecisionId, Entity, FailureKind, FeedbackVerdict, Incident,
    IncidentId, Recommendation, Timestamp,
};
use serde::{Deserialize, Serialize};

use super::config::seconds;

/// The most results that are remembered of a kind: what was true of last year's release may be no more.
const MAX_RESULTS: usize = 50;
/// The most incidents that opinions are taken on.
const MAX_INCIDENTS: usize = 1_000;
/// The most workloads whose incidents were called no problem that are remembered.
const MAX_DISMISSED: usize = 1_000;
/// How long an opinion that nothing is wrong counts.
const DISMISSED_S: u64 = 14 * 86_400;
/// How much further off things must be for each such opinion.
const PER_DISMISSAL: f64 = 1.5;
/// The most of them that count for one workload: beyond that a rule or a silence is the right tool.
const MAX_DISMISSALS: usize = 3;
/// The deviate of a one-sided 97.5 % bound.
const Z: f64 = 1.96;

/// What is remembered of acts, diagnoses and opinions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Experience {
    acts: BTreeMap<(FailureKind, ActionKind, String), Results<DecisionId>>,
    diagnoses: BTreeMap<(FailureKind, String), Results<IncidentId>>,
    incidents: VecDeque<Named>,
    dismissed: BTreeMap<Entity, BTreeMap<IncidentId, Timestamp>>,
}

/// What an incident was called when it was last said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Named {
    incident: IncidentId,
    root: Entity,
    kind: FailureKind,
    class: String,
}

/// Results of the same sort, the newest last; each counts once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Results<Id>(VecDeque<(Id, bool)>);

impl<Id> Default for Results<Id> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<Id: Copy + PartialEq> Results<Id> {
    fn note(&mut self, id: Id, good: bool) {
        self.forget(id);
        self.0.push_back((id, good));
        if self.0.len() > MAX_RESULTS {
            self.0.pop_front();
        }
    }

    fn forget(&mut self, id: Id) {
        self.0.retain(|(known, _)| *known != id);
    }

    fn good(&self) -> usize {
        self.0.iter().filter(|(_, good)| *good).count()
    }

    fn all(&self) -> usize {
        self.0.len()
    }

    /// The upper end of the score interval (Wilson 1927) of the share of good results, in thousandths;
    /// 1,000 without any.
    fn at_most(&self) -> u16 {
        let (n, z2) = (self.all() as f64, Z * Z);
        if self.0.is_empty() {
            return 1_000;
        }
        let p = self.good() as f64 / n;
        let spread = Z * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
        let bound = (p + z2 / (2.0 * n) + spread) / (1.0 + z2 / n);
        (bound * 1_000.0).round().clamp(0.0, 1_000.0) as u16
    }
}

impl Experience {
    /// Remembers what an incident is called, for opinions that come later, also after its end.
    pub(super) fn name(&mut self, incident: &Incident, class: &str) {
        let named = Named {
            incident: incident.incident,
            root: incident.entity.clone(),
            kind: incident.kind,
            class: class.to_owned(),
        };
        let mut known = self.incidents.iter_mut().rev();
        if let Some(known) = known.find(|known| known.incident == incident.incident) {
            *known = named;
            return;
        }
        self.incidents.push_back(named);
        if self.incidents.len() > MAX_INCIDENTS {
            self.incidents.pop_front();
        }
    }

    /// What an incident is called, if it is remembered.
    pub(super) fn kind_of(&self, incident: IncidentId) -> Option<FailureKind> {
        let mut known = self.incidents.iter().rev();
        known
            .find(|known| known.incident == incident)
            .map(|known| known.kind)
    }

    /// Takes in an opinion; answers the root that it is about.
    pub(super) fn opinion(
        &mut self,
        incident: IncidentId,
        verdict: FeedbackVerdict,
        now: Timestamp,
    ) -> Option<Entity> {
        let mut known = self.incidents.iter().rev();
        let named = known.find(|known| known.incident == incident)?.clone();
        for results in self.diagnoses.values_mut() {
            results.forget(incident);
        }
        for dismissals in self.dismissed.values_mut() {
            dismissals.remove(&incident);
        }
        let right = match verdict {
            FeedbackVerdict::Right => Some(true),
            FeedbackVerdict::WrongCause | FeedbackVerdict::NotAProblem => Some(false),
            FeedbackVerdict::Withdrawn => None,
        };
        if let Some(right) = right {
            let sort = (named.kind, named.class);
            self.diagnoses
                .entry(sort)
                .or_default()
                .note(incident, right);
        }
        let has_room =
            self.dismissed.len() < MAX_DISMISSED || self.dismissed.contains_key(&named.root);
        if verdict == FeedbackVerdict::NotAProblem && has_room {
            let dismissals = self.dismissed.entry(named.root.clone()).or_default();
            dismissals.insert(incident, now);
        }
        self.forget(now);
        Some(named.root)
    }

    /// Drops what counts no more.
    fn forget(&mut self, now: Timestamp) {
        self.diagnoses.retain(|_, results| results.all() > 0);
        for dismissals in self.dismissed.values_mut() {
            dismissals.retain(|_, at| is_fresh(*at, now));
        }
        self.dismissed
            .retain(|_, dismissals| !dismissals.is_empty());
    }

    /// Takes in what an act against that failure came to.
    pub(super) fn act(
        &mut self,
        decision: DecisionId,
        sort: (FailureKind, ActionKind, String),
        verdict: AssessmentVerdict,
    ) {
        let good = verdict == AssessmentVerdict::Verified;
        self.acts.entry(sort).or_default().note(decision, good);
    }

    /// How many times its usual deviation `root` must show before it matters, and how many opinions that is
    /// for; 1 without any.
    pub(super) fn tolerance(&self, root: &Entity, now: Timestamp) -> (f64, usize) {
        let dismissals = self.dismissed.get(root).map_or(0, |dismissals| {
            dismissals
                .values()
                .filter(|at| is_fresh(**at, now))
                .count()
                .min(MAX_DISMISSALS)
        });
        let factor = (0..dismissals).fold(1.0, |factor, _| factor * PER_DISMISSAL);
        (factor, dismissals)
    }

    /// Lowers a diagnosis' confidence to what operators' opinions of such diagnoses leave, and says so.
    pub(super) fn weigh_diagnosis(
        &self,
        sort: &(FailureKind, String),
        confidence: &mut u16,
        because: &mut Vec<String>,
    ) {
        let Some(results) = self.diagnoses.get(sort) else {
            return;
        };
        because.push(format!(
            "operators called {} of {} such diagnoses right",
            results.good(),
            results.all()
        ));
        *confidence = (*confidence).min(results.at_most());
    }

    /// Lowers the confidence of each act to what such acts came to, says so, and puts the best first. An act
    /// that cannot be expected to help in half of such cases is left to people.
    pub(super) fn weigh_acts(
        &self,
        (kind, class): (FailureKind, &str),
        recommendations: &mut [Recommendation],
    ) {
        for recommendation in &mut *recommendations {
            let sort = (kind, recommendation.action.kind(), class.to_owned());
            let Some(results) = self.acts.get(&sort) else {
                continue;
            };
            let at_most = results.at_most();
            let told = format!(
                "it helped in {} of {} such cases",
                results.good(),
                results.all()
            );
            if at_most < 500 {
                recommendation.against.push(told);
            } else {
                recommendation.because.push(told);
            }
            recommendation.confidence = recommendation.confidence.min(at_most);
        }
        recommendations
            .sort_by_key(|one| (!one.against.is_empty(), std::cmp::Reverse(one.confidence)));
    }
}

fn is_fresh(at: Timestamp, now: Timestamp) -> bool {
    now.since(at) < seconds(DISMISSED_S)
}
