//! What exactly a yes would allow, as the proposal on record has it: the request to the API server, what it
//! changes, what it takes down, what takes it back.

use aegis_schemas::{Action, EntityKind, Target};

use super::rows::{Approval, Incident};

/// What the proposal says, one fact a line. What is not on record is not said.
pub(super) fn facts(
    approval: &Approval,
    incident: Option<&Incident>,
) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    if let Some((action, target)) = read(approval) {
        facts.push(("request", request(&action, &target)));
        facts.push(("changes", changes(&action)));
        facts.push(("undo", undo(&action).to_owned()));
        let found = incident
            .iter()
            .flat_map(|incident| &incident.recommendations)
            .find(|found| found.target.uid == target.uid);
        if let Some(found) = found {
            let blast = &found.blast;
            let most = format!("{} of {} pods at most", blast.pods, blast.of);
            facts.push(("takes down at once", most));
        }
        facts.push(("object", target.gvk));
        facts.push(("uid", target.uid));
        facts.push(("generation", target.generation.to_string()));
    }
    facts.push(("policy set", approval.policy.clone()));
    facts.push(("digest", approval.proposal.clone()));
    facts
}

/// The act in the proposal and what it is aimed at.
fn read(approval: &Approval) -> Option<(Action, Target)> {
    let action = serde_json::from_value(approval.parameters.clone()?).ok()?;
    let target = serde_json::from_value(approval.target.clone()?).ok()?;
    Some((action, target))
}

/// What the API server is asked: first as a dry run, then once for good.
fn request(action: &Action, target: &Target) -> String {
    let path = path(target);
    match action {
        Action::RestartPod { delete: false } => format!("POST {path}/eviction"),
        Action::RestartPod { delete: true } => format!("DELETE {path}"),
        _ if target.entity.kind == EntityKind::StatefulSet && rolls_out(action) => format!(
            "PATCH {path}, then DELETE of the unready pod that its controller waits for, if there is one"
        ),
        _ => format!("PATCH {path}"),
    }
}

/// Where the object is at the API server.
fn path(target: &Target) -> String {
    let (version, kind) = target.gvk.rsplit_once('/').unwrap_or(("v1", &target.gvk));
    let root = if version.contains('/') { "apis" } else { "api" };
    let within = match &target.entity.namespace {
        Some(namespace) => format!("/namespaces/{namespace}"),
        None => String::new(),
    };
    let (kind, name) = (kind.to_ascii_lowercase(), &target.entity.name);
    format!("/{root}/{version}{within}/{kind}s/{name}")
}

const fn rolls_out(action: &Action) -> bool {
    matches!(
        action,
        Action::RolloutRestart | Action::Rollback { .. } | Action::RestoreTemplate { .. }
    )
}

/// Which field, and how.
fn changes(action: &Action) -> String {
    match action {
        Action::RestartPod { .. } => {
            "nothing in the workload: its controller makes another pod".to_owned()
        }
        Action::RolloutRestart => {
            "spec.template: the annotation kubectl.kubernetes.io/restartedAt is set to the decision's time"
                .to_owned()
        }
        Action::Scale { replicas, from } => format!("spec.replicas: {from} → {replicas}"),
        Action::Rollback {
            revision,
            template_hash,
        } => format!("spec.template: as in revision {revision}, whose hash is {template_hash}"),
        Action::RestoreTemplate { template } => {
            format!("spec.template: as it was, {} bytes", template.len())
        }
    }
}

/// What takes it back if it does not help, or when a person wants it.
const fn undo(action: &Action) -> &'static str {
    match action {
        Action::RestartPod { .. } => "none: a pod that was replaced does not come back",
        Action::Scale { .. } => "spec.replicas as the executor finds it before",
        Action::RolloutRestart | Action::Rollback { .. } => {
            "spec.template as the executor finds it before"
        }
        Action::RestoreTemplate { .. } => "none: it is an undo itself",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aegis_schemas::Entity;
    use serde_json::json;

    #[test]
    fn a_proposal_is_told_as_the_api_server_is_asked() {
        let told = |kind: &str, gvk: &str, action: serde_json::Value| {
            let entity: Entity = format!("demo/shop/{kind}/cart").parse().expect("an entity");
            let approval = json!({
                "proposal": "d1", "idx": 1, "reasons": [], "policy": "p1", "state": "open",
                "asked_at": "2026-11-30T10:00:00Z", "parameters": action,
                "target": {"entity": entity, "workload": entity, "gvk": gvk, "uid": "u1", "generation": 4},
            });
            let approval = serde_json::from_value(approval).expect("an ask");
            let facts = facts(&approval, None);
            ["request", "changes", "undo"].map(|name| {
                let found = facts.iter().find(|(it, _)| *it == name);
                found.map(|(_, said)| said.clone()).unwrap_or_default()
            })
        };
        let [request, changes, undo] = told(
            "deployment",
            "apps/v1/Deployment",
            json!({"action": "scale", "replicas": 5, "from": 3}),
        );
        assert_eq!(
            request,
            "PATCH /apis/apps/v1/namespaces/shop/deployments/cart"
        );
        assert_eq!(changes, "spec.replicas: 3 → 5");
        assert!(undo.starts_with("spec.replicas"), "{undo}");
        for (delete, request) in [
            (false, "POST /api/v1/namespaces/shop/pods/cart/eviction"),
            (true, "DELETE /api/v1/namespaces/shop/pods/cart"),
        ] {
            let said = told(
                "pod",
                "v1/Pod",
                json!({"action": "restart_pod", "delete": delete}),
            );
            assert_eq!(said[0], request);
            assert!(said[2].starts_with("none"), "{}", said[2]);
        }
        let rollback = json!({"action": "rollback", "revision": 7, "template_hash": "5d8f"});
        let said = told("statefulset", "apps/v1/StatefulSet", rollback);
        assert!(
            said[0].contains("unready pod") && said[1].contains("revision 7"),
            "{said:?}"
        );
    }
}
