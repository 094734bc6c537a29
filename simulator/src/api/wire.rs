//! Between what is stored and what a client sees.

use serde_json::{Value, json};

use super::error::Refusal;
use super::json;
use super::resources::{Kind, Resource};

/// The fields of an event, as core/v1 (stored) and events.k8s.io/v1 name them.
const EVENT_FIELDS: [(&str, &str); 6] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("reportingComponent", "reportingController"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
];

fn is_new_event(resource: &Resource) -> bool {
    resource.kind == Kind::Event && !resource.group.is_empty()
}

/// The stored form of what a client sent.
pub(crate) fn inward(resource: &Resource, mut object: Value) -> Result<Value, Refusal> {
    if !object.is_object() {
        return Err(Refusal::bad_request("the body is not a JSON object"));
    }
    let (api_version, kind) = (resource.api_version(), resource.name);
    for (field, want) in [("/apiVersion", api_version.as_str()), ("/kind", kind)] {
        if object
            .pointer(field)
            .is_some_and(|value| !value.is_string())
        {
            let message = format!("the field {field} of the object is not a text");
            return Err(Refusal::bad_request(message));
        }
        let got = json::text(&object, field);
        if !got.is_empty() && got != want {
            return Err(Refusal::bad_request(format!(
                "the object provided is a {got}, this path expects {want}"
            )));
        }
    }
    if is_new_event(resource) {
        for (core, new) in EVENT_FIELDS {
            let value = json::fields(&mut object).remove(new);
            if value.is_some() {
                json::put(&mut object, core, value);
            }
        }
    }
    let stored = resource.kind.resource();
    json::set(&mut object, &["apiVersion"], stored.api_version());
    json::set(&mut object, &["kind"], stored.name);
    Ok(object)
}

/// What a client of `resource` sees of a stored object.
pub(crate) fn outward(resource: &Resource, stored: &Value) -> Value {
    let mut object = stored.clone();
    if is_new_event(resource) {
        for (core, new) in EVENT_FIELDS {
            let value = json::fields(&mut object).remove(core);
            if value.is_some() {
                json::put(&mut object, new, value);
            }
        }
        json::set(&mut object, &["apiVersion"], resource.api_version());
    }
    object
}

/// The object's metadata alone, for clients that want no more.
pub(crate) fn metadata_only(object: &Value) -> Value {
    json!({
        "apiVersion": "meta.k8s.io/v1",
        "kind": "PartialObjectMetadata",
        "metadata": object["metadata"],
    })
}

/// A workload as its `Scale`.
pub(crate) fn scale(workload: &Value) -> Value {
    let labels = workload.pointer("/spec/selector/matchLabels");
    let selector: Vec<_> = labels
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or("")))
        .collect();
    let metadata = &workload["metadata"];
    let spec = match json::int(workload, "/spec/replicas", 0) {
        0 => json!({}),
        replicas => json!({ "replicas": replicas }),
    };
    json!({
        "apiVersion": "autoscaling/v1",
        "kind": "Scale",
        "metadata": {
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
            "creationTimestamp": metadata["creationTimestamp"],
        },
        "spec": spec,
        "status": {
            "replicas": json::int(workload, "/status/replicas", 0),
            "selector": selector.join(","),
        },
    })
}
