//! What is said: each state once, and all of them again when somebody needs the whole.

use aegis_schemas::signal::{Sync, SyncPhase};
use aegis_schemas::{Entity, EntityKind, Namespace, Signal, SignalBody, Timestamp};

use super::{Catalogue, SOURCE};
use crate::heartbeat::cluster_entity;

/// Collects signals of one moment.
pub(super) struct Out {
    now: Timestamp,
    pub(super) signals: Vec<Signal>,
}

impl Out {
    pub(super) const fn new(now: Timestamp) -> Self {
        Self {
            now,
            signals: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, entity: Entity, body: SignalBody) {
        self.signals.push(Signal {
            entity,
            observed: self.now,
            source: SOURCE.to_owned(),
            body,
        });
    }
}

impl Catalogue {
    /// Everything again, between a begin and an end, so that what is missing is gone.
    #[must_use]
    pub fn restate(&self, now: Timestamp, round: u64) -> Vec<Signal> {
        let mut out = Out::new(now);
        let kinds: Vec<EntityKind> = self
            .listed
            .iter()
            .filter(|kind| kind.has_state())
            .map(|kind| kind.entity_kind())
            .collect();
        let sync = |phase| {
            SignalBody::Sync(Sync {
                phase,
                round,
                kinds: kinds.clone(),
            })
        };
        out.push(cluster_entity(&self.cluster), sync(SyncPhase::Begin));
        // Workloads before their pods, as their names sort it within a namespace.
        for (entity, body) in &self.said {
            out.push(entity.clone(), body.clone());
        }
        out.push(cluster_entity(&self.cluster), sync(SyncPhase::End));
        out.signals
    }

    pub(super) fn say(&mut self, entity: &Entity, body: SignalBody, out: &mut Out) {
        if self.said.get(entity) != Some(&body) {
            self.said.insert(entity.clone(), body.clone());
            out.push(entity.clone(), body);
        }
    }

    /// A workload's state together with its revisions.
    pub(super) fn say_workload(&mut self, entity: &Entity, out: &mut Out) {
        let Some(workload) = self.workloads.get(entity) else {
            return;
        };
        let mut state = workload.state.clone();
        state.revisions = self.revisions_of(entity);
        state.revision = workload.revision(&state.revisions);
        self.say(entity, SignalBody::Workload(state), out);
    }

    pub(super) fn say_budget(&mut self, entity: &Entity, out: &mut Out) {
        let Some(budget) = self.budgets.get(entity) else {
            return;
        };
        let workloads = self
            .workloads
            .iter()
            .filter(|(workload, _)| workload.namespace == entity.namespace)
            .filter(|(_, workload)| budget.selects(&workload.pod_labels))
            .map(|(workload, _)| workload.clone())
            .collect();
        let state = budget.state(workloads);
        self.say(entity, state, out);
    }

    pub(super) fn say_budgets(&mut self, namespace: &Namespace, out: &mut Out) {
        let budgets: Vec<Entity> = self
            .budgets
            .keys()
            .filter(|budget| budget.namespace.as_ref() == Some(namespace))
            .cloned()
            .collect();
        for budget in budgets {
            self.say_budget(&budget, out);
        }
    }
}
