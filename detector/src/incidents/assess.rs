//! Judges every act afterwards, from signals and anomalies alone.
//!
//! Verified: settled, ready and without symptoms for long enough, neighbours unharmed. Regressed: a
//! neighbour is worse since, or the target itself. Ineffective: neither in the time that it had.

use std::collections::{BTreeMap, BTreeSet};

use aegis_schemas::{
    Action, Assessment, AssessmentVerdict, Check, DecisionId, Entity, EntityKind, IncidentId,
    Outcome, Severity, Target, Timestamp, Warrant,
};
use serde::{Deserialize, Serialize};

use super::config::{Config, seconds};
use super::severity::severity;
use super::symptom::{Kind, Symptom};
use super::world::World;

/// An act under judgement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Act {
    decision: DecisionId,
    incident: Option<IncidentId>,
    action: Action,
    target: Target,
    decided: Timestamp,
    applied: Option<Timestamp>,
    generation: i64,
    before: Before,
    settled_since: Option<Timestamp>,
    ready_since: Option<Timestamp>,
    silent_since: Option<Timestamp>,
    harmed_since: BTreeMap<Entity, Timestamp>,
    /// It takes another act back: it has helped when things are as they were before that one.
    #[serde(default)]
    undo: bool,
}

/// How things stood when the act was decided.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Before {
    replicas: i32,
    severity: Severity,
    sick: BTreeMap<Entity, BTreeSet<Kind>>,
}

/// What is known at the moment of judging.
pub(super) struct View<'a> {
    pub(super) config: &'a Config,
    pub(super) world: &'a World,
    pub(super) sick: &'a BTreeMap<Entity, Vec<Symptom>>,
    pub(super) now: Timestamp,
}

/// A verdict that is not in after an outcome was missing for so long is given up: the executor
/// refused, or nobody carried it out before it expired.
const UNHEARD_S: u64 = 300;

impl Act {
    /// Expects the effect of a decision; remembers how things stand before it.
    /// `undone` is how things stood before the act that this one takes back.
    pub(super) fn expected(view: &View<'_>, warrant: &Warrant, undone: Option<Before>) -> Self {
        let target = warrant.target.object.clone();
        let workload = &target.workload;
        let harms = |symptoms: &Vec<Symptom>| {
            symptoms
                .iter()
                .filter(|symptom| symptom.kind.is_harm())
                .map(|symptom| symptom.kind)
                .collect::<BTreeSet<_>>()
        };
        let undo = warrant.undo_of.is_some();
        let before = undone.unwrap_or_else(|| Before {
            replicas: view
                .world
                .workloads
                .get(workload)
                .map_or(0, |known| known.state.replicas),
            severity: severity(view.world, workload, view.symptoms(workload)),
            sick: neighbours(view.world, workload)
                .into_iter()
                .filter_map(|near| Some((near.clone(), harms(view.sick.get(&near)?))))
                .collect(),
        });
        Self {
            decision: warrant.decision_id,
            incident: warrant.incident,
            action: warrant.action.clone(),
            target,
            decided: view.now,
            applied: None,
            generation: 0,
            before,
            settled_since: None,
            ready_since: None,
            silent_since: None,
            harmed_since: BTreeMap::new(),
            undo,
        }
    }

    /// How things stood before it.
    pub(super) const fn before(&self) -> &Before {
        &self.before
    }

    /// The decision that allowed it.
    pub(super) const fn decision(&self) -> DecisionId {
        self.decision
    }

    /// The executor wrote it.
    pub(super) fn applied(&mut self, now: Timestamp, outcome: &Outcome) {
        // Said again after a crash of the executor; the first time counts.
        if self.applied.is_none() {
            self.applied = Some(now);
            self.generation = outcome.generation;
        }
    }

    /// Whether nobody carried it out in the time that it had.
    pub(super) fn is_unheard(&self, now: Timestamp) -> bool {
        self.applied.is_none() && now.since(self.decided) > seconds(UNHEARD_S)
    }

    /// Whether the executor said that it was done.
    pub(super) const fn is_applied(&self) -> bool {
        self.applied.is_some()
    }

    /// The workload that it is about.
    pub(super) const fn workload(&self) -> &Entity {
        &self.target.workload
    }

    /// Looks again; a verdict once there is one.
    pub(super) fn judge(&mut self, view: &View<'_>) -> Option<Assessment> {
        let applied = self.applied?;
        let now = view.now;
        self.settled_since = kept(self.settled_since, self.is_settled(view), now);
        self.ready_since = kept(self.ready_since, self.is_ready(view), now);
        self.silent_since = kept(self.silent_since, self.is_silent(view), now);
        self.watch_neighbours(view);

        let held = |since: Option<Timestamp>, long: u64| {
            since.is_some_and(|since| now.since(since) >= seconds(long))
        };
        let config = view.config;
        let harmed = self
            .harmed_since
            .iter()
            // What the act did to its neighbours takes its time to pass after the undo.
            .filter(|_| !self.undo)
            .find(|(_, since)| now.since(**since) >= seconds(config.sideways_for_s))
            .map(|(near, _)| near.clone());
        let good = self.settled_since.is_some()
            && held(self.ready_since, config.ready_for_s)
            && held(self.silent_since, config.silent_for_s)
            && self.harmed_since.is_empty();
        let verdict = if harmed.is_some() {
            AssessmentVerdict::Regressed
        } else if good {
            AssessmentVerdict::Verified
        } else if now.since(applied) >= seconds(config.assess_within_s) {
            let worse = severity(view.world, self.workload(), view.symptoms(self.workload()))
                > self.before.severity;
            if worse {
                AssessmentVerdict::Regressed
            } else {
                AssessmentVerdict::Ineffective
            }
        } else {
            return None;
        };
        Some(Assessment {
            decision: self.decision,
            incident: self.incident,
            action: self.action.kind(),
            target: self.target.clone(),
            verdict,
            checks: self.checks(view, harmed.as_ref()),
            after_ms: u64::try_from(now.since(applied).as_millis()).unwrap_or(u64::MAX),
        })
    }

    fn is_settled(&self, view: &View<'_>) -> bool {
        let Some(workload) = view.world.workloads.get(self.workload()) else {
            return false;
        };
        let pod_replaced = self.target.entity.kind != EntityKind::Pod
            || view
                .world
                .pods
                .get(&self.target.entity)
                .is_none_or(|pod| pod.state.uid != self.target.uid || pod.state.deleting);
        workload.state.observed_generation >= self.generation
            && !workload.is_rolling()
            && pod_replaced
    }

    fn is_ready(&self, view: &View<'_>) -> bool {
        let Some(workload) = view.world.workloads.get(self.workload()) else {
            return false;
        };
        let wanted = match self.action {
            Action::Scale { replicas, .. } => replicas,
            _ => self.before.replicas,
        };
        self.is_settled(view) && workload.state.ready >= wanted.min(workload.state.replicas).max(1)
    }

    fn is_silent(&self, view: &View<'_>) -> bool {
        if self.undo {
            // The trouble that the act was meant for may be back.
            return self.settled_since.is_some() && self.harmed_since.is_empty();
        }
        !view
            .symptoms(self.workload())
            .iter()
            .any(|symptom| symptom.kind.is_harm())
    }

    /// Notes since when each neighbour shows a harm that it did not show before. Counted only once the
    /// act has settled: until then the target's own trouble still reaches its neighbours.
    fn watch_neighbours(&mut self, view: &View<'_>) {
        let mut harmed = BTreeMap::new();
        if let Some(settled) = self.settled_since {
            for near in neighbours(view.world, &self.target.workload) {
                let before = self.before.sick.get(&near);
                let symptoms = view.symptoms(&near);
                let flooded = symptoms.iter().any(|s| s.kind == Kind::LoadHigh);
                let new = symptoms.iter().any(|symptom| {
                    symptom.kind.is_harm()
                        && before.is_none_or(|kinds| !kinds.contains(&symptom.kind))
                        // More requests than usual explain it without the act.
                        && !(flooded && symptom.kind.comes_with_load())
                });
                if new {
                    let since = self.harmed_since.get(&near).copied().unwrap_or(view.now);
                    harmed.insert(near, since.max(settled));
                }
            }
        }
        self.harmed_since = harmed;
    }

    fn checks(&self, view: &View<'_>, harmed: Option<&Entity>) -> Vec<Check> {
        let now = view.now;
        let lasting = |since: Option<Timestamp>| {
            since.map_or_else(
                || "not now".to_owned(),
                |since| format!("for {:.1} s", now.since(since).as_secs_f64()),
            )
        };
        let state = view
            .world
            .workloads
            .get(self.workload())
            .map(|workload| workload.state.clone())
            .unwrap_or_default();
        let check = |name: &str, held: bool, measured: String| Check {
            name: name.to_owned(),
            held,
            measured,
        };
        let symptoms: Vec<String> = view
            .symptoms(self.workload())
            .iter()
            .filter(|symptom| symptom.kind.is_harm())
            .map(|symptom| symptom.text.clone())
            .collect();
        vec![
            check(
                "settled",
                self.settled_since.is_some(),
                format!(
                    "generation {} observed, {} of {} updated, {}",
                    state.observed_generation,
                    state.updated,
                    state.replicas,
                    lasting(self.settled_since)
                ),
            ),
            check(
                "ready",
                self.ready_since.is_some(),
                format!(
                    "{} of {} ready {}",
                    state.ready,
                    state.replicas,
                    lasting(self.ready_since)
                ),
            ),
            check(
                "silent",
                self.silent_since.is_some(),
                if symptoms.is_empty() {
                    format!("no symptom {}", lasting(self.silent_since))
                } else {
                    symptoms.join("; ")
                },
            ),
            check(
                "neighbours",
                self.harmed_since.is_empty(),
                harmed
                    .or_else(|| self.harmed_since.keys().next())
                    .map_or_else(
                        || format!("{} unharmed", neighbours(view.world, self.workload()).len()),
                        |near| {
                            let texts: Vec<String> =
                                view.symptoms(near).iter().map(|s| s.text.clone()).collect();
                            format!("{} is worse since: {}", near.short(), texts.join("; "))
                        },
                    ),
            ),
            check(
                "replicas",
                matches!(self.action, Action::Scale { .. })
                    || state.replicas >= self.before.replicas,
                format!("{} now, {} before", state.replicas, self.before.replicas),
            ),
        ]
    }
}

impl View<'_> {
    fn symptoms(&self, entity: &Entity) -> &[Symptom] {
        self.sick.get(entity).map_or(&[], Vec::as_slice)
    }
}

/// Whom it calls, who calls it, and who else calls whom it calls: they share what it may use up.
fn neighbours(world: &World, entity: &Entity) -> BTreeSet<Entity> {
    let sharers = world
        .callees(entity)
        .flat_map(|callee| world.callers(callee));
    world
        .callees(entity)
        .chain(world.callers(entity))
        .chain(sharers)
        .filter(|near| *near != entity)
        .cloned()
        .collect()
}

/// Since when something holds without a break.
fn kept(since: Option<Timestamp>, holds: bool, now: Timestamp) -> Option<Timestamp> {
    holds.then(|| since.unwrap_or(now))
}
