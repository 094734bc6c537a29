//! The objects that cases work on, and the patch of an act.

use anyhow::Result;
use serde_json::{Value, json};

use crate::call::Call;
use crate::session::Session;

pub(crate) const DEPLOYMENT: &str = "apps/v1/deployments/web";

/// A workload with the fields that its kind needs and no others.
pub(crate) fn workload(kind: &str, name: &str) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": { "name": name, "labels": { "app": name } },
        "spec": {
            "selector": { "matchLabels": { "app": name } },
            "template": template(name, "registry.example/web:1"),
        },
    })
}

pub(crate) fn template(app: &str, image: &str) -> Value {
    json!({
        "metadata": { "labels": { "app": app } },
        "spec": { "containers": [{
            "name": "main",
            "image": image,
            "resources": { "requests": { "cpu": "10m", "memory": "16Mi" } },
        }] },
    })
}

pub(crate) fn config_map(name: &str, labels: &Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": { "name": name, "labels": labels },
        "data": { "key": "value" },
    })
}

pub(crate) fn budget(name: &str, app: &str, min_available: i64) -> Value {
    json!({
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": { "name": name },
        "spec": { "minAvailable": min_available, "selector": { "matchLabels": { "app": app } } },
    })
}

/// The Event that the executor leaves beside what it changed.
pub(crate) fn event(name: &str, namespace: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": { "name": name, "namespace": namespace },
        "involvedObject": {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "name": "web",
            "namespace": namespace,
            "uid": "4a7c1d7e-0000-4000-8000-000000000000",
        },
        "type": "Normal",
        "reason": "AegisScaled",
        "message": "scale from 1 to 3 replicas",
        "source": { "component": "aegis-executor" },
        "reportingComponent": "aegis.dev/executor",
        "reportingInstance": "aegis-executor",
        "action": "scale",
        "eventTime": "2026-03-01T12:00:00.250000Z",
        "firstTimestamp": null,
        "lastTimestamp": null,
    })
}

/// The patch of an act: the object as it was read, the change, and who made it.
pub(crate) fn act(live: &Value, fence: u64, change: &[Value]) -> Value {
    let mut operations = vec![
        test("/metadata/uid", live["metadata"]["uid"].clone()),
        test(
            "/metadata/resourceVersion",
            live["metadata"]["resourceVersion"].clone(),
        ),
    ];
    operations.extend_from_slice(change);
    let marks = [
        ("aegis.dev/decision-id", "0123456789abcdef"),
        ("aegis.dev/fence", &fence.to_string()),
    ];
    if live.pointer("/metadata/annotations").is_none() {
        let marks: serde_json::Map<_, _> = marks
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!(value)))
            .collect();
        operations.push(add("/metadata/annotations", marks));
    } else {
        operations.extend(marks.iter().map(|(name, value)| {
            let name = name.replace('/', "~1");
            add(&format!("/metadata/annotations/{name}"), *value)
        }));
    }
    operations.into()
}

pub(crate) fn test(path: &str, value: impl Into<Value>) -> Value {
    json!({ "op": "test", "path": path, "value": value.into() })
}

pub(crate) fn add(path: &str, value: impl Into<Value>) -> Value {
    json!({ "op": "add", "path": path, "value": value.into() })
}

pub(crate) fn scale_to(replicas: i64) -> Value {
    add("/spec/replicas", replicas)
}

/// Creates the Deployment `web` without pods, so that nothing but the case writes it, and waits until its
/// controller has seen it.
pub(crate) async fn idle_deployment(s: &mut Session) -> Result<Value> {
    let mut web = workload("Deployment", "web");
    web["spec"]["replicas"] = 0.into();
    s.made(Call::create("apps/v1/deployments", &web)).await?;
    s.until(DEPLOYMENT, |web| {
        web["status"]["observedGeneration"] == 1 && conditions(web) >= 1
    })
    .await
}

fn conditions(object: &Value) -> usize {
    object["status"]["conditions"]
        .as_array()
        .map_or(0, Vec::len)
}

/// Creates a Deployment and waits until `replicas` pods are ready; one of the pods.
pub(crate) async fn ready_pod(s: &mut Session, name: &str, replicas: i64) -> Result<Value> {
    let mut workload = workload("Deployment", name);
    workload["spec"]["replicas"] = replicas.into();
    s.made(Call::create("apps/v1/deployments", &workload))
        .await?;
    let path = format!("apps/v1/deployments/{name}");
    s.until(&path, |web| web["status"]["readyReplicas"] == replicas)
        .await?;
    let pods = Call::get("v1/pods").query("labelSelector", format!("app={name}"));
    let pods = s.made(pods).await?;
    let pod = pods["items"][0].clone();
    s.generated(text(&pod, "/metadata/name"), "pod");
    s.met(&pod);
    Ok(pod)
}

/// The text at `pointer`.
pub(crate) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}
