//! What no rollback may change of a template.

use serde_json::{Value, json};

use super::acts::{add, next};
use super::case::Case;
use super::objects::WEB;

pub(super) fn cases() -> Vec<Case> {
    let change = |tried, path: &str, value: Value, words| {
        let path = format!("/spec/template/{path}");
        Case::patch(tried, WEB, next(vec![add(&path, value)])).refused(words)
    };
    let app = |tried, field: &str, value, words| {
        change(tried, &format!("spec/containers/0/{field}"), value, words)
    };
    let image = "the containers or the repository of an image";
    let container = "the security context, the mounts or another field of a container";
    let access = "takes another Secret or a port of the host";
    let pods = "a rollback changes";
    let sidecar = json!({"name": "more", "image": "registry.example.org:5000/shop/web:v2"});
    let secret =
        json!({"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "key", "key": "key"}}});
    let host_port = json!([{"containerPort": 80, "hostPort": 80}]);
    let host_path = json!({"name": "host", "hostPath": {"path": "/"}});
    vec![
        app(
            "an image of another registry",
            "image",
            json!("evil.example.org/shop/web:v2"),
            image,
        ),
        app(
            "an image of another repository",
            "image",
            json!("registry.example.org:5000/shop/evil:v2"),
            image,
        ),
        app(
            "an image without its registry",
            "image",
            json!("shop/web:v2"),
            image,
        ),
        app(
            "an image of a longer repository",
            "image",
            json!("registry.example.org:5000/shop/web/x:v2"),
            image,
        ),
        change(
            "one more container",
            "spec/containers/-",
            sidecar.clone(),
            image,
        ),
        change(
            "a container before the others",
            "spec/initContainers",
            json!([sidecar]),
            image,
        ),
        change(
            "another service account",
            "spec/serviceAccountName",
            json!("admin"),
            pods,
        ),
        change("one more volume", "spec/volumes/-", host_path, pods),
        change(
            "the pods' security context",
            "spec/securityContext",
            json!({"runAsUser": 0}),
            pods,
        ),
        change("the host's network", "spec/hostNetwork", json!(true), pods),
        change("the host's processes", "spec/hostPID", json!(true), pods),
        change("a node by its name", "spec/nodeName", json!("node-1"), pods),
        change(
            "any node",
            "spec/tolerations",
            json!([{"operator": "Exists"}]),
            pods,
        ),
        app(
            "a container's security context",
            "securityContext",
            json!({"runAsUser": 0}),
            container,
        ),
        app(
            "another mount",
            "volumeMounts/0/mountPath",
            json!("/etc"),
            container,
        ),
        app("a Secret as a variable", "env/-", secret, access),
        app(
            "a Secret as all variables",
            "envFrom",
            json!([{"secretRef": {"name": "key"}}]),
            access,
        ),
        app("a port of the host", "ports", host_port, access),
    ]
}
