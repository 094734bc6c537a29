//! What Aegis did, told from how objects differ since: on a real API server, too.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::World;
use crate::api::Entry;

/// The user whose deletions of pods are acts.
const EXECUTOR: &str = "aegis-executor";
const RESTARTED: &str = "kubectl.kubernetes.io/restartedAt";
const DECISION: &str = "/metadata/annotations/aegis.dev~1decision-id";

/// An act of Aegis.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Act {
    /// When it was seen.
    pub time: Timestamp,
    /// The workload, `namespace/name`.
    pub target: String,
    /// `restart_pod`, `rollout_restart`, `scale` or `rollback`.
    pub act: String,
    /// The fault that it is right for.
    pub fault: Option<String>,
    /// Whether it is right for any.
    pub right: bool,
}

/// The acts between two states of a workload: those that came with another decision.
pub(super) fn of(before: &Value, after: &Value) -> Vec<&'static str> {
    if before.is_null() || before.pointer(DECISION) == after.pointer(DECISION) {
        return Vec::new();
    }
    let mut acts = Vec::new();
    if before["spec"]["replicas"] != after["spec"]["replicas"] {
        acts.push("scale");
    }
    let (old, old_restart) = template(before);
    let (new, new_restart) = template(after);
    if old != new {
        acts.push("rollback");
    } else if old_restart != new_restart {
        acts.push("rollout_restart");
    }
    acts
}

/// The pod template without the mark of the last restart, and that mark.
fn template(object: &Value) -> (Value, Option<Value>) {
    let mut template = object["spec"]["template"].clone();
    let annotations = template
        .pointer_mut("/metadata/annotations")
        .and_then(Value::as_object_mut);
    let mark = annotations.and_then(|all| all.remove(RESTARTED));
    if template
        .pointer("/metadata/annotations")
        .is_some_and(|all| *all == serde_json::json!({}))
        && let Some(metadata) = template
            .pointer_mut("/metadata")
            .and_then(Value::as_object_mut)
    {
        metadata.remove("annotations");
    }
    (template, mark)
}

impl World {
    /// Records acts on the workload at `place`.
    pub(super) fn note(&mut self, place: usize, acts: &[&str]) {
        for act in acts {
            let fault = self.faults.rightly(place, act, self.now);
            self.acts.push(Act {
                time: self.now,
                target: self.scenario.workloads[place].path(),
                act: (*act).to_owned(),
                right: fault.is_some(),
                fault,
            });
        }
    }

    /// Takes in the pods that Aegis replaced with these writes; what acts they are shows once the cluster
    /// is read again.
    pub(crate) fn note_writes(&mut self, entries: &[Entry]) {
        for entry in entries {
            let acted = entry.user == EXECUTOR && entry.changed && entry.resource == "pods";
            if !acted || (entry.verb != "delete" && entry.subresource != "eviction") {
                continue;
            }
            let pod = self
                .pods
                .get(&format!("{}/{}", entry.namespace, entry.name));
            if let Some(pod) = pod
                && let Some(place) = pod.place
            {
                self.replaced.push((place, pod.revision.clone()));
            }
        }
    }

    /// Records what was taken in, now that the objects are as they are after it. A set goes no further while
    /// a pod of its bad revision is not ready (kubernetes/kubernetes#67250): whoever deletes that one
    /// finishes a rollback and does nothing else.
    pub(super) fn note_replaced(&mut self) {
        for (place, revision) in std::mem::take(&mut self.replaced) {
            let update = self.objects[place].pointer("/status/updateRevision");
            let update = update.and_then(Value::as_str).unwrap_or_default();
            let frees = !revision.is_empty() && !update.is_empty() && revision != update;
            if !frees {
                self.note(place, &["restart_pod"]);
            }
        }
    }
}
