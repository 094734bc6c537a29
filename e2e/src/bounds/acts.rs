//! What the executor asks for: the requests of `executor/src/act`, each kind of act and its undo.

use anyhow::Result;
use reqwest::Method;
use serde_json::{Value, json};

use super::Bounds;
use super::case::{Case, EXECUTOR};
use super::objects::{AGENT, FENCE, SMALL, STORE, WEB, decision};

/// The marks of a decision, on an object that is marked already.
pub(super) fn marks(decision: &str, fence: &str) -> Vec<Value> {
    vec![
        add("/metadata/annotations/aegis.dev~1decision-id", decision),
        add("/metadata/annotations/aegis.dev~1fence", fence),
    ]
}

/// A change with the marks of the next decision.
pub(super) fn next(change: Vec<Value>) -> Vec<Value> {
    let mut operations = change;
    operations.extend(marks(&decision(2), &(FENCE + 1).to_string()));
    operations
}

/// Adds or replaces.
pub(super) fn add(path: &str, value: impl Into<Value>) -> Value {
    json!({"op": "add", "path": path, "value": value.into()})
}

fn restart() -> Vec<Value> {
    let annotations = json!({"kubectl.kubernetes.io/restartedAt": "2026-11-29T12:00:00Z"});
    vec![add("/spec/template/metadata/annotations", annotations)]
}

pub(super) async fn cases(bounds: &Bounds) -> Result<Vec<Case>> {
    let mut cases = scales();
    cases.extend([
        Case::patch("restart a Deployment", WEB, next(restart())),
        Case::patch("restart a DaemonSet", AGENT, next(restart())),
        Case::patch("restart what was never written", STORE, first(restart())),
    ]);
    let live = bounds.object(WEB).await?;
    let mut earlier = live["spec"]["template"].clone();
    earlier["metadata"]["annotations"] = json!({"config/checksum": "1"});
    earlier["spec"]["containers"][0] = json!({
        "name": "app", "image": format!("registry.example.org:5000/shop/web@sha256:{}", "a".repeat(64)),
        "command": ["/web"], "args": ["--slow"], "env": [{"name": "MODE", "value": "slow"}],
        "envFrom": [{"configMapRef": {"name": "web"}}],
        "resources": {"limits": {"memory": "1Gi"}},
        "readinessProbe": {"tcpSocket": {"port": 80}},
        "securityContext": {"runAsNonRoot": true},
        "volumeMounts": [{"name": "scratch", "mountPath": "/tmp"}],
    });
    let template = |template: Value| next(vec![add("/spec/template", template)]);
    cases.extend([
        Case::patch("go back to an earlier template", WEB, template(earlier)),
        Case::patch(
            "put the template back as it is",
            WEB,
            template(live["spec"]["template"].clone()),
        ),
    ]);
    cases.extend(pods(bounds));
    cases.push(event());
    cases.extend(reads(bounds, &live));
    Ok(cases)
}

fn scales() -> Vec<Case> {
    let replicas = |count: i32| vec![add("/spec/replicas", count)];
    let mut forgets = next(replicas(5));
    forgets.push(json!({"op": "remove", "path": "/metadata/annotations/aegis.dev~1incident"}));
    let mut high = replicas(5);
    high.extend(marks(&decision(2), &u64::MAX.to_string()));
    vec![
        Case::patch("scale a Deployment", WEB, next(replicas(6))),
        Case::patch("scale it down", WEB, next(replicas(1))),
        Case::patch("scale a StatefulSet", STORE, first(replicas(3))),
        Case::patch(
            "scale as far as the namespace lets it",
            SMALL,
            next(replicas(6)),
        ),
        Case::patch("scale outside of an incident", WEB, forgets),
        Case::patch("scale with the highest fence", WEB, high),
    ]
}

/// A change with the marks of a decision, on an object without annotations.
fn first(change: Vec<Value>) -> Vec<Value> {
    let marks = json!({"aegis.dev/decision-id": decision(1), "aegis.dev/fence": "1"});
    let mut operations = change;
    operations.push(add("/metadata/annotations", marks));
    operations
}

fn pods(bounds: &Bounds) -> [Case; 2] {
    let (path, name, uid) = bounds.pod();
    let eviction = eviction(name, &json!({"preconditions": {"uid": uid}}));
    let options = json!({"preconditions": {"uid": uid}});
    [
        Case::of(
            EXECUTOR,
            "evict a pod",
            Method::POST,
            format!("{path}/eviction"),
        )
        .body(eviction),
        Case::of(EXECUTOR, "delete a pod", Method::DELETE, path).body(options),
    ]
}

/// The eviction of a pod by the next decision.
pub(super) fn eviction(pod: &str, options: &Value) -> Value {
    json!({
        "apiVersion": "policy/v1", "kind": "Eviction",
        "metadata": {"name": pod, "namespace": "shop", "annotations": {
            "aegis.dev/decision-id": decision(2), "aegis.dev/fence": "8",
        }},
        "deleteOptions": options,
    })
}

fn event() -> Case {
    let event = json!({
        "metadata": {"name": "web.1"}, "reason": "AegisScaled", "type": "Normal", "action": "scale",
        "involvedObject": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "namespace": "shop"},
        "reportingComponent": "aegis.dev/executor", "reportingInstance": "aegis-executor",
        "eventTime": "2026-11-29T12:00:00.000000Z",
    });
    let path = "/api/v1/namespaces/shop/events";
    Case::of(EXECUTOR, "note an Event", Method::POST, path).body(event)
}

fn reads(bounds: &Bounds, web: &Value) -> Vec<Case> {
    let read = |tried, path: &str| Case::of(EXECUTOR, tried, Method::GET, path);
    let (pod, ..) = bounds.pod();
    let owner = &bounds.pod["metadata"]["ownerReferences"][0]["name"];
    let set = owner.as_str().unwrap_or_default();
    let app = web["spec"]["selector"]["matchLabels"]["app"].as_str();
    let labels = format!("labelSelector=app%3D{}", app.unwrap_or_default());
    let apps = "/apis/apps/v1/namespaces/shop";
    vec![
        read("read a Deployment", WEB),
        read("read a StatefulSet", STORE),
        read("read a DaemonSet", AGENT),
        read("read a pod", &pod),
        read(
            "read the pod's ReplicaSet",
            &format!("{apps}/replicasets/{set}"),
        ),
        read("list ReplicaSets", &format!("{apps}/replicasets?{labels}")),
        read(
            "list ControllerRevisions",
            &format!("{apps}/controllerrevisions?{labels}"),
        ),
        read(
            "list the pods of a set",
            &format!("/api/v1/namespaces/shop/pods?{labels}"),
        ),
        read("read the halt annotation", "/api/v1/namespaces/aegis"),
        read("read the cluster's uid", "/api/v1/namespaces/kube-system"),
    ]
}
