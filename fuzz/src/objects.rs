//! Objects of Kubernetes.

use aegis_ingest::{Catalogue, ObjectKind};
use aegis_schemas::{Cluster, Event, Signal};
use serde_json::{Value, json};

use super::bus::NOW;
use super::wire::steady;

/// An object that appears, is said again and goes: the first byte chooses its kind, the others are its
/// JSON.
pub fn objects(data: &[u8]) {
    let Some((&choice, json)) = data.split_first() else {
        return;
    };
    let kind = ObjectKind::ALL[usize::from(choice) % ObjectKind::ALL.len()];
    let Ok(object) = serde_json::from_slice::<Value>(json) else {
        return;
    };
    let mut catalogue = running();
    let mut said = catalogue.applied(kind, &object, NOW);
    said.extend(catalogue.applied(kind, &object, NOW));
    said.extend(catalogue.restate(NOW, 1));
    said.extend(catalogue.deleted(kind, &object, NOW));
    said.iter().for_each(sayable);
}

fn sayable(signal: &Signal) {
    steady(&Event::Signal(signal.clone()));
}

/// A cluster with a Deployment `cart` in `shop`, its pod and node, everything listed.
pub fn running() -> Catalogue {
    let mut catalogue = Catalogue::new(Cluster::parse("demo").expect("a valid name"));
    for kind in ObjectKind::ALL {
        catalogue.listed(kind, &there(kind), NOW);
    }
    catalogue
}

fn there(kind: ObjectKind) -> Vec<Value> {
    let owner = |kind: &str, name: &str| json!([{"kind": kind, "name": name, "controller": true}]);
    let object = match kind {
        ObjectKind::Namespace => json!({"metadata": {"name": "shop", "uid": "u1"}}),
        ObjectKind::Node => json!({"metadata": {"name": "n1", "uid": "u2"}}),
        ObjectKind::Deployment => json!({
            "metadata": {"name": "cart", "namespace": "shop", "uid": "u3", "generation": 3},
            "spec": {"replicas": 1}
        }),
        ObjectKind::ReplicaSet => json!({
            "metadata": {
                "name": "cart-7d9c", "namespace": "shop", "uid": "u4",
                "ownerReferences": owner("Deployment", "cart")
            }
        }),
        ObjectKind::Pod => json!({
            "metadata": {
                "name": "cart-7d9c-a", "namespace": "shop", "uid": "u5",
                "ownerReferences": owner("ReplicaSet", "cart-7d9c")
            },
            "spec": {"nodeName": "n1"}
        }),
        _ => return Vec::new(),
    };
    vec![object]
}
