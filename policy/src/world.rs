//! What policy must know of objects, from signals alone: who takes part, how many pods there are, and which
//! nodes are ready.

use std::collections::{BTreeMap, BTreeSet};

use aegis_schemas::signal::{PodState, Sync, SyncPhase, WorkloadState};
use aegis_schemas::{Entity, EntityKind, Signal, SignalBody};
use serde::{Deserialize, Serialize};

/// The most workloads, pods, namespaces and nodes that are remembered; what is unknown is not acted on.
const MAX_WORKLOADS: usize = 20_000;
const MAX_PODS: usize = 50_000;
const MAX_NAMESPACES: usize = 10_000;
const MAX_NODES: usize = 10_000;

/// A workload.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Workload {
    pub(crate) uid: String,
    pub(crate) generation: i64,
    pub(crate) replicas: i32,
    pub(crate) ready: i32,
    /// How many pods of each revision are ready, by template hash.
    pub(crate) ready_of: BTreeMap<String, i32>,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) deleting: bool,
    /// Whether all that it wants was ready once: what never was has not fallen sick.
    #[serde(default)]
    pub(crate) was_well: bool,
}

impl Workload {
    fn of(state: &WorkloadState, before: Option<&Self>) -> Self {
        let is_well = state.replicas > 0 && state.ready >= state.replicas;
        Self {
            uid: state.uid.clone(),
            generation: state.generation,
            replicas: state.replicas,
            ready: state.ready,
            ready_of: state
                .revisions
                .iter()
                .filter(|revision| revision.ready > 0)
                .map(|revision| (revision.template_hash.clone(), revision.ready))
                .collect(),
            tags: tags(&state.labels, &state.annotations),
            deleting: state.deleting,
            was_well: is_well || before.is_some_and(|before| before.was_well),
        }
    }

    /// How many pods it has or wants, whichever is more.
    pub(crate) fn pods(&self) -> u32 {
        count(self.replicas.max(self.ready))
    }
}

/// A pod.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Pod {
    pub(crate) uid: String,
    pub(crate) ready: bool,
    pub(crate) workload: Option<Entity>,
    pub(crate) deleting: bool,
}

impl Pod {
    fn of(state: &PodState) -> Self {
        Self {
            uid: state.uid.clone(),
            ready: state.ready,
            workload: state.workload.clone(),
            deleting: state.deleting,
        }
    }
}

/// All objects.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct World {
    pub(crate) workloads: BTreeMap<Entity, Workload>,
    pub(crate) pods: BTreeMap<Entity, Pod>,
    /// Whether each node that has been ready is so now.
    pub(crate) nodes: BTreeMap<Entity, bool>,
    /// Labels and annotations of namespaces, by name.
    namespaces: BTreeMap<String, BTreeMap<String, String>>,
    /// The statement of all objects that is under way: what was said in it.
    sync: Option<(u64, Vec<EntityKind>, BTreeSet<Entity>)>,
}

impl World {
    /// Takes one signal in.
    pub(crate) fn apply(&mut self, signal: &Signal) {
        let entity = &signal.entity;
        if let Some((_, kinds, said)) = &mut self.sync
            && kinds.contains(&entity.kind)
        {
            said.insert(entity.clone());
        }
        match &signal.body {
            SignalBody::Workload(state) => {
                let workload = Workload::of(state, self.workloads.get(entity));
                put(&mut self.workloads, MAX_WORKLOADS, entity, workload);
            }
            SignalBody::Pod(state) => put(&mut self.pods, MAX_PODS, entity, Pod::of(state)),
            // One that has never been ready is about to join, and no failure.
            SignalBody::Node(state) if state.ready || self.nodes.contains_key(entity) => {
                put(&mut self.nodes, MAX_NODES, entity, state.ready);
            }
            SignalBody::Namespace(state) => {
                let name = entity.name.to_string();
                let tags = tags(&state.labels, &state.annotations);
                put(&mut self.namespaces, MAX_NAMESPACES, &name, tags);
            }
            SignalBody::Gone(_) => self.forget(entity),
            SignalBody::Sync(sync) => self.sync(sync),
            _ => {}
        }
    }

    /// The labels and annotations of the namespace that an object is in.
    pub(crate) fn namespace_tags(&self, of: &Entity) -> Option<&BTreeMap<String, String>> {
        self.namespaces.get(of.namespace.as_ref()?.as_str())
    }

    /// How many pods the workloads of a namespace have.
    pub(crate) fn pods_in_namespace_of(&self, entity: &Entity) -> u32 {
        self.workloads
            .iter()
            .filter(|(other, _)| other.namespace == entity.namespace)
            .map(|(_, workload)| workload.pods())
            .sum()
    }

    fn forget(&mut self, entity: &Entity) {
        match entity.kind {
            EntityKind::Pod => {
                self.pods.remove(entity);
            }
            EntityKind::Node => {
                self.nodes.remove(entity);
            }
            EntityKind::Namespace => {
                self.namespaces.remove(entity.name.as_str());
            }
            _ => {
                self.workloads.remove(entity);
            }
        }
    }

    /// What was not said between a begin and an end is gone.
    fn sync(&mut self, sync: &Sync) {
        match sync.phase {
            SyncPhase::Begin => {
                self.sync = Some((sync.round, sync.kinds.clone(), BTreeSet::new()));
            }
            SyncPhase::End => {
                let Some((round, kinds, said)) = self.sync.take() else {
                    return;
                };
                if round != sync.round {
                    return;
                }
                let stays =
                    |entity: &Entity| !kinds.contains(&entity.kind) || said.contains(entity);
                self.workloads.retain(|entity, _| stays(entity));
                self.pods.retain(|entity, _| stays(entity));
                self.nodes.retain(|entity, _| stays(entity));
                if kinds.contains(&EntityKind::Namespace) {
                    let names: BTreeSet<&str> = said
                        .iter()
                        .filter(|entity| entity.kind == EntityKind::Namespace)
                        .map(|entity| entity.name.as_str())
                        .collect();
                    self.namespaces
                        .retain(|name, _| names.contains(name.as_str()));
                }
            }
        }
    }
}

/// A replica count as Kubernetes keeps it, never below zero.
pub(crate) fn count(replicas: i32) -> u32 {
    u32::try_from(replicas).unwrap_or(0)
}

fn put<K: Ord + Clone, V>(map: &mut BTreeMap<K, V>, most: usize, key: &K, value: V) {
    if map.len() < most || map.contains_key(key) {
        map.insert(key.clone(), value);
    }
}

/// Labels and annotations as one. Where they differ the label wins, so that an annotation never enlists
/// what a label keeps out; but what keeps Aegis back wins wherever somebody wrote it.
fn tags(
    labels: &BTreeMap<String, String>,
    annotations: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let mut tags = labels.clone();
    for (key, value) in annotations {
        if keeps_back(key) == Some(value.as_str()) || !tags.contains_key(key) {
            tags.insert(key.clone(), value.clone());
        }
    }
    tags
}

/// The value of a tag that keeps Aegis back.
fn keeps_back(key: &str) -> Option<&'static str> {
    match key {
        "aegis.dev/ignore" | "aegis.dev/no-rollback" => Some("true"),
        "aegis.dev/approval" => Some("required"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_label_wins_unless_the_annotation_keeps_aegis_back() {
        for (key, label, annotation, wins) in [
            ("enabled", Some("false"), Some("true"), "false"),
            ("managed", Some("false"), Some("true"), "false"),
            ("managed", Some("true"), Some("false"), "true"),
            ("managed", None, Some("true"), "true"),
            ("ignore", Some("false"), Some("true"), "true"),
            ("ignore", Some("true"), Some("false"), "true"),
            ("no-rollback", Some("false"), Some("true"), "true"),
            ("no-rollback", Some("true"), Some("false"), "true"),
            ("approval", Some("true"), Some("required"), "required"),
            ("approval", Some("required"), Some("true"), "required"),
            ("approval", Some("required"), None, "required"),
            ("team", Some("a"), Some("b"), "a"),
        ] {
            let key = format!("aegis.dev/{key}");
            let of = |value: Option<&str>| {
                value
                    .map(|value| (key.clone(), value.to_owned()))
                    .into_iter()
                    .collect()
            };
            let tags = tags(&of(label), &of(annotation));
            assert_eq!(tags[&key], wins, "{key}: {label:?} {annotation:?}");
        }
    }
}
