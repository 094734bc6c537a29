//! What is known of a cluster's objects, and what each new word about them means.
//!
//! Objects go in as the API server gives them; signals come out, only for what changed. Nothing here
//! reads a clock or talks to a server, so a simulation drives the same code.

mod budget;
mod change;
mod config_map;
mod event;
mod kind;
mod manager;
mod object;
mod ownership;
mod pod;
mod quantity;
mod revision;
mod say;
mod small;
mod workload;

use std::collections::{BTreeMap, BTreeSet};

use aegis_schemas::signal::Gone;
use aegis_schemas::{Cluster, Entity, EntityKind, Name, Namespace, Signal, SignalBody, Timestamp};
use serde_json::Value;

pub use kind::ObjectKind;

use budget::Budget;
use event::Events;
use object::Object;
use pod::Pod;
use revision::Kept;
use say::Out;
use workload::Workload;

/// What the signals say their source is.
const SOURCE: &str = "kubernetes";

/// Where a revision is kept.
type KeptKey = (ObjectKind, Namespace, Name);

/// The objects of one cluster.
#[derive(Debug)]
pub struct Catalogue {
    cluster: Cluster,
    /// Kinds of which a full list was seen: only then is an unknown object a new one.
    listed: BTreeSet<ObjectKind>,
    workloads: BTreeMap<Entity, Workload>,
    pods: BTreeMap<Entity, Pod>,
    pods_of: BTreeMap<Entity, BTreeSet<Entity>>,
    kept: BTreeMap<KeptKey, Kept>,
    kept_of: BTreeMap<Entity, BTreeSet<KeptKey>>,
    /// Pods that were seen before their ReplicaSet and do not tell their workload.
    orphans: BTreeMap<KeptKey, BTreeSet<Entity>>,
    budgets: BTreeMap<Entity, Budget>,
    config_maps: BTreeMap<Entity, String>,
    events: Events,
    /// The last said state of every object.
    said: BTreeMap<Entity, SignalBody>,
}

impl Catalogue {
    /// Nothing known yet.
    #[must_use]
    pub fn new(cluster: Cluster) -> Self {
        Self {
            cluster,
            listed: BTreeSet::new(),
            workloads: BTreeMap::new(),
            pods: BTreeMap::new(),
            pods_of: BTreeMap::new(),
            kept: BTreeMap::new(),
            kept_of: BTreeMap::new(),
            orphans: BTreeMap::new(),
            budgets: BTreeMap::new(),
            config_maps: BTreeMap::new(),
            events: Events::default(),
            said: BTreeMap::new(),
        }
    }

    /// An object as it is now. An object that is malformed says nothing.
    pub fn applied(&mut self, kind: ObjectKind, object: &Value, now: Timestamp) -> Vec<Signal> {
        let object = Object(object);
        let mut out = Out::new(now);
        let Some(entity) = self.entity(kind, object) else {
            return out.signals;
        };
        match kind {
            ObjectKind::Deployment | ObjectKind::StatefulSet | ObjectKind::DaemonSet => {
                self.workload(kind, &entity, object, &mut out);
            }
            ObjectKind::ReplicaSet | ObjectKind::ControllerRevision => {
                self.keep(kind, &entity, object, &mut out);
            }
            ObjectKind::Pod => self.pod(&entity, object, &mut out),
            ObjectKind::Node => self.say(&entity, small::node(object), &mut out),
            ObjectKind::Namespace => self.say(&entity, small::namespace(object), &mut out),
            ObjectKind::HorizontalPodAutoscaler => {
                let state = small::autoscaler(&self.cluster, object);
                self.say(&entity, state, &mut out);
            }
            ObjectKind::PodDisruptionBudget => {
                self.budgets.insert(entity.clone(), Budget::read(object));
                self.say_budget(&entity, &mut out);
            }
            ObjectKind::ConfigMap => self.config_map(&entity, object, &mut out),
            ObjectKind::Event => {
                // What happened before the first list is old.
                let news = self.listed.contains(&ObjectKind::Event);
                if let Some(event) = self.events.take(object)
                    && news
                    && let Some(about) = self.involved(object)
                {
                    out.push(about, SignalBody::KubernetesEvent(event));
                }
            }
        }
        out.signals
    }

    /// An object that is no more.
    pub fn deleted(&mut self, kind: ObjectKind, object: &Value, now: Timestamp) -> Vec<Signal> {
        let object = Object(object);
        let mut out = Out::new(now);
        if kind == ObjectKind::Event {
            self.events.forget(object);
        } else if let Some(entity) = self.entity(kind, object) {
            self.forget(kind, &entity, &mut out);
        }
        out.signals
    }

    /// All objects of a kind: those that are missing are no more. The first list of a kind is a first
    /// sight, not a change.
    pub fn listed(&mut self, kind: ObjectKind, objects: &[Value], now: Timestamp) -> Vec<Signal> {
        let mut out = Out::new(now);
        let present: BTreeSet<Entity> = objects
            .iter()
            .filter_map(|object| self.entity(kind, Object(object)))
            .collect();
        for missing in self.known(kind) {
            if !present.contains(&missing) {
                self.forget(kind, &missing, &mut out);
            }
        }
        for object in objects {
            out.signals.extend(self.applied(kind, object, now));
        }
        self.listed.insert(kind);
        out.signals
    }

    /// Whether every kind that metrics are mapped by was listed.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        ObjectKind::ALL
            .iter()
            .all(|kind| self.listed.contains(kind) || !kind.is_needed())
    }

    /// The workload of that name in a namespace.
    #[must_use]
    pub fn workload_named(&self, namespace: &Namespace, name: &str) -> Option<Entity> {
        let name = Name::parse(name).ok()?;
        [
            EntityKind::Deployment,
            EntityKind::StatefulSet,
            EntityKind::DaemonSet,
        ]
        .into_iter()
        .map(|kind| self.namespaced(namespace, kind, name.clone()))
        .find(|entity| self.workloads.contains_key(entity))
    }

    /// The cluster.
    #[must_use]
    pub const fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    fn namespaced(&self, namespace: &Namespace, kind: EntityKind, name: Name) -> Entity {
        Entity::namespaced(self.cluster.clone(), namespace.clone(), kind, name)
    }

    fn entity(&self, kind: ObjectKind, object: Object<'_>) -> Option<Entity> {
        let name = Name::parse(object.name()).ok()?;
        if kind.is_namespaced() {
            let namespace = Namespace::parse(object.namespace()).ok()?;
            Some(self.namespaced(&namespace, kind.entity_kind(), name))
        } else {
            let (cluster, kind) = (self.cluster.clone(), kind.entity_kind());
            Some(Entity::cluster_scoped(cluster, kind, name))
        }
    }

    fn known(&self, kind: ObjectKind) -> Vec<Entity> {
        match kind {
            ObjectKind::ReplicaSet | ObjectKind::ControllerRevision => self
                .kept
                .keys()
                .filter(|(kept, _, _)| *kept == kind)
                .map(|(_, namespace, name)| {
                    self.namespaced(namespace, kind.entity_kind(), name.clone())
                })
                .collect(),
            ObjectKind::ConfigMap => self.config_maps.keys().cloned().collect(),
            ObjectKind::Event => Vec::new(),
            _ => self
                .said
                .keys()
                .filter(|entity| entity.kind == kind.entity_kind())
                .cloned()
                .collect(),
        }
    }

    fn forget(&mut self, kind: ObjectKind, entity: &Entity, out: &mut Out) {
        match kind {
            ObjectKind::ReplicaSet | ObjectKind::ControllerRevision => {
                if let Some(key) = kept_key(kind, entity)
                    && let Some(kept) = self.kept.remove(&key)
                    && let Some(owner) = kept.owner
                {
                    if let Some(keys) = self.kept_of.get_mut(&owner) {
                        keys.remove(&key);
                        if keys.is_empty() {
                            self.kept_of.remove(&owner);
                        }
                    }
                    self.say_workload(&owner, out);
                }
                return;
            }
            ObjectKind::ConfigMap => {
                self.config_maps.remove(entity);
                return;
            }
            ObjectKind::Event => return,
            _ => {}
        }
        self.workloads.remove(entity);
        self.budgets.remove(entity);
        if let Some(said) = self.said.remove(entity) {
            let uid = object::uid_of(&said).to_owned();
            out.push(entity.clone(), SignalBody::Gone(Gone { uid }));
        }
        if let Some(pod) = self.pods.remove(entity) {
            if pod.state.workload.is_none() {
                self.orphans.retain(|_, pods| {
                    pods.remove(entity);
                    !pods.is_empty()
                });
            }
            self.unlink(entity, pod.state.workload.as_ref(), out);
        } else if entity.kind.is_workload()
            && let Some(namespace) = &entity.namespace
        {
            self.say_budgets(namespace, out);
        }
    }

    fn workload(&mut self, kind: ObjectKind, entity: &Entity, object: Object<'_>, out: &mut Out) {
        let new = Workload::read(kind, object);
        let old = self.workloads.get(entity);
        let known = old.filter(|old| old.state.uid == new.state.uid);
        let changes = match known {
            Some(old) => {
                let newest = self.newest_revision(entity);
                change::between(old, &new, newest, object)
            }
            None if self.listed.contains(&kind) => vec![change::created(&new, object)],
            None => Vec::new(),
        };
        for change in changes {
            out.push(entity.clone(), SignalBody::Change(change));
        }
        let relabelled = known.is_none_or(|old| old.pod_labels != new.pod_labels);
        self.workloads.insert(entity.clone(), new);
        self.say_workload(entity, out);
        if relabelled && let Some(namespace) = &entity.namespace {
            self.say_budgets(namespace, out);
        }
    }

    fn keep(&mut self, kind: ObjectKind, entity: &Entity, object: Object<'_>, out: &mut Out) {
        let Some(key) = kept_key(kind, entity) else {
            return;
        };
        let owner = object.controller().and_then(|(kind, name)| {
            let kind = kind::workload_kind(kind)?;
            let name = Name::parse(name).ok()?;
            Some(self.namespaced(&key.1, kind, name))
        });
        let kept = Kept::read(kind, owner.clone(), object);
        self.kept.insert(key.clone(), kept);
        if let Some(owner) = owner {
            self.kept_of
                .entry(owner.clone())
                .or_default()
                .insert(key.clone());
            for pod in self.orphans.remove(&key).unwrap_or_default() {
                self.adopt(&pod, &owner, out);
            }
            self.say_workload(&owner, out);
        }
    }
}

fn kept_key(kind: ObjectKind, entity: &Entity) -> Option<KeptKey> {
    Some((kind, entity.namespace.clone()?, entity.name.clone()))
}
