//! Judges every act afterwards, from signals and anomalies alone.
//!
//! Verified: settled, ready and without symptoms for long enough, neighbours unharmed. Regressed: a
//! neighbour is worse since, or the target itself. Ineffective: neither in the time that it had.

mod checks;

use std::collections::{BTreeMap, BTreeSet};

use aegis_schemas::{
    Action, ActionKind, Assessment, AssessmentVerdict, DecisionId, Entity, EntityKind, FailureKind,
    IncidentId, Outcome, PreImage, Severity, Target, Timestamp, Warrant,
};
use serde::{Deserialize, Serialize};

use super::classify::{OWN_MANAGER, REPORT_SLACK_S};
use super::config::{Config, seconds};
use super::experience::Experience;
use super::severity::severity;
use super::symptom::{Kind, Symptom};
use super::world::World;

/// An act under judgement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Act {
    decision: DecisionId,
    incident: Option<IncidentId>,
    /// What the incident was called when the act was decided.
    #[serde(default)]
    against: Option<FailureKind>,
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
    /// Until when it may be begun.
    #[serde(default)]
    until: Timestamp,
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
    pub(super) experience: &'a Experience,
    pub(super) now: Timestamp,
}

/// An act whose outcome was missing for so long is given up. A day, for the outcome waits in the
/// executor while the bus is down, and an act that was done must be judged.
const GIVEN_UP_S: u64 = 86_400;
/// How long after its warrant has ended an act may still be heard of: clocks differ, and an outcome takes its way.
const HEARD_WITHIN_S: u64 = 10;

impl Act {
    /// Expects the effect of a decision; remembers how things stand before it.
    /// `undone` is how things stood before the act that this one takes back.
    pub(super) fn expected(view: &View<'_>, warrant: &Warrant, undone: Option<Before>) -> Self {
        let target = warrant.target.object.clone();
        let before = undone.unwrap_or_else(|| Before::of(view, &target.workload));
        Self {
            undo: warrant.undo_of.is_some(),
            until: warrant.exp,
            incident: warrant.incident,
            against: view.kind_of(warrant.incident),
            ..Self::new(
                view,
                warrant.decision_id,
                warrant.action.clone(),
                target,
                before,
            )
        }
    }

    /// An act that is known from its outcome alone, as far as that tells: the neighbours are taken as
    /// they are now. None when the outcome does not say what was done to what.
    pub(super) fn found(view: &View<'_>, outcome: &Outcome) -> Option<Self> {
        let (action, target) = (outcome.action.clone()?, outcome.target.clone()?);
        let mut before = Before::of(view, &target.workload);
        match (&outcome.pre_image, &action) {
            (Some(PreImage::Replicas { replicas }), _)
            | (_, Action::Scale { from: replicas, .. }) => before.replicas = *replicas,
            _ => {}
        }
        Some(Self {
            // Nothing else restores a template.
            undo: action.kind() == ActionKind::RestoreTemplate,
            incident: outcome.incident,
            against: view.kind_of(outcome.incident),
            ..Self::new(view, outcome.decision, action, target, before)
        })
    }

    const fn new(
        view: &View<'_>,
        decision: DecisionId,
        action: Action,
        target: Target,
        before: Before,
    ) -> Self {
        Self {
            decision,
            incident: None,
            against: None,
            action,
            target,
            decided: view.now,
            applied: None,
            generation: 0,
            before,
            settled_since: None,
            ready_since: None,
            silent_since: None,
            harmed_since: BTreeMap::new(),
            undo: false,
            until: Timestamp::EPOCH,
        }
    }

    /// Which failure it was meant to end, by what kind of act; none when people asked for it, or when it
    /// takes another act back.
    pub(super) fn against(&self) -> Option<(FailureKind, ActionKind)> {
        let against = self.against.filter(|_| !self.undo);
        against.map(|kind| (kind, self.action.kind()))
    }

    /// How things stood before it.
    pub(super) const fn before(&self) -> &Before {
        &self.before
    }

    /// The decision that allowed it.
    pub(super) const fn decision(&self) -> DecisionId {
        self.decision
    }

    /// When it was allowed, or heard of first.
    pub(super) const fn decided(&self) -> Timestamp {
        self.decided
    }

    /// The executor wrote it.
    pub(super) fn applied(&mut self, now: Timestamp, outcome: &Outcome) {
        // Said again after a crash of the executor; the first time counts.
        if self.applied.is_none() {
            self.applied = Some(now);
            self.generation = outcome.generation;
        }
    }

    /// Whether nothing was heard of it for so long that nothing will be.
    pub(super) fn is_given_up(&self, now: Timestamp) -> bool {
        self.applied.is_none() && now.since(self.decided) > seconds(GIVEN_UP_S)
    }

    /// Whether the executor said that it was done.
    pub(super) const fn is_applied(&self) -> bool {
        self.applied.is_some()
    }

    /// Whether its effects may be among what is seen of an incident that was opened then: it was carried out, or may
    /// be at any moment. Its effects are often seen before the executor has said that it is done. What was opened
    /// since it was allowed is named by what is seen, until it is known to be done.
    pub(super) fn may_be_seen(&self, opened: Timestamp, now: Timestamp) -> bool {
        let over = self.until + seconds(HEARD_WITHIN_S);
        self.is_applied() || (opened <= self.decided && now < over)
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

    /// Whether somebody else gave `near` another template since the act was decided, or shortly before: the
    /// change is told when it shows.
    fn changed_since(&self, view: &View<'_>, near: &Entity) -> bool {
        let workload = view.world.workloads.get(near);
        let change = workload.and_then(|workload| workload.template_change(OWN_MANAGER));
        let slack = seconds(REPORT_SLACK_S);
        let harmed = self.harmed_since.get(near);
        change.is_some_and(|seen| {
            // What was harmed before somebody rolled something out there was harmed by something else.
            let first = harmed.is_none_or(|harmed| seen.at <= *harmed + slack);
            first && seen.at + slack >= self.decided
        })
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
                let changed = self.changed_since(view, &near);
                let new = symptoms.iter().any(|symptom| {
                    symptom.kind.is_harm()
                        && before.is_none_or(|kinds| !kinds.contains(&symptom.kind))
                        // More requests than usual explain it without the act.
                        && !(flooded && symptom.kind.comes_with_load())
                        // So does what somebody has rolled out there meanwhile, while its own pods fail.
                        && !(changed && symptom.kind.is_intrinsic())
                });
                if new {
                    let since = self.harmed_since.get(&near).copied().unwrap_or(view.now);
                    harmed.insert(near, since.max(settled));
                }
            }
        }
        self.harmed_since = harmed;
    }
}

impl Before {
    fn of(view: &View<'_>, workload: &Entity) -> Self {
        let harms = |symptoms: &Vec<Symptom>| {
            symptoms
                .iter()
                .filter(|symptom| symptom.kind.is_harm())
                .map(|symptom| symptom.kind)
                .collect::<BTreeSet<_>>()
        };
        Self {
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
        }
    }
}

impl View<'_> {
    fn kind_of(&self, incident: Option<IncidentId>) -> Option<FailureKind> {
        self.experience.kind_of(incident?)
    }

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
