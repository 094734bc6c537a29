//! What there is to act on.

use std::time::{Duration, Instant};

use aegis_schemas::{DecisionId, EventId};
use aegis_xtask::kubernetes::{Client, Plane};
use anyhow::{Result, bail};
use serde_json::{Value, json};

const RUNNING: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The workload that is acted on.
pub(super) const WEB: &str = "/apis/apps/v1/namespaces/shop/deployments/web";
/// One that nobody has acted on.
pub(super) const STORE: &str = "/apis/apps/v1/namespaces/shop/statefulsets/store";
pub(super) const AGENT: &str = "/apis/apps/v1/namespaces/shop/daemonsets/agent";
/// One without the label.
pub(super) const WILD: &str = "/apis/apps/v1/namespaces/shop/deployments/wild";
/// In a namespace with roles and without the label.
pub(super) const HIDDEN: &str = "/apis/apps/v1/namespaces/hidden/deployments/web";
/// In a namespace in which Aegis may do nothing but scale, to six replicas by two.
pub(super) const SMALL: &str = "/apis/apps/v1/namespaces/small/deployments/web";
/// In a namespace that does not take part.
pub(super) const OTHER: &str = "/apis/apps/v1/namespaces/other/deployments/web";

/// The fence that the workloads are marked with.
pub(super) const FENCE: u64 = 7;

/// A decision's id; the first is the one that the workloads are marked with.
pub(super) fn decision(number: u8) -> String {
    DecisionId(EventId::of_content("bounds", &[number])).to_string()
}

const ROLE_BINDINGS: &str = "/apis/rbac.authorization.k8s.io/v1/namespaces/small/rolebindings";

/// Creates the objects; answers a pod of `web` that runs.
pub(super) fn create(plane: &Plane) -> Result<Value> {
    let admin = plane.client("admin")?;
    let small = json!({"aegis.dev/max-replicas": "6", "aegis.dev/max-step": "2"});
    for (name, annotations) in [
        ("shop", json!({})),
        ("hidden", json!({})),
        ("small", small),
        ("other", json!({})),
    ] {
        let metadata = json!({"name": name, "annotations": annotations});
        admin.create("/api/v1/namespaces", &json!({"metadata": metadata}))?;
    }
    for name in ["shop", "hidden", "small"] {
        plane.enable(name)?;
    }
    let unlabel = json!({"metadata": {"labels": {"aegis.dev/enabled": null}}});
    admin.patch("/api/v1/namespaces/hidden", &unlabel)?;
    for capability in ["restart-pod", "restart", "rollback"] {
        admin.delete(&format!("{ROLE_BINDINGS}/aegis-executor-{capability}"))?;
    }
    for path in [WEB, WILD, HIDDEN, SMALL, OTHER] {
        admin.create(parent(path), &workload("Deployment", path, path != WILD))?;
    }
    admin.create(
        parent(STORE),
        &unmarked(workload("StatefulSet", STORE, true)),
    )?;
    admin.create(parent(AGENT), &workload("DaemonSet", AGENT, true))?;
    let secret = json!({"metadata": {"name": "key"}, "stringData": {"key": "secret"}});
    admin.create("/api/v1/namespaces/shop/secrets", &secret)?;
    let spec =
        json!({"containers": [{"name": "app", "image": "registry.example.org:5000/shop/web:v2"}]});
    let bare = json!({"metadata": {"name": "bare"}, "spec": spec});
    admin.create("/api/v1/namespaces/shop/pods", &bare)?;
    running(&admin)
}

/// A binding of somebody of Aegis to all there is.
pub(super) fn cluster_admin(account: &str) -> Value {
    json!({
        "metadata": {"name": format!("too-wide-{account}")},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": "aegis"}],
    })
}

/// The collection of the object at that path.
pub(super) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(parent, _)| parent)
}

fn container() -> Value {
    json!({
        "name": "app", "image": "registry.example.org:5000/shop/web:v2",
        "env": [{"name": "MODE", "value": "fast"}],
        "securityContext": {"runAsNonRoot": true},
        "volumeMounts": [{"name": "scratch", "mountPath": "/tmp"}],
    })
}

fn workload(kind: &str, path: &str, managed: bool) -> Value {
    let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
    let labels = json!({"app": name});
    let mut object = json!({
        "apiVersion": "apps/v1", "kind": kind,
        "metadata": {"name": name, "labels": {}, "annotations": {
            "aegis.dev/decision-id": decision(1), "aegis.dev/fence": FENCE.to_string(),
            "aegis.dev/incident": decision(9),
        }},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {
                "containers": [container()],
                "volumes": [{"name": "scratch", "emptyDir": {}}],
            }},
        },
    });
    if managed {
        object["metadata"]["labels"]["aegis.dev/managed"] = "true".into();
    }
    if kind != "DaemonSet" {
        object["spec"]["replicas"] = 4.into();
    }
    if kind == "StatefulSet" {
        object["spec"]["serviceName"] = name.into();
    }
    object
}

fn unmarked(mut object: Value) -> Value {
    object["metadata"]["annotations"] = json!({});
    object
}

/// Waits for a pod of `web` that runs.
fn running(admin: &Client) -> Result<Value> {
    let end = Instant::now() + RUNNING;
    loop {
        let pods = admin.get("/api/v1/namespaces/shop/pods?labelSelector=app%3Dweb")?;
        let mut pods = pods["items"].as_array().into_iter().flatten();
        if let Some(pod) = pods.find(|pod| pod["status"]["phase"] == "Running") {
            return Ok(pod.clone());
        }
        if Instant::now() > end {
            bail!("no pod runs after {} s", RUNNING.as_secs());
        }
        std::thread::sleep(LOOK_EVERY);
    }
}
