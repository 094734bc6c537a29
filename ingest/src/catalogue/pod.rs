//! Pods.

use aegis_schemas::signal::{PodState, Terminated};
use aegis_schemas::{Entity, Name};
use serde_json::Value;

use super::object::Object;

/// What is remembered of a pod.
#[derive(Clone, Debug)]
pub(super) struct Pod {
    pub(super) state: PodState,
}

impl Pod {
    pub(super) fn read(workload: Option<Entity>, object: Object<'_>) -> Self {
        let containers = || {
            let inits = object.list("/status/initContainerStatuses");
            object
                .list("/status/containerStatuses")
                .iter()
                .chain(inits)
                .map(Object)
        };
        let scheduled = object.condition("PodScheduled");
        let state = PodState {
            uid: object.uid(),
            workload,
            node: Name::parse(object.text("/spec/nodeName")).ok(),
            phase: object.text("/status/phase").to_owned(),
            ready: object.is_true("Ready"),
            restarts: containers()
                .map(|container| container.int("/restartCount"))
                .fold(0, i32::saturating_add),
            waiting: waiting(containers()),
            terminated: containers()
                .flat_map(|container| {
                    [
                        container.at("/state/terminated"),
                        container.at("/lastState/terminated"),
                    ]
                })
                .flatten()
                .map(terminated)
                .max_by_key(|ended| ended.at),
            created: object.time("/metadata/creationTimestamp"),
            template_hash: object
                .label("pod-template-hash")
                .or_else(|| object.label("controller-revision-hash"))
                .unwrap_or("")
                .to_owned(),
            deleting: object.deleting(),
            unschedulable: scheduled
                .filter(|condition| condition.text("/status") == "False")
                .map(|condition| note(condition)),
        };
        Self { state }
    }
}

/// Why a container waits; a trouble before the ordinary way to a start.
fn waiting<'a>(containers: impl Iterator<Item = Object<'a>>) -> Option<String> {
    let ordinary = |reason: &&str| matches!(*reason, "ContainerCreating" | "PodInitializing");
    let mut reasons: Vec<&str> = containers
        .map(|container| container.text("/state/waiting/reason"))
        .filter(|reason| !reason.is_empty())
        .collect();
    reasons.sort_by_key(ordinary);
    reasons.first().map(|reason| (*reason).to_owned())
}

fn terminated(ended: &Value) -> Terminated {
    let ended = Object(ended);
    Terminated {
        reason: ended.text("/reason").to_owned(),
        exit_code: ended.int("/exitCode"),
        at: ended.time("/finishedAt"),
    }
}

fn note(condition: Object<'_>) -> String {
    let reason = condition.text("/reason");
    let message = condition.text("/message");
    let note = if message.is_empty() {
        reason.to_owned()
    } else {
        format!("{reason}: {message}")
    };
    note.chars().take(256).collect()
}
