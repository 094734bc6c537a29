//! The Kubernetes Event that tells who looks at the object what was done to it.

use aegis_schemas::{Action, Entity, Timestamp, Warrant};
use kube::core::DynamicObject;
use serde_json::json;

use super::MANAGER;

/// The longest message that an Event may have.
const MAX_MESSAGE: usize = 1000;

/// The Event of an act. Its name follows from the decision, so that it is there once.
pub(crate) fn note(warrant: &Warrant, now: Timestamp) -> DynamicObject {
    let target = &warrant.target.object;
    let about = (target.gvk.as_str(), &target.entity, target.uid.as_str());
    event(warrant, now, about, reason(warrant), &message(warrant))
}

/// The Event of a pod that was deleted so that its set takes up the template of `warrant`.
pub(crate) fn note_freed(
    warrant: &Warrant,
    now: Timestamp,
    pod: &Entity,
    uid: &str,
) -> DynamicObject {
    let text = format!(
        "its set waits for it to get ready and would not replace it; part of decision {}: {}",
        warrant.decision_id,
        warrant.action.describe()
    );
    event(warrant, now, ("v1/Pod", pod, uid), "AegisFreed", &text)
}

fn event(
    warrant: &Warrant,
    now: Timestamp,
    (gvk, entity, uid): (&str, &Entity, &str),
    reason: &str,
    message: &str,
) -> DynamicObject {
    let (group_version, kind) = gvk.rsplit_once('/').unwrap_or(("v1", gvk));
    let object: String = entity.name.as_str().chars().take(200).collect();
    let event = json!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": format!("{}.{}", object.trim_end_matches(['-', '.']), warrant.decision_id),
            "namespace": entity.namespace,
        },
        "involvedObject": {
            "apiVersion": group_version,
            "kind": kind,
            "name": entity.name,
            "namespace": entity.namespace,
            "uid": uid,
        },
        "type": "Normal",
        "reason": reason,
        "message": message,
        "source": { "component": MANAGER },
        "reportingComponent": "aegis.dev/executor",
        "reportingInstance": MANAGER,
        "action": warrant.action.kind(),
        "eventTime": micros(now),
        "firstTimestamp": null,
        "lastTimestamp": null,
    });
    serde_json::from_value(event).expect("an object with metadata")
}

fn reason(warrant: &Warrant) -> &'static str {
    match &warrant.action {
        _ if warrant.undo_of.is_some() => "AegisUndone",
        Action::RestartPod { .. } | Action::RolloutRestart => "AegisRestarted",
        Action::Scale { .. } => "AegisScaled",
        Action::Rollback { .. } => "AegisRolledBack",
        Action::RestoreTemplate { .. } => "AegisRestored",
    }
}

fn message(warrant: &Warrant) -> String {
    let mut message = format!(
        "{} for {}, decision {}",
        warrant.action.describe(),
        warrant.actor.name,
        warrant.decision_id
    );
    if let Some(incident) = warrant.incident {
        message = format!("{message}, incident {incident}");
    }
    for reason in &warrant.reasons {
        message = format!("{message}; {}", reason.text);
    }
    message.chars().take(MAX_MESSAGE).collect()
}

/// A MicroTime, which a real API server takes with six digits after the point and no other number.
fn micros(now: Timestamp) -> String {
    let text = Timestamp::from_millis(now.as_millis()).to_string();
    let text = text.trim_end_matches('Z');
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    format!("{whole}.{fraction:0<6}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_an_event_has_six_digits_after_the_point() {
        for (millis, end) in [(0, "00.000000Z"), (700, "00.700000Z"), (743, "00.743000Z")] {
            let text = micros(Timestamp::from_millis(1_700_000_040_000 + millis));
            assert!(text.ends_with(end), "{text}");
            assert_eq!(text.len(), "2023-11-14T22:14:00.000000Z".len(), "{text}");
        }
    }
}
