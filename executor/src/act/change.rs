//! What a warrant changes on a workload, as one JSON Patch.

use aegis_schemas::{Action, PreImage, RefusalCode, Warrant};
use json_patch::Patch;
use serde_json::{Map, Value, json};

use super::{DECISION_ID, FENCE, INCIDENT, Live};
use crate::accept::Refusal;

/// What `kubectl rollout restart` sets.
const RESTARTED_AT: &str = "kubectl.kubernetes.io/restartedAt";

/// A change of one field, with what stood there before.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Change {
    operations: Vec<Value>,
    /// What the undo needs.
    pub(crate) pre_image: PreImage,
}

/// The change that `warrant` asks for. `template` is the one of the revision that a rollback names.
pub(crate) fn change(
    warrant: &Warrant,
    live: &Live,
    template: Option<Value>,
) -> Result<Change, Refusal> {
    let current = live.field("/spec/template").cloned().unwrap_or_default();
    let restore = PreImage::Template {
        template: canonical(&current),
    };
    match &warrant.action {
        Action::Scale { replicas, .. } => {
            // The API server's default, should it ever be missing.
            let before = live.field("/spec/replicas").and_then(Value::as_i64);
            let before = before.and_then(|count| i32::try_from(count).ok());
            Ok(Change {
                operations: vec![add("/spec/replicas", &json!(replicas))],
                pre_image: PreImage::Replicas {
                    replicas: before.unwrap_or(1),
                },
            })
        }
        Action::RolloutRestart => {
            rolls_out(live)?;
            Ok(Change {
                operations: restart(&current, &warrant.iat.to_string()),
                pre_image: restore,
            })
        }
        Action::RestoreTemplate { template } => {
            rolls_out(live)?;
            let template: Value = serde_json::from_str(template).map_err(|error| {
                let message = format!("the template is not JSON: {error}");
                Refusal::new(RefusalCode::Malformed, message)
            })?;
            Ok(Change {
                operations: vec![add("/spec/template", &template)],
                pre_image: restore,
            })
        }
        Action::Rollback { revision, .. } => {
            rolls_out(live)?;
            let template = template.ok_or_else(|| {
                let message = format!("revision {revision} as it was decided is not on record");
                Refusal::new(RefusalCode::TargetChanged, message)
            })?;
            Ok(Change {
                operations: vec![add("/spec/template", &template)],
                pre_image: restore,
            })
        }
        Action::RestartPod { .. } => {
            let message = "a pod is replaced, not changed";
            Err(Refusal::new(RefusalCode::Malformed, message))
        }
    }
}

/// One patch: the object as it was read, the change, and who made it.
pub(crate) fn patch(warrant: &Warrant, live: &Live, change: &Change) -> Patch {
    let mut operations = vec![
        test("/metadata/uid", &live.uid),
        test("/metadata/resourceVersion", &live.resource_version),
    ];
    operations.extend(change.operations.iter().cloned());
    let annotations = live.object.metadata.annotations.as_ref();
    let marks = marks(warrant);
    if warrant.incident.is_none()
        && annotations.is_some_and(|annotations| annotations.contains_key(INCIDENT))
    {
        let path = format!("/metadata/annotations/{}", escape(INCIDENT));
        operations.push(json!({ "op": "remove", "path": path }));
    }
    // An empty map is not written by the API server, so it may be missing though it was read as one.
    if annotations.is_none_or(std::collections::BTreeMap::is_empty) {
        operations.push(add("/metadata/annotations", &Value::Object(marks)));
    } else {
        operations.extend(marks.into_iter().map(|(name, value)| {
            let path = format!("/metadata/annotations/{}", escape(&name));
            add(&path, &value)
        }));
    }
    serde_json::from_value(Value::Array(operations)).expect("operations with valid pointers")
}

/// The annotations that say who wrote.
pub(crate) fn marks(warrant: &Warrant) -> Map<String, Value> {
    let mut marks = Map::new();
    marks.insert(
        DECISION_ID.to_owned(),
        json!(warrant.decision_id.to_string()),
    );
    marks.insert(FENCE.to_owned(), json!(warrant.fence.to_string()));
    if let Some(incident) = warrant.incident {
        marks.insert(INCIDENT.to_owned(), json!(incident.to_string()));
    }
    marks
}

/// `value` with every map in the order of its keys.
pub(crate) fn canonical(value: &Value) -> String {
    fn sorted(value: &Value) -> Value {
        match value {
            Value::Object(fields) => {
                let mut fields: Vec<_> = fields.iter().collect();
                fields.sort_by(|left, right| left.0.cmp(right.0));
                fields
                    .into_iter()
                    .map(|(key, value)| (key.clone(), sorted(value)))
                    .collect()
            }
            Value::Array(items) => items.iter().map(sorted).collect(),
            scalar => scalar.clone(),
        }
    }
    sorted(value).to_string()
}

/// A new template that does not roll out helps nobody and surprises somebody later.
fn rolls_out(live: &Live) -> Result<(), Refusal> {
    let paused = live.field("/spec/paused") == Some(&json!(true));
    let strategy = live.field("/spec/updateStrategy/type");
    let why = if paused {
        "the deployment is paused"
    } else if strategy == Some(&json!("OnDelete")) {
        "the update strategy is `OnDelete`"
    } else {
        return Ok(());
    };
    let message = format!("{why}: a new template would not roll out");
    Err(Refusal::new(RefusalCode::TargetChanged, message))
}

fn restart(template: &Value, at: &str) -> Vec<Value> {
    let has = |pointer: &str| template.pointer(pointer).is_some_and(Value::is_object);
    if !has("/metadata") {
        let metadata = json!({ "annotations": { RESTARTED_AT: at } });
        return vec![add("/spec/template/metadata", &metadata)];
    }
    if !has("/metadata/annotations") {
        let annotations = json!({ RESTARTED_AT: at });
        return vec![add("/spec/template/metadata/annotations", &annotations)];
    }
    let path = format!(
        "/spec/template/metadata/annotations/{}",
        escape(RESTARTED_AT)
    );
    vec![add(&path, &json!(at))]
}

/// Adds or replaces.
fn add(path: &str, value: &Value) -> Value {
    json!({ "op": "add", "path": path, "value": value })
}

fn test(path: &str, value: &str) -> Value {
    json!({ "op": "test", "path": path, "value": value })
}

/// A key as a token of a JSON pointer.
fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}
