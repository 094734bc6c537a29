//! What every owner of pods needs to know about them.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::conditions;
use crate::api::cluster::{self, Cluster};
use crate::api::eviction::is_ready;
use crate::api::json;
use crate::api::resources::Kind;
use crate::api::store::Key;

/// Whether the pod still counts: not finished, not on its way out.
pub(crate) fn is_active(pod: &Value) -> bool {
    !json::terminating(pod) && !is_finished(pod)
}

pub(crate) fn is_finished(pod: &Value) -> bool {
    matches!(json::text(pod, "/status/phase"), "Succeeded" | "Failed")
}

pub(crate) fn ready_since(pod: &Value) -> Option<Timestamp> {
    if !is_ready(pod) {
        return None;
    }
    let condition = conditions::get(pod, "Ready")?;
    json::time(condition, "/lastTransitionTime")
}

/// How many of `pods` are ready, and ready for long enough; and when the
/// next one will have been.
pub(crate) fn readiness(
    pods: &[Arc<Value>],
    min_ready: i64,
    now: Timestamp,
) -> (i64, i64, Option<Timestamp>) {
    let (mut ready, mut available, mut next) = (0, 0, None::<Timestamp>);
    for pod in pods.iter().filter(|pod| is_ready(pod)) {
        ready += 1;
        let due = ready_since(pod).map_or(now, |at| at + SignedDuration::from_secs(min_ready));
        if min_ready == 0 || due <= now {
            available += 1;
        } else {
            next = Some(next.map_or(due, |next| next.min(due)));
        }
    }
    (ready, available, next)
}

impl Cluster {
    /// The pods that `owner` controls, by name.
    pub(crate) fn pods_of(&self, namespace: &str, owner: &str) -> Vec<Arc<Value>> {
        self.store
            .within(Kind::Pod, namespace)
            .filter(|pod| cluster::controller(pod) == owner)
            .cloned()
            .collect()
    }

    /// Makes a pod from the owner's template; `name` is the whole name or,
    /// ending in `-`, what a suffix is added to.
    pub(crate) fn make_pod(
        &mut self,
        kind: Kind,
        owner: &Value,
        template: &Value,
        name: &str,
        labels: &[(&str, String)],
        node: Option<&str>,
    ) -> Option<Arc<Value>> {
        let namespace = json::namespace(owner);
        let mut metadata = json!({
            "namespace": namespace,
            "ownerReferences": [super::owner_reference(kind, owner)],
        });
        if name.ends_with('-') {
            let drawn = format!("{:?} {namespace}/{name}", Kind::Pod);
            let suffix = loop {
                let suffix = self.identity.suffix(&drawn, false);
                let key = Key::new(Kind::Pod, namespace, &format!("{name}{suffix}"));
                if self.store.get(&key).is_none() {
                    break suffix;
                }
            };
            json::set(&mut metadata, &["generateName"], name);
            json::set(&mut metadata, &["name"], format!("{name}{suffix}"));
        } else {
            json::set(&mut metadata, &["name"], name);
        }
        for key in ["labels", "annotations"] {
            let value = template.pointer(&format!("/metadata/{key}"));
            if let Some(value) = value.filter(|value| value.is_object()) {
                json::set(&mut metadata, &[key], value.clone());
            }
        }
        for (key, value) in labels {
            json::set(&mut metadata, &["labels", key], value.clone());
        }
        let mut spec = template.get("spec").cloned().unwrap_or_default();
        if let Some(node) = node {
            json::set(&mut spec, &["nodeName"], node);
        }
        self.make(Kind::Pod, json!({ "metadata": metadata, "spec": spec }))
    }

    /// Deletes a pod with its usual grace.
    pub(crate) fn delete_pod(&mut self, pod: &Value) {
        self.delete(
            &Key::of(Kind::Pod, pod),
            &crate::api::deletion::Options::default(),
        );
    }
}
