//! What an intruder with a token of Aegis would try: the roles refuse it, and of the executor's writes
//! admission does as well, whatever it is bound to.

use reqwest::Method;
use serde_json::{Value, json};

use super::case::{Case, EXECUTOR, INGEST};
use super::objects::{OTHER, WEB, cluster_admin, parent};
use super::{Bounds, Rights};

const SHOP: &str = "/api/v1/namespaces/shop";
const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";

pub(super) fn cases(bounds: &Bounds) -> Vec<Case> {
    let writes = |user, words: &'static str| {
        let cases = writes(bounds, user).into_iter();
        cases.map(move |case| case.refused(words))
    };
    match bounds.rights {
        // Admission does not see what is read, nor who is impersonated; and no policy is about policies.
        Rights::All => writes(EXECUTOR, "the executor has no such act").collect(),
        Rights::Deployed => {
            let mut cases = Vec::new();
            for user in [EXECUTOR, INGEST] {
                cases.extend(reads(user).map(|case| case.refused("cannot ")));
                cases.extend(writes(user, "cannot "));
                cases.push(unbind(user).refused("cannot delete resource"));
            }
            cases.push(elsewhere().refused("cannot patch resource"));
            cases
        }
    }
}

fn reads(user: &'static str) -> impl Iterator<Item = Case> {
    let read = move |tried, path: &str| Case::of(user, tried, Method::GET, path);
    [
        read("read a Secret", &format!("{SHOP}/secrets/key")),
        read(
            "list the Secrets of a namespace",
            &format!("{SHOP}/secrets"),
        ),
        read("list all Secrets", "/api/v1/secrets"),
        read("read a pod's log", &format!("{SHOP}/pods/bare/log")),
        read(
            "read who may do what",
            &format!("{RBAC}/clusterrolebindings"),
        ),
        read("ask a kubelet", "/api/v1/nodes/node-1/proxy/pods"),
        read("be an administrator", "/api/v1/namespaces").impersonating("admin"),
    ]
    .into_iter()
}

fn writes(bounds: &Bounds, user: &'static str) -> Vec<Case> {
    let (pod, ..) = bounds.pod();
    let connect = |tried, what: &str| {
        Case::of(user, tried, Method::POST, format!("{pod}/{what}")).connecting()
    };
    let mut cases = creations(user);
    cases.extend(changes(user, &pod));
    cases.extend([
        connect("run a program in a pod", "exec?command=sh&stdin=true"),
        connect("attach to a pod", "attach?stdin=true"),
        connect("reach a pod's ports", "portforward"),
    ]);
    cases
}

fn creations(user: &'static str) -> Vec<Case> {
    let create = |tried, path: &str, body| Case::of(user, tried, Method::POST, path).body(body);
    let spec = json!({"containers": [intruder()], "restartPolicy": "Always"});
    let pod = json!({"metadata": {"name": "x"}, "spec": spec});
    let deployment = json!({"metadata": {"name": "x"}, "spec": {
        "selector": {"matchLabels": {"app": "x"}},
        "template": {"metadata": {"labels": {"app": "x"}}, "spec": spec}}});
    let job = json!({"metadata": {"name": "x"}, "spec": {"template": {"spec": {
        "containers": [intruder()], "restartPolicy": "Never"}}}});
    let rules = json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]);
    let role = json!({"metadata": {"name": "x"}, "rules": rules});
    let secret = json!({"metadata": {"name": "x"}, "stringData": {"a": "b"}});
    let token =
        json!({"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "spec": {}});
    let tokens = format!("{SHOP}/serviceaccounts/default/token");
    let wide = cluster_admin(user);
    vec![
        create("create a pod", &format!("{SHOP}/pods"), pod),
        create("create a Deployment", parent(WEB), deployment),
        create("create a Job", "/apis/batch/v1/namespaces/shop/jobs", job),
        create("make a role", &format!("{RBAC}/clusterroles"), role),
        create("bind itself", &format!("{RBAC}/clusterrolebindings"), wide),
        create("write a Secret", &format!("{SHOP}/secrets"), secret),
        create("take another's token", &tokens, token),
    ]
}

fn changes(user: &'static str, pod: &str) -> Vec<Case> {
    let patch = |tried, path: &str, body| {
        let mut case = Case::of(user, tried, Method::PATCH, path).body(body);
        case.content_type = "application/merge-patch+json";
        case
    };
    let debug = json!({"spec": {"ephemeralContainers": [intruder()]}});
    let label = json!({"metadata": {"labels": {"aegis.dev/enabled": "true"}}});
    let cordon = json!({"spec": {"unschedulable": true}});
    let scale = json!({"spec": {"replicas": 5}});
    let status = json!({"status": {"replicas": 9}});
    vec![
        Case::of(user, "delete a Deployment", Method::DELETE, WEB).body(json!({})),
        patch("scale by the scale", &format!("{WEB}/scale"), scale),
        patch("write a status", &format!("{WEB}/status"), status),
        patch("debug a pod", &format!("{pod}/ephemeralcontainers"), debug),
        patch("change a pod", pod, label.clone()),
        patch("enable a namespace", "/api/v1/namespaces/other", label),
        patch("cordon a node", "/api/v1/nodes/node-1", cordon),
    ]
}

/// A container of somebody else.
fn intruder() -> Value {
    json!({"name": "x", "image": "evil.example.org/x"})
}

fn elsewhere() -> Case {
    Case::patch(
        "scale where nothing is bound",
        OTHER,
        super::acts::next(Vec::new()),
    )
}

fn unbind(user: &'static str) -> Case {
    let path = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings/aegis-executor-workloads";
    Case::of(user, "unbind a policy", Method::DELETE, path)
}
