//! The objects of a scenario, as a person would apply them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::Error;
use crate::draw::hash;
use crate::rest::{self, Caller};
use crate::scenario::{Scenario, Workload, WorkloadKind};

/// Creates what is not there.
pub(super) async fn create(scenario: &Scenario, client: &Caller) -> Result<(), Error> {
    for name in ["kube-system", "aegis"] {
        rest::create(
            client,
            "/api/v1/namespaces",
            &namespace(name, &BTreeMap::new(), &BTreeMap::new()),
        )
        .await?;
    }
    for one in &scenario.namespaces {
        let body = namespace(&one.name, &one.labels, &one.annotations);
        rest::create(client, "/api/v1/namespaces", &body).await?;
    }
    for number in 1..=scenario.nodes {
        rest::create(client, "/api/v1/nodes", &node(number)).await?;
    }
    for one in &scenario.workloads {
        if !one.config.is_empty() {
            let maps = format!("/api/v1/namespaces/{}/configmaps", one.namespace);
            rest::create(client, &maps, &config_map(one, &one.config)).await?;
        }
        rest::create(
            client,
            &format!("{}?fieldManager=deployer", collection(one)),
            &workload(one),
        )
        .await?;
    }
    Ok(())
}

/// Where the objects of its kind are.
pub(super) fn collection(workload: &Workload) -> String {
    let kind = match workload.kind {
        WorkloadKind::Deployment => "deployments",
        WorkloadKind::StatefulSet => "statefulsets",
    };
    format!("/apis/apps/v1/namespaces/{}/{kind}", workload.namespace)
}

/// Variables as a container has them.
pub(super) fn env(variables: &BTreeMap<String, String>) -> Value {
    variables
        .iter()
        .map(|(name, value)| json!({"name": name, "value": value}))
        .collect()
}

/// A ConfigMap for that data. Its name tells its content, so that going back to an old template goes
/// back to its data.
pub(super) fn config_map(workload: &Workload, data: &BTreeMap<String, String>) -> Value {
    let mark = hash(&json!(data).to_string()) % 0x1_0000_0000;
    let name = format!("{}-{mark:08x}", workload.name);
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": workload.namespace, "labels": {"app": workload.name}},
        "data": data,
    })
}

fn namespace(
    name: &str,
    labels: &BTreeMap<String, String>,
    annotations: &BTreeMap<String, String>,
) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": name, "labels": labels, "annotations": annotations},
    })
}

fn node(number: u32) -> Value {
    let room = json!({"cpu": "64", "memory": "256Gi", "pods": "250"});
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": format!("node-{number}")},
        "status": {
            "capacity": room, "allocatable": room,
            "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
        },
    })
}

fn workload(workload: &Workload) -> Value {
    let app = json!({"app": workload.name});
    let resources = json!({"cpu": workload.cpu, "memory": workload.memory});
    let mut container = json!({
        "name": "app",
        "image": workload.image,
        "resources": {"limits": resources, "requests": resources},
    });
    if !workload.env.is_empty() {
        container["env"] = env(&workload.env);
    }
    if !workload.config.is_empty() {
        let name = config_map(workload, &workload.config)["metadata"]["name"].clone();
        container["envFrom"] = json!([{"configMapRef": {"name": name}}]);
    }
    let kind = match workload.kind {
        WorkloadKind::Deployment => "Deployment",
        WorkloadKind::StatefulSet => "StatefulSet",
    };
    let mut object = json!({
        "apiVersion": "apps/v1", "kind": kind,
        "metadata": {
            "name": workload.name, "namespace": workload.namespace,
            "labels": workload.labels, "annotations": workload.annotations,
        },
        "spec": {
            "replicas": workload.replicas,
            "selector": {"matchLabels": app},
            "template": {"metadata": {"labels": app}, "spec": {"containers": [container]}},
        },
    });
    object["metadata"]["labels"]["app"] = workload.name.clone().into();
    if workload.kind == WorkloadKind::StatefulSet {
        object["spec"]["serviceName"] = workload.name.clone().into();
    }
    object
}
