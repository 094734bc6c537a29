//! What is known of a cluster's objects, and what each new word about them means.
//!
//! Objects go in as the API server gives them; signals come out, only for what changed. Nothing here
//! reads a clock or talks to a server, so a simulation drives the same code.

mod budget;
mod change;
mod event;
mod kind;
mod manager;
mod object;
mod pod;
mod quantity;
mod revision;
mod small;
mod workload;

use std::collections::{BTreeMap, BTreeSet};

use aegis_schemas::signal::{Change, Gone, Sync, SyncPhase};
use aegis_schemas::{Cluster, Entity, EntityKind, Name, Namespace, Signal, SignalBody, Timestamp};
use serde_json::Value;

pub use kind::ObjectKind;

use crate::heartbeat::cluster_entity;
use budget::Budget;
use event::Events;
use object::Object;
use pod::Pod;
use revision::Kept;
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

    /// Whether every kind that metrics are mapped by was listed.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        ObjectKind::ALL
            .iter()
            .all(|kind| self.listed.contains(kind) || !kind.is_needed())
    }

    /// The workload that a pod belongs to.
    #[must_use]
    pub fn owner_of(&self, namespace: &str, pod: &str) -> Option<Entity> {
        let namespace = Namespace::parse(namespace).ok()?;
        let name = Name::parse(pod).ok()?;
        let entity = self.namespaced(&namespace, EntityKind::Pod, name);
        match self.pods.get(&entity) {
            Some(pod) => pod.state.workload.clone(),
            // Metrics may be faster than the watch, and history tells of pods that are gone.
            None => self.owner_by_name(&namespace, pod),
        }
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

    /// The known workload whose pods are named like that.
    fn owner_by_name(&self, namespace: &Namespace, pod: &str) -> Option<Entity> {
        let (most, last) = pod.rsplit_once('-')?;
        let known = |kind, name: &str| {
            let entity = self.namespaced(namespace, kind, Name::parse(name).ok()?);
            self.workloads.contains_key(&entity).then_some(entity)
        };
        if last.bytes().all(|byte| byte.is_ascii_digit())
            && let Some(found) = known(EntityKind::StatefulSet, most)
        {
            return Some(found);
        }
        most.rsplit_once('-')
            .and_then(|(deployment, _)| known(EntityKind::Deployment, deployment))
            .or_else(|| known(EntityKind::DaemonSet, most))
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

    /// What a Kubernetes Event is about, if that is something with a state.
    fn involved(&self, event: Object<'_>) -> Option<Entity> {
        let about = event
            .at("/involvedObject")
            .or_else(|| event.at("/regarding"))?;
        let text = |key: &str| about.get(key).and_then(Value::as_str).unwrap_or("");
        let name = Name::parse(text("name")).ok()?;
        if text("kind") == "Node" {
            let cluster = self.cluster.clone();
            return Some(Entity::cluster_scoped(cluster, EntityKind::Node, name));
        }
        let namespace = Namespace::parse(text("namespace")).ok()?;
        let kind = match text("kind") {
            "Pod" => EntityKind::Pod,
            "Deployment" => EntityKind::Deployment,
            "StatefulSet" => EntityKind::StatefulSet,
            "DaemonSet" => EntityKind::DaemonSet,
            "HorizontalPodAutoscaler" => EntityKind::HorizontalPodAutoscaler,
            "ReplicaSet" => {
                let key = (ObjectKind::ReplicaSet, namespace, name);
                return self.kept.get(&key)?.owner.clone();
            }
            _ => return None,
        };
        Some(self.namespaced(&namespace, kind, name))
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

    fn say(&mut self, entity: &Entity, body: SignalBody, out: &mut Out) {
        if self.said.get(entity) != Some(&body) {
            self.said.insert(entity.clone(), body.clone());
            out.push(entity.clone(), body);
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

    fn pod(&mut self, entity: &Entity, object: Object<'_>, out: &mut Out) {
        let workload = self.controller_of_pod(entity, object);
        if workload.is_none()
            && let Some(("ReplicaSet", set)) = object.controller()
            && let (Some(namespace), Ok(set)) = (entity.namespace.clone(), Name::parse(set))
        {
            let key = (ObjectKind::ReplicaSet, namespace, set);
            self.orphans.entry(key).or_default().insert(entity.clone());
        }
        let pod = Pod::read(workload.clone(), object);
        let state = SignalBody::Pod(pod.state.clone());
        let before = self
            .pods
            .insert(entity.clone(), pod)
            .and_then(|old| old.state.workload);
        self.say(entity, state, out);
        if before != workload {
            self.unlink(entity, before.as_ref(), out);
        }
        if let Some(workload) = workload {
            let pods = self.pods_of.entry(workload.clone()).or_default();
            pods.insert(entity.clone());
            self.say_workload(&workload, out);
        }
    }

    /// The workload of a pod became known.
    fn adopt(&mut self, entity: &Entity, workload: &Entity, out: &mut Out) {
        let Some(pod) = self.pods.get_mut(entity) else {
            return;
        };
        pod.state.workload = Some(workload.clone());
        let state = SignalBody::Pod(pod.state.clone());
        self.say(entity, state, out);
        let pods = self.pods_of.entry(workload.clone()).or_default();
        pods.insert(entity.clone());
    }

    fn controller_of_pod(&self, entity: &Entity, object: Object<'_>) -> Option<Entity> {
        let namespace = entity.namespace.as_ref()?;
        let (kind, name) = object.controller()?;
        if kind != "ReplicaSet" {
            let name = Name::parse(name).ok()?;
            return Some(self.namespaced(namespace, kind::workload_kind(kind)?, name));
        }
        let set = Name::parse(name).ok()?;
        let key = (ObjectKind::ReplicaSet, namespace.clone(), set);
        if let Some(set) = self.kept.get(&key) {
            return set.owner.clone();
        }
        // The pod may be seen before its ReplicaSet, which is named after the Deployment and the hash.
        let hash = object.label("pod-template-hash")?;
        let deployment = name.strip_suffix(hash)?.strip_suffix('-')?;
        let name = Name::parse(deployment).ok()?;
        Some(self.namespaced(namespace, EntityKind::Deployment, name))
    }

    fn unlink(&mut self, pod: &Entity, workload: Option<&Entity>, out: &mut Out) {
        let Some(workload) = workload else { return };
        if let Some(pods) = self.pods_of.get_mut(workload) {
            pods.remove(pod);
            if pods.is_empty() {
                self.pods_of.remove(workload);
            }
        }
        self.say_workload(workload, out);
    }

    /// A workload's state together with its revisions.
    fn say_workload(&mut self, entity: &Entity, out: &mut Out) {
        let Some(workload) = self.workloads.get(entity) else {
            return;
        };
        let mut state = workload.state.clone();
        state.revisions = self.revisions_of(entity);
        state.revision = workload.revision(&state.revisions);
        self.say(entity, SignalBody::Workload(state), out);
    }

    fn say_budget(&mut self, entity: &Entity, out: &mut Out) {
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

    fn say_budgets(&mut self, namespace: &Namespace, out: &mut Out) {
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

    /// A ConfigMap's change is said of the workloads that use it.
    fn config_map(&mut self, entity: &Entity, object: Object<'_>, out: &mut Out) {
        let version = object.text("/metadata/resourceVersion").to_owned();
        let before = self.config_maps.insert(entity.clone(), version.clone());
        let before = match before {
            Some(before) if before != version => before,
            Some(_) => return,
            None if self.listed.contains(&ObjectKind::ConfigMap) => "nothing".to_owned(),
            None => return,
        };
        let users = self.workloads.iter().filter(|(workload, facts)| {
            workload.namespace == entity.namespace
                && facts.config_maps.contains(entity.name.as_str())
        });
        for (workload, facts) in users {
            let change = Change {
                what: "configuration".to_owned(),
                by: manager::latest(object),
                generation: facts.state.generation,
                revision: 0,
                from: format!("config map `{}` at {before}", entity.name),
                to: format!("config map `{}` at {version}", entity.name),
            };
            out.push(workload.clone(), SignalBody::Change(change));
        }
    }
}

/// Collects signals of one moment.
struct Out {
    now: Timestamp,
    signals: Vec<Signal>,
}

impl Out {
    const fn new(now: Timestamp) -> Self {
        Self {
            now,
            signals: Vec::new(),
        }
    }

    fn push(&mut self, entity: Entity, body: SignalBody) {
        self.signals.push(Signal {
            entity,
            observed: self.now,
            source: SOURCE.to_owned(),
            body,
        });
    }
}

fn kept_key(kind: ObjectKind, entity: &Entity) -> Option<KeptKey> {
    Some((kind, entity.namespace.clone()?, entity.name.clone()))
}
