//! Server-side apply.

use serde_json::Value;

use super::error::Refusal;
use super::json;
use super::managed::{self, Fields};
use super::merge;

/// What `manager` wants, merged into the live object, and the fields it then
/// owns; a conflict when another manager set one of them to something else.
pub(crate) fn apply(
    live: &Value,
    wanted: &Value,
    manager: &str,
    force: bool,
) -> Result<(Value, Fields), Refusal> {
    let entries = managed::entries(live);
    let desired = managed::leaves(wanted);
    let current = managed::leaves(live);
    let conflicts: Vec<_> = entries
        .iter()
        .filter(|entry| entry.manager != manager)
        .flat_map(|entry| {
            entry
                .fields
                .iter()
                .filter(|path| {
                    desired
                        .get(*path)
                        .is_some_and(|value| current.get(*path) != Some(value))
                })
                .map(|path| (entry.manager.clone(), managed::spoken(path)))
        })
        .collect();
    if !force && !conflicts.is_empty() {
        return Err(Refusal::apply_conflict(&conflicts));
    }
    let fields: Fields = desired.keys().cloned().collect();
    let mut merged = live.clone();
    merge::strategic(&mut merged, wanted, "");
    for entry in &entries {
        if entry.manager != manager || entry.operation != "Apply" {
            continue;
        }
        for path in entry.fields.difference(&fields) {
            let shared = entries
                .iter()
                .any(|other| other.manager != manager && other.fields.contains(path));
            if !shared {
                remove(&mut merged, path);
            }
        }
    }
    Ok((merged, fields))
}

/// Removes what a manager no longer wants.
fn remove(object: &mut Value, path: &str) {
    let steps: Vec<_> = managed::steps(path).collect();
    let (last, parents) = steps.split_last().expect("a field has at least one step");
    let mut at = object;
    for (depth, step) in parents.iter().enumerate() {
        let below = if let Some(field) = step.strip_prefix("f:") {
            at.get_mut(field)
        } else {
            let is_item = depth + 1 == parents.len() && *last == ".";
            let Some((key, value)) = managed::keyed(step) else {
                return;
            };
            let Some(items) = at.as_array_mut() else {
                return;
            };
            let Some(place) = items.iter().position(|item| item[&key] == value) else {
                return;
            };
            if is_item {
                items.remove(place);
                return;
            }
            items.get_mut(place)
        };
        let Some(below) = below else { return };
        at = below;
    }
    if let Some(field) = last.strip_prefix("f:") {
        json::put(at, field, None);
    }
}
