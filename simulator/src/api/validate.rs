//! Refuses what a real server would: wrong types, missing or frozen fields.

use k8s_openapi::api::{apps, autoscaling, coordination, core, policy};
use serde::Deserialize;
use serde_json::Value;

use super::error::Refusal;
use super::json;
use super::resources::{Kind, Resource};
use super::selector;

/// Whether the object has the shape of its kind.
pub(crate) fn shape(resource: &Resource, object: &Value) -> Result<(), Refusal> {
    fn read<'a, T: Deserialize<'a>>(object: &'a Value) -> Result<(), serde_json::Error> {
        T::deserialize(object).map(drop)
    }
    let read = match resource.kind {
        Kind::Namespace => read::<core::v1::Namespace>,
        Kind::Node => read::<core::v1::Node>,
        Kind::Pod => read::<core::v1::Pod>,
        Kind::Service => read::<core::v1::Service>,
        Kind::ConfigMap => read::<core::v1::ConfigMap>,
        Kind::Event => read::<core::v1::Event>,
        Kind::Deployment => read::<apps::v1::Deployment>,
        Kind::ReplicaSet => read::<apps::v1::ReplicaSet>,
        Kind::StatefulSet => read::<apps::v1::StatefulSet>,
        Kind::DaemonSet => read::<apps::v1::DaemonSet>,
        Kind::ControllerRevision => read::<apps::v1::ControllerRevision>,
        Kind::PodDisruptionBudget => read::<policy::v1::PodDisruptionBudget>,
        Kind::HorizontalPodAutoscaler => read::<autoscaling::v2::HorizontalPodAutoscaler>,
        Kind::Lease => read::<coordination::v1::Lease>,
    };
    read(object).map_err(|error| {
        Refusal::bad_request(format!(
            "{} in version \"{}\" cannot be handled as a {}: {error}",
            resource.name, resource.version, resource.name
        ))
    })
}

/// Whether the values keep the rules of the kind; `old` is `None` on creation.
pub(crate) fn values(
    resource: &Resource,
    old: Option<&Value>,
    object: &Value,
) -> Result<(), Refusal> {
    let name = json::name(object);
    let invalid = |field: &str, why: &str| Err(Refusal::invalid(resource, name, field, why));
    if !is_name(name) {
        return invalid(
            "metadata.name",
            "Invalid value: a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
        );
    }
    if json::int(object, "/spec/replicas", 0) < 0 {
        let why = "Invalid value: must be greater than or equal to 0";
        return invalid("spec.replicas", why);
    }
    let is_workload = matches!(
        resource.kind,
        Kind::Deployment | Kind::ReplicaSet | Kind::StatefulSet | Kind::DaemonSet
    );
    if is_workload {
        let selector = object.pointer("/spec/selector");
        let null = Value::Null;
        let labels = object
            .pointer("/spec/template/metadata/labels")
            .unwrap_or(&null);
        let mut faults = Vec::new();
        if selector.is_none_or(|s| s.as_object().is_none_or(serde_json::Map::is_empty)) {
            faults.push(("spec.selector", "Required value"));
        }
        if !selector::selects(selector, labels) {
            let why = "Invalid value: `selector` does not match template `labels`";
            faults.push(("spec.template.metadata.labels", why));
        }
        if old.is_some_and(|old| old.pointer("/spec/selector") != selector) {
            faults.push(("spec.selector", "Invalid value: field is immutable"));
        }
        if !faults.is_empty() {
            return Err(Refusal::all_invalid(resource, name, &faults));
        }
        containers(
            resource,
            name,
            object,
            "/spec/template/spec",
            "spec.template.spec",
        )?;
    }
    match resource.kind {
        Kind::Pod => {
            containers(resource, name, object, "/spec", "spec")?;
            if old.is_some_and(|old| frozen_pod(old) != frozen_pod(object)) {
                let why = "Forbidden: pod updates may not change fields other than `spec.containers[*].image`, `spec.initContainers[*].image`, `spec.activeDeadlineSeconds`, `spec.tolerations` (only additions to existing tolerations), `spec.terminationGracePeriodSeconds`";
                return invalid("spec", why);
            }
        }
        Kind::Deployment => rolling(resource, name, object)?,
        Kind::Event if !is_micro_time(json::text(object, "/eventTime")) => {
            return Err(Refusal::bad_request(
                "eventTime has no six digits after the point",
            ));
        }
        Kind::StatefulSet if old.is_some_and(|old| frozen_set(old) != frozen_set(object)) => {
            let why = "Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
            return invalid("spec", why);
        }
        Kind::ControllerRevision
            if old.is_some_and(|old| old.get("data") != object.get("data")) =>
        {
            return invalid("data", "Invalid value: field is immutable");
        }
        Kind::PodDisruptionBudget => {
            let both = object.pointer("/spec/minAvailable").is_some()
                && object.pointer("/spec/maxUnavailable").is_some();
            if both {
                return invalid(
                    "spec",
                    "Invalid value: minAvailable and maxUnavailable cannot be both set",
                );
            }
        }
        Kind::HorizontalPodAutoscaler => {
            let (low, high) = (
                json::int(object, "/spec/minReplicas", 1),
                json::int(object, "/spec/maxReplicas", 0),
            );
            if high < low || high < 1 {
                let why = "Invalid value: must be greater than or equal to `minReplicas`";
                return invalid("spec.maxReplicas", why);
            }
        }
        _ => {}
    }
    Ok(())
}

/// `metav1.MicroTime`, if there is one: exactly six digits after the point.
fn is_micro_time(text: &str) -> bool {
    text.is_empty()
        || text.split_once('.').is_some_and(|(_, fraction)| {
            let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
            digits == 6
        })
}

fn is_name(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = name.as_bytes();
    let edges = bytes.first().zip(bytes.last());
    bytes.len() <= 253
        && edges.is_some_and(|(first, last)| inner(*first) && inner(*last))
        && bytes
            .iter()
            .all(|byte| inner(*byte) || matches!(byte, b'-' | b'.'))
}

fn containers(
    resource: &Resource,
    name: &str,
    object: &Value,
    pointer: &str,
    field: &str,
) -> Result<(), Refusal> {
    let invalid = |field: String, why: &str| Err(Refusal::invalid(resource, name, &field, why));
    let containers = json::list(object, &format!("{pointer}/containers"));
    if containers.is_empty() {
        return invalid(format!("{field}.containers"), "Required value");
    }
    for (index, container) in containers.iter().enumerate() {
        for key in ["name", "image"] {
            if json::text(container, &format!("/{key}")).is_empty() {
                return invalid(
                    format!("{field}.containers[{index}].{key}"),
                    "Required value",
                );
            }
        }
        let before = &containers[..index];
        if before
            .iter()
            .any(|other| other["name"] == container["name"])
        {
            return invalid(
                format!("{field}.containers[{index}].name"),
                "Duplicate value",
            );
        }
    }
    Ok(())
}

fn rolling(resource: &Resource, name: &str, object: &Value) -> Result<(), Refusal> {
    let zero = |field: &str| {
        let value = object.pointer(&format!("/spec/strategy/rollingUpdate/{field}"));
        value.is_some_and(|value| value == 0 || value == "0%")
    };
    let kind = json::text(object, "/spec/strategy/type");
    if !matches!(kind, "RollingUpdate" | "Recreate") {
        let why = "Unsupported value: supported values: \"Recreate\", \"RollingUpdate\"";
        return Err(Refusal::invalid(resource, name, "spec.strategy.type", why));
    }
    if kind == "Recreate" && object.pointer("/spec/strategy/rollingUpdate").is_some() {
        let why = "Forbidden: may not be specified when strategy `type` is 'Recreate'";
        return Err(Refusal::invalid(
            resource,
            name,
            "spec.strategy.rollingUpdate",
            why,
        ));
    }
    if zero("maxSurge") && zero("maxUnavailable") {
        let why = "Invalid value: may not be 0 when `maxSurge` is 0";
        let field = "spec.strategy.rollingUpdate.maxUnavailable";
        return Err(Refusal::invalid(resource, name, field, why));
    }
    Ok(())
}

/// A pod's spec less the fields that may change.
fn frozen_pod(pod: &Value) -> Value {
    let mut spec = pod.get("spec").cloned().unwrap_or_default();
    for key in [
        "activeDeadlineSeconds",
        "tolerations",
        "terminationGracePeriodSeconds",
    ] {
        json::put(&mut spec, key, None);
    }
    for list in ["containers", "initContainers"] {
        if let Some(containers) = spec.get_mut(list).and_then(Value::as_array_mut) {
            for container in containers {
                json::put(container, "image", None);
            }
        }
    }
    spec
}

/// A StatefulSet's spec less the fields that may change.
fn frozen_set(set: &Value) -> Value {
    let mut spec = set.get("spec").cloned().unwrap_or_default();
    for key in [
        "replicas",
        "ordinals",
        "template",
        "updateStrategy",
        "revisionHistoryLimit",
        "persistentVolumeClaimRetentionPolicy",
        "minReadySeconds",
    ] {
        json::put(&mut spec, key, None);
    }
    spec
}
