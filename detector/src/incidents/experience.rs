//! What acts and diagnoses were worth so far, and what follows from it for the next ones.
//!
//! Verdicts on acts are counted by failure, action and class of workload, the newest of each workload;
//! opinions of operators by failure and class, the newest of each incident. Either only ever lowers a
//! confidence, to the upper end of Wilson's interval: what failed often is left to people, and no run of good
//! luck opens what the rules alone would not. Whoever calls an incident no problem raises what the answers of
//! its root must be like for the next one. All of it counts for two weeks.
//!
//! The newest opinion on an incident replaces the ones before, and can be withdrawn: then all is as if
//! nobody had said anything.

use std::collections::{BTreeMap, VecDeque};

use aegis_schemas::{
    ActionKind, AssessmentVerdict, Entity, FailureKind, FeedbackVerdict, IncidentId,
    Recommendation, Timestamp,
};
use serde::{Deserialize, Serialize};

use super::config::seconds;

/// The most results that are remembered of a kind.
const MAX_RESULTS: usize = 50;
/// The most incidents that opinions are taken on.
const MAX_INCIDENTS: usize = 1_000;
/// The most workloads whose incidents were called no problem that are remembered.
const MAX_DISMISSED: usize = 1_000;
/// How long a result or an opinion counts: what was true of an old release may be no more, and what is no
/// longer tried can only be tried again once its failures are forgotten.
const COUNTS_FOR_S: u64 = 14 * 86_400;
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
    acts: BTreeMap<(FailureKind, ActionKind, String), Results<Entity>>,
    diagnoses: BTreeMap<(FailureKind, String), Results<IncidentId>>,
    incidents: VecDeque<Named>,
    dismissed: BTreeMap<Entity, BTreeMap<IncidentId, Timestamp>>,
}

/// What the rules called an incident when it was last said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Named {
    incident: IncidentId,
    root: Entity,
    kind: FailureKind,
    class: String,
}

/// Results of the same sort, the newest last; each counts once. Of what, whether it was good, and when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Results<Id>(VecDeque<(Id, bool, Timestamp)>);

impl<Id> Default for Results<Id> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<Id: PartialEq> Results<Id> {
    fn note(&mut self, id: Id, good: bool, now: Timestamp) {
        self.forget(&id);
        self.0.push_back((id, good, now));
        if self.0.len() > MAX_RESULTS {
            self.0.pop_front();
        }
    }

    fn forget(&mut self, id: &Id) {
        self.0.retain(|(known, ..)| known != id);
    }

    /// How many of how many were good; none if there are no results that count.
    fn share(&self, now: Timestamp) -> Option<(usize, usize)> {
        let fresh = || self.0.iter().filter(|(_, _, at)| is_fresh(*at, now));
        let good = fresh().filter(|(_, good, _)| *good).count();
        Some((good, fresh().count())).filter(|(_, all)| *all > 0)
    }
}

/// The upper end of the score interval (Wilson 1927) of a share, in thousandths.
fn at_most((good, all): (usize, usize)) -> u16 {
    let (n, z2) = (all as f64, Z * Z);
    let p = good as f64 / n;
    let spread = Z * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    let bound = (p + z2 / (2.0 * n) + spread) / (1.0 + z2 / n);
    (bound * 1_000.0).round().clamp(0.0, 1_000.0) as u16
}

impl Experience {
    /// Remembers what an incident is called, for opinions that come later, also after its end.
    pub(super) fn name(
        &mut self,
        incident: IncidentId,
        root: &Entity,
        (kind, class): (FailureKind, String),
    ) {
        let named = Named {
            incident,
            root: root.clone(),
            kind,
            class,
        };
        let mut known = self.incidents.iter_mut().rev();
        if let Some(known) = known.find(|known| known.incident == incident) {
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

    /// Takes in an opinion; answers the root that it is about, and whether one that nothing is wrong was
    /// taken back with it.
    pub(super) fn opinion(
        &mut self,
        incident: IncidentId,
        verdict: FeedbackVerdict,
        now: Timestamp,
    ) -> Option<(Entity, bool)> {
        let mut known = self.incidents.iter().rev();
        let named = known.find(|known| known.incident == incident)?.clone();
        for results in self.diagnoses.values_mut() {
            results.forget(&incident);
        }
        let mut taken_back = false;
        for dismissals in self.dismissed.values_mut() {
            taken_back |= dismissals.remove(&incident).is_some();
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
                .note(incident, right, now);
        }
        let has_room =
            self.dismissed.len() < MAX_DISMISSED || self.dismissed.contains_key(&named.root);
        if verdict == FeedbackVerdict::NotAProblem && has_room {
            let dismissals = self.dismissed.entry(named.root.clone()).or_default();
            dismissals.insert(incident, now);
        }
        self.forget(now);
        Some((named.root, taken_back))
    }

    /// Drops what counts no more.
    fn forget(&mut self, now: Timestamp) {
        self.diagnoses
            .retain(|_, results| results.share(now).is_some());
        for dismissals in self.dismissed.values_mut() {
            dismissals.retain(|_, at| is_fresh(*at, now));
        }
        self.dismissed
            .retain(|_, dismissals| !dismissals.is_empty());
    }

    /// Takes in what an act against that failure came to.
    pub(super) fn act(
        &mut self,
        workload: Entity,
        sort: (FailureKind, ActionKind, String),
        verdict: AssessmentVerdict,
        now: Timestamp,
    ) {
        let good = verdict == AssessmentVerdict::Verified;
        self.acts.entry(sort).or_default().note(workload, good, now);
        self.acts.retain(|_, results| results.share(now).is_some());
    }

    /// How many times the usual size bad answers of `root` must have before they matter, and how many opinions
    /// that is for; 1 without any.
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
        now: Timestamp,
    ) {
        let results = self.diagnoses.get(sort);
        let Some(share) = results.and_then(|results| results.share(now)) else {
            return;
        };
        let (good, all) = share;
        because.push(format!(
            "operators called {good} of {all} such diagnoses right"
        ));
        *confidence = (*confidence).min(at_most(share));
    }

    /// Lowers the confidence of each act to what such acts came to, and says so. An act that cannot be expected
    /// to help in half of such cases is left to people.
    pub(super) fn weigh_acts(
        &self,
        (kind, class): (FailureKind, &str),
        recommendations: &mut [Recommendation],
        now: Timestamp,
    ) {
        for recommendation in recommendations {
            let sort = (kind, recommendation.action.kind(), class.to_owned());
            let results = self.acts.get(&sort);
            let Some(share) = results.and_then(|results| results.share(now)) else {
                continue;
            };
            let at_most = at_most(share);
            let (good, all) = share;
            let told = format!("of late it helped in {good} of {all} such workloads");
            if at_most < 500 {
                recommendation.against.push(told);
            } else {
                recommendation.because.push(told);
            }
            recommendation.confidence = recommendation.confidence.min(at_most);
        }
    }
}

fn is_fresh(at: Timestamp, now: Timestamp) -> bool {
    now.since(at) < seconds(COUNTS_FOR_S)
}
