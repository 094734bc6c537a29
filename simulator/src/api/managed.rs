//! `metadata.managedFields`: who last set which field.
//!
//! Every write passes through here, so only the parts of an object that a
//! write changed (`spec`, `status` …) are taken apart.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::json;
use super::merge;

/// The steps to a field as `FieldsV1` writes them (`f:spec`,
/// `k:{"name":"a"}`, `.`), each ended by [`END`].
pub(crate) type Path = String;
/// A set of fields.
pub(crate) type Fields = BTreeSet<Path>;

/// No name of a field has it in it.
const END: char = '\u{1}';

/// The parts of an object's metadata that have managers.
const METADATA: [&str; 4] = ["labels", "annotations", "finalizers", "ownerReferences"];

static NULL: Value = Value::Null;

/// On whose behalf a write is recorded.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    pub(crate) manager: String,
    pub(crate) subresource: String,
    /// The fields of a server-side apply; `None` for every other write.
    pub(crate) applied: Option<Fields>,
}

impl Writer {
    pub(crate) fn new(manager: &str, subresource: &str) -> Self {
        Self {
            manager: manager.to_owned(),
            subresource: subresource.to_owned(),
            applied: None,
        }
    }

    fn operation(&self) -> &'static str {
        if self.applied.is_some() {
            "Apply"
        } else {
            "Update"
        }
    }
}

/// One manager's fields.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) manager: String,
    pub(crate) operation: String,
    /// The fields in the parts that were asked for.
    pub(crate) fields: Fields,
    /// The other parts, as they are written.
    rest: Value,
    api_version: String,
    subresource: String,
    time: String,
}

impl Entry {
    fn is_of(&self, writer: &Writer) -> bool {
        self.manager == writer.manager
            && self.operation == writer.operation()
            && self.subresource == writer.subresource
    }

    fn is_empty(&self) -> bool {
        self.fields.is_empty() && self.rest.as_object().is_none_or(Map::is_empty)
    }

    fn into_value(self) -> Value {
        let mut written = self.rest;
        for path in &self.fields {
            let mut at = &mut written;
            for step in steps(path) {
                at = json::fields(at)
                    .entry(step)
                    .or_insert_with(|| Value::Object(Map::new()));
            }
        }
        let mut value = json!({
            "manager": self.manager,
            "operation": self.operation,
            "apiVersion": self.api_version,
            "time": self.time,
            "fieldsType": "FieldsV1",
            "fieldsV1": written,
        });
        if !self.subresource.is_empty() {
            value["subresource"] = self.subresource.into();
        }
        value
    }
}

/// The recorded managers of an object, with all their fields.
pub(crate) fn entries(object: &Value) -> Vec<Entry> {
    read(object, |_| true)
}

/// The managers, with their fields in the parts for which `wanted` holds.
fn read(object: &Value, wanted: impl Fn(&str) -> bool) -> Vec<Entry> {
    json::list(object, "/metadata/managedFields")
        .iter()
        .map(|entry| {
            let text = |path| json::text(entry, path).to_owned();
            let (mut fields, mut rest) = (Fields::new(), Map::new());
            let written = entry.get("fieldsV1").and_then(Value::as_object);
            for (step, below) in written.into_iter().flatten() {
                if wanted(step.trim_start_matches("f:")) {
                    let mut path = format!("{step}{END}");
                    collect(below, &mut path, &mut fields);
                } else {
                    rest.insert(step.clone(), below.clone());
                }
            }
            Entry {
                manager: text("/manager"),
                operation: text("/operation"),
                fields,
                rest: rest.into(),
                api_version: text("/apiVersion"),
                subresource: text("/subresource"),
                time: text("/time"),
            }
        })
        .collect()
}

/// Writes into `new` who owns what after `writer` turned `old` into it.
pub(crate) fn record(old: Option<&Value>, new: &mut Value, writer: &Writer, time: &str) {
    let all = writer.applied.is_some();
    let touched = |part: &str| all || old.is_none_or(|old| differs(old, new, part));
    let mut entries = old.map(|old| read(old, touched)).unwrap_or_default();
    let before = old.map(|old| leaves_in(old, touched)).unwrap_or_default();
    let after = leaves_in(new, touched);
    let changed: Fields = after
        .iter()
        .filter(|(path, value)| before.get(*path) != Some(value))
        .map(|(path, _)| path.clone())
        .collect();
    for entry in &mut entries {
        let own = entry.is_of(writer);
        entry
            .fields
            .retain(|path| after.contains_key(path) && (own || !changed.contains(path)));
    }
    let gained = match &writer.applied {
        Some(applied) => applied
            .iter()
            .filter(|path| after.contains_key(*path))
            .cloned()
            .collect(),
        None => changed,
    };
    match entries.iter_mut().find(|entry| entry.is_of(writer)) {
        Some(entry) if all => {
            if entry.fields != gained {
                time.clone_into(&mut entry.time);
            }
            entry.fields = gained;
        }
        Some(entry) if !gained.is_empty() => {
            entry.fields.extend(gained);
            time.clone_into(&mut entry.time);
        }
        Some(_) => {}
        None => entries.push(Entry {
            manager: writer.manager.clone(),
            operation: writer.operation().to_owned(),
            fields: gained,
            rest: Map::new().into(),
            api_version: json::text(new, "/apiVersion").to_owned(),
            subresource: writer.subresource.clone(),
            time: time.to_owned(),
        }),
    }
    let entries: Vec<_> = entries
        .into_iter()
        .filter(|entry| !entry.is_empty())
        .map(Entry::into_value)
        .collect();
    json::set(new, &["metadata", "managedFields"], entries);
}

/// Whether a part differs in what can have a manager.
fn differs(old: &Value, new: &Value, part: &str) -> bool {
    if part == "metadata" {
        METADATA
            .iter()
            .any(|key| old["metadata"].get(key) != new["metadata"].get(key))
    } else {
        old.get(part) != new.get(part)
    }
}

/// Every field of an object that can have a manager, with its value.
pub(crate) fn leaves(object: &Value) -> BTreeMap<Path, &Value> {
    leaves_in(object, |_| true)
}

fn leaves_in(object: &Value, wanted: impl Fn(&str) -> bool) -> BTreeMap<Path, &Value> {
    let mut found = BTreeMap::new();
    for (key, value) in object.as_object().into_iter().flatten() {
        match key.as_str() {
            "apiVersion" | "kind" => {}
            "metadata" if wanted(key) => {
                for key in METADATA {
                    if let Some(value) = value.get(key) {
                        let mut path = format!("f:metadata{END}f:{key}{END}");
                        walk(value, key, &mut path, &mut found);
                    }
                }
            }
            key if key != "metadata" && wanted(key) => {
                walk(value, key, &mut format!("f:{key}{END}"), &mut found);
            }
            _ => {}
        }
    }
    found
}

fn walk<'a>(
    value: &'a Value,
    field: &str,
    path: &mut String,
    found: &mut BTreeMap<Path, &'a Value>,
) {
    let here = path.len();
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (key, value) in fields {
                path.extend(["f:", key.as_str()]);
                path.push(END);
                walk(value, key, path, found);
                path.truncate(here);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            let Some(key) = merge::list_key(field, items) else {
                found.insert(path.clone(), value);
                return;
            };
            for item in items {
                // A `String` cannot refuse to be written to.
                let _ = write!(path, "k:{{\"{key}\":{}}}{END}", item[key]);
                found.insert(format!("{path}.{END}"), &NULL);
                walk(item, "", path, found);
                path.truncate(here);
            }
        }
        leaf => {
            found.insert(path.clone(), leaf);
        }
    }
}

fn collect(tree: &Value, path: &mut String, fields: &mut Fields) {
    match tree.as_object() {
        Some(children) if !children.is_empty() => {
            let here = path.len();
            for (step, below) in children {
                path.push_str(step);
                path.push(END);
                collect(below, path, fields);
                path.truncate(here);
            }
        }
        _ => {
            fields.insert(path.clone());
        }
    }
}

/// The steps of a path.
pub(crate) fn steps(path: &str) -> impl Iterator<Item = &str> {
    path.split_terminator(END)
}

/// `.spec.containers[name="a"].image`, as conflicts name a field.
pub(crate) fn spoken(path: &str) -> String {
    let mut text = String::new();
    for step in steps(path) {
        if let Some(field) = step.strip_prefix("f:") {
            text.extend([".", field]);
        } else if let Some((key, value)) = keyed(step) {
            text.extend(["[", &key, "=", &value.to_string(), "]"]);
        }
    }
    text
}

/// The key and value of a step like `k:{"name":"a"}`.
pub(crate) fn keyed(step: &str) -> Option<(String, Value)> {
    let fields: Map<String, Value> = serde_json::from_str(step.strip_prefix("k:")?).ok()?;
    fields.into_iter().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner<'a>(entries: &'a [Entry], path: &[&str]) -> Vec<&'a str> {
        let path: Path = path.iter().map(|step| format!("{step}{END}")).collect();
        entries
            .iter()
            .filter(|entry| entry.fields.contains(&path))
            .map(|entry| entry.manager.as_str())
            .collect()
    }

    #[test]
    fn the_last_who_changed_a_field_owns_it() {
        let mut first = json!({"metadata": {}, "spec": {"replicas": 1, "paused": true,
            "containers": [{"name": "a", "image": "a:1"}]}});
        record(None, &mut first, &Writer::new("kubectl", ""), "t0");
        let mut second = first.clone();
        second["spec"]["replicas"] = 2.into();
        record(Some(&first), &mut second, &Writer::new("hpa", ""), "t1");
        let found = entries(&second);
        assert_eq!(owner(&found, &["f:spec", "f:replicas"]), ["hpa"]);
        assert_eq!(owner(&found, &["f:spec", "f:paused"]), ["kubectl"]);
        let image = ["f:spec", "f:containers", "k:{\"name\":\"a\"}", "f:image"];
        assert_eq!(owner(&found, &image), ["kubectl"]);
    }
}
