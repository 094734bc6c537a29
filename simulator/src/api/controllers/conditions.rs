//! Status conditions.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::api::json;

/// The condition of a type.
pub(crate) fn get<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    json::list(object, "/status/conditions")
        .iter()
        .find(|condition| condition["type"] == kind)
}

/// Sets a condition; the transition time moves only with the status.
pub(crate) fn set(object: &mut Value, kind: &str, status: bool, why: (&str, &str), now: Timestamp) {
    let status = if status { "True" } else { "False" };
    put(object, kind, status, why, now);
}

/// Sets a condition that may be `Unknown`; true when it is new or differs.
pub(crate) fn put(
    object: &mut Value,
    kind: &str,
    status: &str,
    (reason, message): (&str, &str),
    now: Timestamp,
) -> bool {
    let old = get(object, kind).cloned();
    let same = |field: &str, value: &str| {
        old.as_ref()
            .is_some_and(|old| json::text(old, field) == value)
    };
    if same("/status", status) && same("/reason", reason) && same("/message", message) {
        return false;
    }
    let moved = if same("/status", status) {
        old.as_ref()
            .map_or("", |old| json::text(old, "/lastTransitionTime"))
            .to_owned()
    } else {
        json::stamp(now)
    };
    let mut condition = json!({ "type": kind, "status": status, "lastTransitionTime": moved });
    if !reason.is_empty() {
        condition["reason"] = reason.into();
    }
    if !message.is_empty() {
        condition["message"] = message.into();
    }
    let list = json::entry(object, &["status", "conditions"]);
    if !list.is_array() {
        *list = json!([]);
    }
    let conditions = list.as_array_mut().expect("made a list just above");
    match conditions.iter_mut().find(|old| old["type"] == kind) {
        Some(old) => *old = condition,
        None => conditions.push(condition),
    }
    true
}
