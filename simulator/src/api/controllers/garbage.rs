//! What goes with its owner, its namespace or its time.

use std::sync::Arc;

use serde_json::Value;

use crate::api::cluster::{Cluster, EVENT_LIFE, owned_by};
use crate::api::deletion::{FOREGROUND, Options, disown};
use crate::api::json;
use crate::api::resources::Kind;
use crate::api::store::Key;

impl Cluster {
    /// Deletes an object whose time has come; true when it needs no other
    /// controller any more.
    pub(super) fn collect_garbage(&mut self, key: &Key, object: &Arc<Value>) -> bool {
        match key.kind {
            Kind::Event => {
                let last = [
                    "/lastTimestamp",
                    "/eventTime",
                    "/metadata/creationTimestamp",
                ]
                .iter()
                .filter_map(|path| json::time(object, path))
                .max();
                let end = last.map_or(self.now, |last| last + EVENT_LIFE);
                if self.now < end {
                    self.wake(end, key);
                } else {
                    self.remove(key);
                }
                return true;
            }
            Kind::Namespace if json::terminating(object) => {
                self.empty(key);
                return true;
            }
            _ => {}
        }
        if json::terminating(object) {
            let foreground = json::list(object, "/metadata/finalizers")
                .iter()
                .any(|finalizer| finalizer == FOREGROUND);
            return foreground && self.delete_dependents(key, object);
        }
        let owners = json::list(object, "/metadata/ownerReferences");
        if owners.is_empty() {
            return false;
        }
        let lives = |owner: &Value| self.owner_lives(&key.namespace, owner);
        if owners.iter().all(lives) {
            return false;
        }
        if owners.iter().any(lives) {
            let gone: Vec<_> = owners
                .iter()
                .filter(|owner| !lives(owner))
                .cloned()
                .collect();
            let mut new = (**object).clone();
            disown(&mut new, |owner| gone.contains(owner));
            self.write(key, new);
            return true;
        }
        self.delete(key, &Options::default());
        true
    }

    fn owner_lives(&self, namespace: &str, owner: &Value) -> bool {
        let Some(kind) = Kind::named(json::text(owner, "/kind")) else {
            // Of a kind that this server does not know: not ours to judge.
            return true;
        };
        let namespace = if kind.resource().namespaced {
            namespace
        } else {
            ""
        };
        let key = Key::new(kind, namespace, json::text(owner, "/name"));
        self.store
            .get(&key)
            .is_some_and(|live| json::uid(live) == json::text(owner, "/uid"))
    }

    /// Deletes what the object owns; the object itself once that is gone.
    fn delete_dependents(&mut self, key: &Key, object: &Value) -> bool {
        let uid = json::uid(object);
        let dependents: Vec<_> = self
            .store
            .iter()
            .filter(|(_, object)| owned_by(object, uid))
            .map(|(key, object)| (key.clone(), json::terminating(object)))
            .collect();
        let options = Options {
            propagation: "Foreground".to_owned(),
            ..Options::default()
        };
        for (dependent, terminating) in &dependents {
            if !terminating {
                self.delete(dependent, &options);
            }
        }
        let left = dependents
            .iter()
            .any(|(key, _)| self.store.get(key).is_some());
        if !left {
            let mut free = object.clone();
            let finalizers = json::entry(&mut free, &["metadata", "finalizers"]);
            if let Some(list) = finalizers.as_array_mut() {
                list.retain(|finalizer| finalizer != FOREGROUND);
            }
            self.write(key, free);
            self.finish(key);
        }
        true
    }

    /// Deletes what lives in a terminating namespace, then the namespace.
    fn empty(&mut self, namespace: &Key) {
        let inside: Vec<_> = self
            .store
            .iter()
            .filter(|(key, object)| key.namespace == namespace.name && !json::terminating(object))
            .map(|(key, _)| key.clone())
            .collect();
        for key in &inside {
            self.delete(key, &Options::default());
        }
        let left = self
            .store
            .iter()
            .any(|(key, _)| key.namespace == namespace.name);
        if !left {
            self.remove(namespace);
        }
    }
}
