//! What somebody changed in a workload's specification, and who it was.

use std::collections::BTreeSet;

use aegis_schemas::signal::{Change, ContainerSpec};
use serde_json::Value;

use super::manager;
use super::object::Object;
use super::workload::Workload;

/// Enough to see who made a change and what it was.
const MAX_PATHS: usize = 16;

/// One step to a place within an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A field.
    Field(String),
    /// The item of that name in a list.
    Named(String),
}

/// A workload that was not there before.
pub(super) fn created(new: &Workload, object: Object<'_>) -> Change {
    Change {
        what: "created".to_owned(),
        by: manager::of(object, &[Step::Field("spec".to_owned())]),
        generation: new.state.generation,
        revision: new.state.revision,
        from: "nothing".to_owned(),
        to: images(&new.state.containers),
    }
}

/// The changes from `old` to `new`; `newest` is the highest revision so far.
pub(super) fn between(
    old: &Workload,
    new: &Workload,
    newest: i64,
    object: Object<'_>,
) -> Vec<Change> {
    let mut changes = Vec::new();
    let root = |name: &str| vec![Step::Field("spec".to_owned()), Step::Field(name.to_owned())];
    let generation = new.state.generation;
    if old.template != new.template {
        let mut paths = Vec::new();
        differ(
            &old.template,
            &new.template,
            &mut root("template"),
            &mut paths,
        );
        let by = manager::of_paths(object, &paths);
        // The controller has not numbered the new template yet, unless it was faster than the watch.
        let revision = if new.state.revision > old.state.revision {
            new.state.revision
        } else {
            newest + 1
        };
        let (from, to) = words(old, new, &paths);
        changes.push(Change {
            what: "template".to_owned(),
            by: by.clone(),
            generation,
            revision,
            from,
            to,
        });
        let (from, to) = (limits(&old.state.containers), limits(&new.state.containers));
        if from != to {
            changes.push(Change {
                what: "limits".to_owned(),
                by,
                generation,
                revision,
                from,
                to,
            });
        }
    }
    // A DaemonSet's count follows the nodes.
    let counted = !new.state.gvk.ends_with("DaemonSet");
    if counted && old.state.replicas != new.state.replicas {
        changes.push(Change {
            what: "replicas".to_owned(),
            by: manager::of(object, &root("replicas")),
            generation,
            revision: 0,
            from: old.state.replicas.to_string(),
            to: new.state.replicas.to_string(),
        });
    }
    changes
}

/// Where two values differ.
fn differ(old: &Value, new: &Value, at: &mut Vec<Step>, out: &mut Vec<Vec<Step>>) {
    if old == new || out.len() >= MAX_PATHS {
        return;
    }
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for key in keys {
                let get = |map: &'_ serde_json::Map<String, Value>| {
                    map.get(key).cloned().unwrap_or(Value::Null)
                };
                at.push(Step::Field(key.clone()));
                differ(&get(old), &get(new), at, out);
                at.pop();
            }
        }
        (Value::Array(old), Value::Array(new)) if named(old) && named(new) => {
            let names: BTreeSet<&str> = old.iter().chain(new).filter_map(name_of).collect();
            for name in names {
                let find = |list: &'_ [Value]| {
                    let found = list.iter().find(|item| name_of(item) == Some(name));
                    found.cloned().unwrap_or(Value::Null)
                };
                at.push(Step::Named(name.to_owned()));
                differ(&find(old), &find(new), at, out);
                at.pop();
            }
        }
        _ => out.push(at.clone()),
    }
}

fn named(list: &[Value]) -> bool {
    list.iter().all(|item| name_of(item).is_some())
}

fn name_of(item: &Value) -> Option<&str> {
    item.get("name")?.as_str()
}

/// Before and after, in words. Values of the environment and of arguments are not told: they may be
/// secrets.
fn words(old: &Workload, new: &Workload, paths: &[Vec<Step>]) -> (String, String) {
    let (before, after) = (images(&old.state.containers), images(&new.state.containers));
    if before != after {
        return (before, after);
    }
    let mut places: Vec<String> = paths.iter().map(|path| place(path)).collect();
    places.dedup();
    places.truncate(4);
    (
        format!("revision {}", old.state.revision),
        format!("{} of {after}", places.join(", ")),
    )
}

/// A path within the template as people say it: `app.resources.limits.memory`.
fn place(path: &[Step]) -> String {
    let steps = path.iter().filter_map(|step| match step {
        Step::Field(name) if is_scaffold(name) => None,
        Step::Field(name) | Step::Named(name) => Some(name.as_str()),
    });
    let place: String = steps.collect::<Vec<_>>().join(".");
    place.chars().take(120).collect()
}

fn is_scaffold(field: &str) -> bool {
    matches!(field, "spec" | "template" | "metadata" | "containers")
}

fn images(containers: &[ContainerSpec]) -> String {
    let images: Vec<&str> = containers.iter().map(|one| one.image.as_str()).collect();
    cut(&images.join(", "))
}

fn limits(containers: &[ContainerSpec]) -> String {
    let words: Vec<String> = containers
        .iter()
        .map(|one| {
            format!(
                "{}: {}, {}",
                one.name,
                limit(one.cpu_limit_millis, "m cpu", "no cpu limit"),
                limit(one.memory_limit_bytes >> 20, " MiB", "no memory limit"),
            )
        })
        .collect();
    cut(&words.join("; "))
}

fn limit(amount: i64, unit: &str, none: &str) -> String {
    match amount {
        0 => none.to_owned(),
        amount => format!("{amount}{unit}"),
    }
}

fn cut(text: &str) -> String {
    text.chars().take(512).collect()
}
