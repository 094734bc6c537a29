//! The one state behind the server: objects, clock, work to do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::identity::Identity;
use super::journal::{Entry, Requests};
use super::json;
use super::managed::{self, Writer};
use super::resources::Kind;
use super::store::{Key, Store};

/// How long an event is kept, as on a real server.
pub(crate) const EVENT_LIFE: SignedDuration = SignedDuration::from_hours(1);

/// Everything the server knows.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) store: Store,
    pub(crate) identity: Identity,
    pub(crate) now: Timestamp,
    /// Whether pods become ready by themselves.
    pub(crate) kubelet: bool,
    /// When the built-in kubelet gets to a pod, by UID.
    pub(crate) due: BTreeMap<String, Timestamp>,
    pub(crate) journal: Vec<Entry>,
    pub(crate) requests: Requests,
    /// What the controllers have to look at, in the order of their layers.
    work: BTreeSet<(u8, Key)>,
    /// What they have to look at later.
    timers: BTreeSet<(Timestamp, Key)>,
}

impl Cluster {
    pub(crate) fn new(seed: u64, now: Timestamp) -> Self {
        // A server that starts later starts with higher versions than one
        // before it could reach (a million writes a second).
        let version = u64::try_from(now.as_microsecond()).unwrap_or(0).max(1);
        Self {
            store: Store::new(version),
            identity: Identity::new(seed),
            now,
            kubelet: true,
            due: BTreeMap::new(),
            journal: Vec::new(),
            requests: Requests::new(),
            work: BTreeSet::new(),
            timers: BTreeSet::new(),
        }
    }

    /// Notes that `user` asked for something.
    pub(crate) fn count(&mut self, user: &str, method: &str) {
        let methods = self.requests.entry(user.to_owned()).or_default();
        *methods.entry(method.to_owned()).or_default() += 1;
    }

    /// Stores `object` if it differs from what is there; counts its
    /// generation and records its managers. A dry run returns what would be.
    ///
    /// The generation counts changes of the spec and the begin of deletion;
    /// that of a Deployment counts changes of its annotations as well.
    pub(crate) fn commit(
        &mut self,
        key: &Key,
        mut object: Value,
        writer: &Writer,
        dry_run: bool,
    ) -> Arc<Value> {
        let old = self.store.get(key).cloned();
        let resource = key.kind.resource();
        if resource.generation {
            let generation = old
                .as_deref()
                .map_or(0, |old| json::int(old, "/metadata/generation", 1));
            let raised = old.as_deref().is_none_or(|old| {
                old.get("spec") != object.get("spec")
                    || json::terminating(old) != json::terminating(&object)
                    || (key.kind == Kind::Deployment
                        && writer.subresource != "status"
                        && old["metadata"].get("annotations")
                            != object["metadata"].get("annotations"))
            });
            let generation = generation + i64::from(raised);
            json::set(&mut object, &["metadata", "generation"], generation);
        }
        if let Some(old) = &old {
            let metadata = &old["metadata"];
            for kept in ["resourceVersion", "managedFields"] {
                let value = metadata.get(kept).cloned();
                json::put(json::entry(&mut object, &["metadata"]), kept, value);
            }
            // An apply may take over fields as they are.
            if writer.applied.is_none() && **old == object {
                return Arc::clone(old);
            }
        }
        let time = json::stamp(self.now);
        managed::record(old.as_deref(), &mut object, writer, &time);
        if let Some(old) = old.as_ref().filter(|old| ***old == object) {
            return Arc::clone(old);
        }
        if dry_run {
            return Arc::new(object);
        }
        let new = self.store.put(key, object);
        if key.kind == Kind::Event && old.is_none() {
            self.wake(self.now + EVENT_LIFE, key);
        }
        self.mark(key, old.as_deref(), Some(&new));
        new
    }

    /// Takes an object away for good.
    pub(crate) fn remove(&mut self, key: &Key) -> Option<Arc<Value>> {
        let last = self.store.remove(key)?;
        self.due.remove(json::uid(&last));
        let owns = !matches!(key.kind, Kind::Pod | Kind::Event | Kind::Lease);
        if owns {
            let uid = json::uid(&last);
            let orphans: Vec<_> = self
                .store
                .iter()
                .filter(|(_, object)| owned_by(object, uid))
                .map(|(key, _)| key.clone())
                .collect();
            for orphan in orphans {
                self.enqueue(&orphan);
            }
        }
        self.mark(key, Some(&last), None);
        Some(last)
    }

    /// Has the controllers look at `key` at the next advance.
    pub(crate) fn enqueue(&mut self, key: &Key) {
        let layer = match key.kind {
            Kind::Pod => 1,
            Kind::ReplicaSet | Kind::StatefulSet | Kind::DaemonSet => 2,
            Kind::Deployment => 3,
            Kind::PodDisruptionBudget => 4,
            Kind::Namespace => 5,
            _ => 0,
        };
        self.work.insert((layer, key.clone()));
    }

    /// Has the controllers look at `key` at `time`.
    pub(crate) fn wake(&mut self, time: Timestamp, key: &Key) {
        if time <= self.now {
            self.enqueue(key);
        } else {
            self.timers.insert((time, key.clone()));
        }
    }

    /// The next thing to look at.
    pub(crate) fn next_work(&mut self) -> Option<Key> {
        self.work.pop_first().map(|(_, key)| key)
    }

    /// Moves the clock, never back; true when there is something to do.
    pub(crate) fn tick(&mut self, now: Timestamp) -> bool {
        self.now = self.now.max(now);
        while let Some((time, _)) = self.timers.first()
            && *time <= self.now
        {
            let (_, key) = self.timers.pop_first().expect("looked at just above");
            self.enqueue(&key);
        }
        !self.work.is_empty()
    }

    /// Notes who has to look at a change.
    fn mark(&mut self, key: &Key, old: Option<&Value>, new: Option<&Value>) {
        let terminating = new.or(old).is_some_and(json::terminating);
        if key.kind.is_reconciled() || terminating {
            self.enqueue(key);
        }
        for object in [old, new].into_iter().flatten() {
            for owner in json::list(object, "/metadata/ownerReferences") {
                if let Some(kind) = Kind::named(json::text(owner, "/kind")) {
                    self.enqueue(&Key::new(kind, &key.namespace, json::text(owner, "/name")));
                }
            }
        }
        match key.kind {
            Kind::Pod => {
                self.enqueue_all(Kind::PodDisruptionBudget, Some(&key.namespace));
                let finished = |pod: &Value| {
                    matches!(json::text(pod, "/status/phase"), "Succeeded" | "Failed")
                };
                if new.is_none_or(finished) {
                    self.enqueue_unscheduled();
                    self.enqueue_grand_owners(key, old);
                }
            }
            Kind::Deployment | Kind::ReplicaSet | Kind::StatefulSet => {
                self.enqueue_all(Kind::PodDisruptionBudget, Some(&key.namespace));
            }
            Kind::Node => {
                self.enqueue_unscheduled();
                self.enqueue_all(Kind::DaemonSet, None);
            }
            _ => {}
        }
        if new.is_none() && !key.namespace.is_empty() {
            let namespace = Key::new(Kind::Namespace, "", &key.namespace);
            if self
                .store
                .get(&namespace)
                .is_some_and(|n| json::terminating(n))
            {
                self.enqueue(&namespace);
            }
        }
    }

    fn enqueue_all(&mut self, kind: Kind, namespace: Option<&str>) {
        let keys: Vec<_> = self
            .store
            .all(kind)
            .map(|(key, _)| key)
            .filter(|key| namespace.is_none_or(|namespace| key.namespace == namespace))
            .cloned()
            .collect();
        for key in keys {
            self.enqueue(&key);
        }
    }

    /// A Deployment that recreates waits for the last old pod to be gone,
    /// which its ReplicaSet has long stopped counting.
    fn enqueue_grand_owners(&mut self, key: &Key, pod: Option<&Value>) {
        let owners = pod.map_or(&[][..], |pod| json::list(pod, "/metadata/ownerReferences"));
        for owner in owners {
            let set = Key::new(Kind::ReplicaSet, &key.namespace, json::text(owner, "/name"));
            let Some(set) = self.store.get(&set).cloned() else {
                continue;
            };
            for owner in json::list(&set, "/metadata/ownerReferences") {
                let name = json::text(owner, "/name");
                self.enqueue(&Key::new(Kind::Deployment, &key.namespace, name));
            }
        }
    }

    fn enqueue_unscheduled(&mut self) {
        let keys: Vec<_> = self
            .store
            .all(Kind::Pod)
            .filter(|(_, pod)| json::text(pod, "/spec/nodeName").is_empty())
            .map(|(key, _)| key.clone())
            .collect();
        for key in keys {
            self.enqueue(&key);
        }
    }
}

/// Whether `object` names `uid` among its owners.
pub(crate) fn owned_by(object: &Value, uid: &str) -> bool {
    json::list(object, "/metadata/ownerReferences")
        .iter()
        .any(|owner| json::text(owner, "/uid") == uid)
}

/// The UID of the object's controller, "" without one.
pub(crate) fn controller(object: &Value) -> &str {
    json::list(object, "/metadata/ownerReferences")
        .iter()
        .find(|owner| json::flag(owner, "/controller"))
        .map_or("", |owner| json::text(owner, "/uid"))
}
