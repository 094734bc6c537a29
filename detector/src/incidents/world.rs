//! What is known of every object, from signals alone.

use std::collections::{BTreeMap, BTreeSet};

use aegis_schemas::signal::{AutoscalerState, NodeState, PodState, Sync, SyncPhase};
use aegis_schemas::{Entity, EntityKind, EventId, Signal, SignalBody, Timestamp};
use serde::{Deserialize, Serialize};

use super::config::{Config, seconds};
use super::node;
use super::objects::{Pod, SeenChange, Workload};

/// The most pods that are remembered; beyond it new ones are not taken in.
const MAX_PODS: usize = 50_000;
/// The most workloads that are remembered which Kubernetes says nothing of: publishers of changes and
/// calls may name whatever they like.
const MAX_HEARSAY: usize = 2_000;
/// The most callees that are remembered of a workload.
const MAX_CALLEES: usize = 256;
/// The most restarts that are remembered of a pod.
const MAX_RESTARTS: usize = 16;

/// All objects.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct World {
    /// Workloads.
    pub(super) workloads: BTreeMap<Entity, Workload>,
    /// Pods.
    pub(super) pods: BTreeMap<Entity, Pod>,
    /// Pods by workload.
    pub(super) pods_of: BTreeMap<Entity, BTreeSet<Entity>>,
    /// Nodes.
    pub(super) nodes: BTreeMap<Entity, NodeState>,
    /// Autoscalers.
    pub(super) autoscalers: BTreeMap<Entity, AutoscalerState>,
    /// When the Kubernetes watch was last known to live, stream time.
    pub(super) watch_alive: Timestamp,
    /// The statement of all objects that is under way: what was said in it, and since when.
    sync: Option<(u64, Vec<EntityKind>, BTreeSet<Entity>)>,
    /// When it began, stream time.
    sync_since: Timestamp,
}

/// A statement of all objects that takes longer has broken off.
const SYNC_WITHIN_S: u64 = 60;

impl World {
    /// What kind of workload it is, `Deployment` for one: what is learned of one holds for its like.
    pub(super) fn class_of(&self, workload: &Entity) -> &str {
        let gvk = self.workloads.get(workload).map(|known| &known.state.gvk);
        gvk.map_or("", |gvk| gvk.rsplit('/').next().unwrap_or(gvk))
    }

    /// Whether all objects are being said, so that pods may be missing from the picture.
    pub(super) fn is_syncing(&self, now: Timestamp) -> bool {
        self.sync.is_some() && now.since(self.sync_since) < seconds(SYNC_WITHIN_S)
    }

    /// Takes one signal in; answers the workloads that it touches.
    pub(super) fn apply(
        &mut self,
        config: &Config,
        now: Timestamp,
        event: EventId,
        signal: &Signal,
    ) -> BTreeSet<Entity> {
        let entity = &signal.entity;
        if let Some((_, _, said)) = &mut self.sync
            && states_an_object(&signal.body)
        {
            said.insert(entity.clone());
        }
        let mut touched = BTreeSet::new();
        match &signal.body {
            SignalBody::Workload(state) => {
                let workload = self.workloads.entry(entity.clone()).or_default();
                workload.restate(now, event, state);
                touched.insert(entity.clone());
            }
            SignalBody::Pod(state) => touched.extend(self.pod(now, event, entity, state)),
            SignalBody::Node(state) => {
                self.nodes.insert(entity.clone(), state.clone());
            }
            SignalBody::Autoscaler(state) => {
                touched.extend(state.target.clone());
                self.autoscalers.insert(entity.clone(), state.clone());
            }
            SignalBody::Change(change) => {
                if let Some(workload) = self.spoken_of(entity) {
                    workload.remember(SeenChange {
                        event,
                        at: now,
                        change: change.clone(),
                    });
                    touched.insert(entity.clone());
                }
            }
            SignalBody::Calls(calls) => {
                if let Some(workload) = self.spoken_of(entity) {
                    let callees = calls.callees.iter().take(MAX_CALLEES);
                    workload.callees = callees.cloned().collect();
                    touched.insert(entity.clone());
                }
            }
            SignalBody::Gone(_) => touched.extend(self.forget(entity)),
            SignalBody::Sync(sync) => touched.extend(self.sync(now, sync)),
            SignalBody::Heartbeat(heartbeat) => {
                let alive = heartbeat.sources.iter().any(|(source, at)| {
                    source.starts_with("kubernetes")
                        && heartbeat.clock.since(*at) <= seconds(config.source_silent_s)
                });
                if alive {
                    self.watch_alive = now;
                }
            }
            SignalBody::Genesis(_)
            | SignalBody::Namespace(_)
            | SignalBody::DisruptionBudget(_)
            | SignalBody::KubernetesEvent(_)
            | SignalBody::LogRates(_)
            | SignalBody::Alert(_)
            | SignalBody::Unknown => {}
        }
        touched
    }

    /// Remembers since when a workload is whole and without symptoms, and which of its templates
    /// proved healthy that way: what a rollback may go back to.
    pub(super) fn note_health(
        &mut self,
        config: &Config,
        now: Timestamp,
        entity: &Entity,
        sick: bool,
    ) {
        let Some(workload) = self.workloads.get_mut(entity) else {
            return;
        };
        if sick || !workload.is_whole() || workload.state.replicas == 0 {
            workload.whole_since = None;
            return;
        }
        let hash = workload.template_hash().map(str::to_owned);
        let since = match &workload.whole_since {
            Some((since, of)) if *of == hash => *since,
            _ => now,
        };
        workload.whole_since = Some((since, hash.clone()));
        if now.since(since) < seconds(config.healthy_after_s) {
            return;
        }
        workload.healthy_replicas = workload.state.replicas;
        if let Some(hash) = hash {
            workload.healthy.insert(hash, now);
        }
        let known: BTreeSet<&str> = workload
            .state
            .revisions
            .iter()
            .map(|revision| revision.template_hash.as_str())
            .collect();
        workload
            .healthy
            .retain(|hash, _| known.contains(hash.as_str()));
    }

    /// The pods of a workload that are neither being deleted nor over.
    pub(super) fn pods_of<'a>(
        &'a self,
        workload: &Entity,
    ) -> impl Iterator<Item = (&'a Entity, &'a Pod)> {
        let all = self.all_pods_of(workload);
        all.filter(|(_, pod)| !pod.state.deleting && !pod.is_over())
    }

    /// The pods of a workload that are over and still there: an eviction leaves its pod behind.
    pub(super) fn ended_pods_of<'a>(
        &'a self,
        workload: &Entity,
    ) -> impl Iterator<Item = (&'a Entity, &'a Pod)> {
        let all = self.all_pods_of(workload);
        all.filter(|(_, pod)| pod.state.phase == "Failed")
    }

    /// Whether the node of a pod of `workload` has that problem.
    pub(super) fn has_problem(&self, workload: &Entity, pod: &Pod, problem: &str) -> bool {
        let node = node::of(workload, pod);
        node.and_then(|node| self.nodes.get(&node))
            .is_some_and(|node| node.problems.iter().any(|one| one == problem))
    }

    fn all_pods_of<'a>(&'a self, workload: &Entity) -> impl Iterator<Item = (&'a Entity, &'a Pod)> {
        self.pods_of
            .get(workload)
            .into_iter()
            .flatten()
            .filter_map(|entity| Some((entity, self.pods.get(entity)?)))
    }

    /// Who calls `entity`.
    pub(super) fn callers(&self, entity: &Entity) -> impl Iterator<Item = &Entity> {
        self.workloads
            .iter()
            .filter(move |(_, workload)| workload.callees.contains(entity))
            .map(|(caller, _)| caller)
    }

    /// Whom `entity` calls.
    pub(super) fn callees(&self, entity: &Entity) -> impl Iterator<Item = &Entity> {
        self.workloads
            .get(entity)
            .into_iter()
            .flat_map(|workload| &workload.callees)
    }

    /// The autoscaler that owns a workload's replicas.
    pub(super) fn autoscaler_of(&self, workload: &Entity) -> Option<(&Entity, &AutoscalerState)> {
        self.autoscalers
            .iter()
            .find(|(_, state)| state.target.as_ref() == Some(workload))
    }

    /// The workload that a change or a call is about. Where Kubernetes is not watched it may be one
    /// without a state, but only so many of them.
    fn spoken_of(&mut self, entity: &Entity) -> Option<&mut Workload> {
        if !self.workloads.contains_key(entity) {
            let hearsay = self.workloads.values().filter(|one| one.is_hearsay());
            if !entity.kind.is_workload() || hearsay.count() >= MAX_HEARSAY {
                return None;
            }
        }
        Some(self.workloads.entry(entity.clone()).or_default())
    }

    fn pod(
        &mut self,
        now: Timestamp,
        event: EventId,
        entity: &Entity,
        state: &PodState,
    ) -> Option<Entity> {
        if !self.pods.contains_key(entity) && self.pods.len() >= MAX_PODS {
            return None;
        }
        let pod = self.pods.entry(entity.clone()).or_insert_with(|| Pod {
            first_seen: now,
            ..Pod::default()
        });
        if pod.state.uid != state.uid {
            *pod = Pod {
                first_seen: now,
                ..Pod::default()
            };
        } else {
            let more = usize::try_from(state.restarts - pod.state.restarts).unwrap_or(0);
            for _ in 0..more.min(MAX_RESTARTS) {
                pod.restarts.push_back(now);
            }
            while pod.restarts.len() > MAX_RESTARTS {
                pod.restarts.pop_front();
            }
        }
        pod.unready_since = match (state.ready, pod.unready_since) {
            (true, _) => None,
            (false, Some(since)) => Some(since),
            (false, None) => Some(now),
        };
        let before = std::mem::replace(&mut pod.state, state.clone()).workload;
        pod.event = event;
        if before != state.workload
            && let Some(before) = &before
            && let Some(pods) = self.pods_of.get_mut(before)
        {
            pods.remove(entity);
        }
        let workload = state.workload.clone()?;
        self.pods_of
            .entry(workload.clone())
            .or_default()
            .insert(entity.clone());
        Some(workload)
    }

    fn forget(&mut self, entity: &Entity) -> Option<Entity> {
        match entity.kind {
            EntityKind::Pod => {
                let workload = self.pods.remove(entity)?.state.workload?;
                if let Some(pods) = self.pods_of.get_mut(&workload) {
                    pods.remove(entity);
                }
                Some(workload)
            }
            EntityKind::Node => {
                self.nodes.remove(entity);
                None
            }
            EntityKind::HorizontalPodAutoscaler => self
                .autoscalers
                .remove(entity)
                .and_then(|state| state.target),
            _ => {
                self.workloads.remove(entity);
                self.pods_of.remove(entity);
                Some(entity.clone())
            }
        }
    }

    /// At the end of a full statement, what was not said is gone.
    fn sync(&mut self, now: Timestamp, sync: &Sync) -> BTreeSet<Entity> {
        match sync.phase {
            SyncPhase::Begin => {
                self.sync = Some((sync.round, sync.kinds.clone(), BTreeSet::new()));
                self.sync_since = now;
                BTreeSet::new()
            }
            SyncPhase::End => {
                let Some((round, kinds, said)) = self.sync.take() else {
                    return BTreeSet::new();
                };
                if round != sync.round {
                    return BTreeSet::new();
                }
                let missing: Vec<Entity> = self
                    .workloads
                    .keys()
                    .chain(self.pods.keys())
                    .chain(self.nodes.keys())
                    .chain(self.autoscalers.keys())
                    .filter(|entity| kinds.contains(&entity.kind) && !said.contains(*entity))
                    .cloned()
                    .collect();
                missing
                    .iter()
                    .filter_map(|entity| self.forget(entity))
                    .collect()
            }
        }
    }
}

/// Whether the signal proves that its object is there; what others say about an object does not.
const fn states_an_object(body: &SignalBody) -> bool {
    matches!(
        body,
        SignalBody::Workload(_)
            | SignalBody::Pod(_)
            | SignalBody::Node(_)
            | SignalBody::Autoscaler(_)
    )
}
