//! Who manages a field, from `metadata.managedFields`.

use std::collections::BTreeMap;

use aegis_schemas::Timestamp;
use serde_json::Value;

use super::change::Step;
use super::object::Object;

/// Aegis itself.
const OWN: &str = "aegis-executor";

/// The field manager that owns the place: the one whose fields reach deepest towards it, of several
/// the latest. Empty when nobody does.
pub(super) fn of(object: Object<'_>, path: &[Step]) -> String {
    best(object, path).map_or_else(String::new, |(_, _, manager)| manager.to_owned())
}

/// The field manager that owns most deeply one of several places.
pub(super) fn of_paths(object: Object<'_>, paths: &[Vec<Step>]) -> String {
    let best = paths.iter().filter_map(|path| best(object, path)).max();
    best.map_or_else(String::new, |(_, _, manager)| manager.to_owned())
}

/// The field manager that wrote last.
pub(super) fn latest(object: Object<'_>) -> String {
    let entries = object.list("/metadata/managedFields").iter().map(Object);
    entries
        .max_by_key(|entry| entry.time("/time"))
        .map_or_else(String::new, |entry| entry.text("/manager").to_owned())
}

/// Who but Aegis manages the replicas or the template.
pub(super) fn others(object: Object<'_>) -> BTreeMap<String, String> {
    let mut others: BTreeMap<String, String> = BTreeMap::new();
    for entry in object.list("/metadata/managedFields").iter().map(Object) {
        let manager = entry.text("/manager");
        if manager.is_empty() || manager == OWN {
            continue;
        }
        for field in ["replicas", "template"] {
            if entry.at(&format!("/fieldsV1/f:spec/f:{field}")).is_none() {
                continue;
            }
            let fields = others.entry(manager.to_owned()).or_default();
            if !fields.contains(field) {
                if !fields.is_empty() {
                    fields.push_str(", ");
                }
                fields.push_str(field);
            }
        }
    }
    others
}

fn best<'a>(object: Object<'a>, path: &[Step]) -> Option<(usize, Timestamp, &'a str)> {
    let entries = object.list("/metadata/managedFields").iter().map(Object);
    entries
        .filter_map(|entry| {
            let depth = depth(entry.at("/fieldsV1")?, path);
            (depth > 0).then(|| (depth, entry.time("/time"), entry.text("/manager")))
        })
        .max()
}

/// How many steps of the path the fields have.
fn depth(fields: &Value, path: &[Step]) -> usize {
    let mut at = fields;
    for (depth, step) in path.iter().enumerate() {
        let next = match step {
            Step::Field(name) => at.get(format!("f:{name}")),
            Step::Named(name) => at.as_object().and_then(|fields| {
                let item = fields.iter().find(|(key, _)| is_item(key, name));
                item.map(|(_, fields)| fields)
            }),
        };
        match next {
            Some(next) => at = next,
            None => return depth,
        }
    }
    path.len()
}

/// Whether a key such as `k:{"name":"app"}` is the item of that name.
fn is_item(key: &str, name: &str) -> bool {
    key.strip_prefix("k:")
        .and_then(|json| serde_json::from_str::<Value>(json).ok())
        .is_some_and(|item| item.get("name").and_then(Value::as_str) == Some(name))
}
