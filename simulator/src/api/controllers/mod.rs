//! The controllers: each brings one kind of object nearer to its spec.
//!
//! A controller looks at one object at a time, reads what it needs from the
//! store and writes back. Work is done layer by layer (pods, then what owns
//! pods, then Deployments, then budgets), so that each sees the counts of the
//! layer below as they are.

mod budget;
mod conditions;
mod daemonset;
mod deployment;
mod events;
mod garbage;
mod kubelet;
mod pods;
mod progress;
mod replicaset;
mod revisions;
mod rollout;
mod scheduler;
mod statefulset;

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::cluster::Cluster;
use super::json;
use super::managed::Writer;
use super::resources::Kind;
use super::store::Key;

/// The manager of most controllers' writes.
const MANAGER: &str = "kube-controller-manager";

/// More looks than any sane cluster needs in one advance: a controller that
/// never settles is a bug and must not hang its caller.
const LOOKS: usize = 1_000_000;

impl Cluster {
    /// What exists from the start.
    pub(crate) fn bootstrap(&mut self) {
        let mut namespace = json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"},
        });
        let key = Key::new(Kind::Namespace, "", "default");
        self.admit_new(&key, &mut namespace, false)
            .expect("the namespace above is valid");
        self.commit(&key, namespace, &Writer::new("kube-apiserver", ""), false);
    }

    /// Moves the clock and works until nothing is left; whether any object
    /// changed.
    pub(crate) fn advance(&mut self, now: Timestamp) -> bool {
        let before = self.store.version();
        if !self.tick(now) {
            return false;
        }
        for _ in 0..LOOKS {
            let Some(key) = self.next_work() else {
                return self.store.version() != before;
            };
            self.reconcile(&key);
        }
        tracing::error!("the controllers do not settle, please report this scenario");
        true
    }

    fn reconcile(&mut self, key: &Key) {
        let Some(object) = self.store.get(key).cloned() else {
            return;
        };
        if self.collect_garbage(key, &object) {
            return;
        }
        match key.kind {
            Kind::Pod => {
                self.schedule(key, &object);
                self.run_pod(key);
            }
            Kind::ReplicaSet => self.replica_set(key, &object),
            Kind::Deployment => self.deployment(key, &object),
            Kind::StatefulSet => self.stateful_set(key, &object),
            Kind::DaemonSet => self.daemon_set(key, &object),
            Kind::PodDisruptionBudget => self.budget(key, &object),
            _ => {}
        }
    }

    /// Stores what a controller made of an object it just read.
    fn write(&mut self, key: &Key, object: Value) -> Arc<Value> {
        self.commit(key, object, &Writer::new(MANAGER, ""), false)
    }

    /// Stores a new status.
    fn write_status(&mut self, key: &Key, object: Value) -> Arc<Value> {
        self.commit(key, object, &Writer::new(MANAGER, "status"), false)
    }

    /// Creates an object that a controller needs; `None` when the server's
    /// rules refuse it.
    fn make(&mut self, kind: Kind, mut object: Value) -> Option<Arc<Value>> {
        let resource = kind.resource();
        json::set(&mut object, &["apiVersion"], resource.api_version());
        json::set(&mut object, &["kind"], resource.name);
        let key = Key::of(kind, &object);
        if self.store.get(&key).is_some() {
            return None;
        }
        match self.admit_new(&key, &mut object, false) {
            Ok(()) => Some(self.write(&key, object)),
            Err(refusal) => {
                tracing::warn!(%refusal, ?key, "a controller's object was refused");
                None
            }
        }
    }
}

/// An owner reference to the controller `owner`.
fn owner_reference(kind: Kind, owner: &Value) -> Value {
    let resource = kind.resource();
    json!({
        "apiVersion": resource.api_version(),
        "kind": resource.name,
        "name": json::name(owner),
        "uid": json::uid(owner),
        "controller": true,
        "blockOwnerDeletion": true,
    })
}

/// An integer or a percentage of `total`.
fn portion(value: Option<&Value>, total: i64, round_up: bool, default: i64) -> i64 {
    match value {
        Some(Value::Number(number)) => number.as_i64().unwrap_or(default),
        Some(Value::String(text)) => {
            let Some(percent) = text.strip_suffix('%').and_then(|p| p.parse::<i64>().ok()) else {
                return text.parse().unwrap_or(default);
            };
            let rounding = if round_up { 99 } else { 0 };
            (percent * total + rounding).div_euclid(100)
        }
        _ => default,
    }
}
