//! What speaks against replacing a pod.

use aegis_schemas::{Action, EntityKind, RefusalCode, Warrant};
use serde_json::Value;

use super::{Answer, ApiServer, Live, live};
use crate::accept::Refusal;

/// Whether the pod belongs to the workload that was decided about and may go.
pub(crate) async fn check(
    api: &ApiServer,
    warrant: &Warrant,
    pod: &Live,
) -> Answer<Result<(), Refusal>> {
    let target = &warrant.target.object;
    let refuse = |code, message: String| Ok(Err(Refusal::new(code, message)));
    if !belongs(api, warrant, pod).await? {
        let message = format!("no pod of {}: nothing would replace it", target.workload);
        return refuse(RefusalCode::TargetMismatch, message);
    }
    if !is_ready(pod) {
        return Ok(Ok(()));
    }
    if warrant.action == (Action::RestartPod { delete: true }) {
        let message = "the pod is ready: it may be evicted, not deleted".to_owned();
        return refuse(RefusalCode::TargetChanged, message);
    }
    if let Some(workload) = api.get(&target.workload).await?
        && ready(&workload) <= 1
    {
        let message = format!("it is the last ready pod of {}", target.workload);
        return refuse(RefusalCode::OverLimit, message);
    }
    Ok(Ok(()))
}

async fn belongs(api: &ApiServer, warrant: &Warrant, pod: &Live) -> Answer<bool> {
    let workload = &warrant.target.object.workload;
    let name = workload.name.as_str();
    let Some((kind, owner, uid)) = pod.controller() else {
        return Ok(false);
    };
    let expected = match workload.kind {
        EntityKind::StatefulSet => "StatefulSet",
        EntityKind::DaemonSet => "DaemonSet",
        _ => "ReplicaSet",
    };
    if kind != expected {
        return Ok(false);
    }
    if expected != "ReplicaSet" {
        return Ok(owner == name);
    }
    let set = api.get_beside(workload, "ReplicaSet", owner).await?;
    Ok(set.is_some_and(|set| {
        set.metadata.uid.as_deref() == Some(uid)
            && live::controller(&set)
                .is_some_and(|(kind, owner, _)| kind == "Deployment" && owner == name)
    }))
}

pub(super) fn is_ready(pod: &Live) -> bool {
    let conditions = pod.field("/status/conditions").and_then(Value::as_array);
    conditions.into_iter().flatten().any(|condition| {
        condition.get("type").and_then(Value::as_str) == Some("Ready")
            && condition.get("status").and_then(Value::as_str) == Some("True")
    })
}

fn ready(workload: &Live) -> i64 {
    let field = match workload.field("/status/numberReady") {
        Some(count) => Some(count),
        None => workload.field("/status/readyReplicas"),
    };
    field.and_then(Value::as_i64).unwrap_or(0)
}
