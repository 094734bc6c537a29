//! What Aegis did, told from how objects differ since: on a real API server, too.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::World;

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

    /// Records that Aegis replaced the pod `namespace/name`.
    pub(crate) fn note_restart(&mut self, pod: &str) {
        if let Some(place) = self.pods.get(pod).and_then(|pod| pod.place) {
            self.note(place, &["restart_pod"]);
        }
    }
}
