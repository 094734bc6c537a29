//! Nodes, namespaces and autoscalers.

use aegis_schemas::signal::{AutoscalerState, NamespaceState, NodeState};
use aegis_schemas::{Cluster, Entity, Name, Namespace, SignalBody};
use serde_json::Value;

use super::kind::workload_kind;
use super::object::{Object, is_ours};

pub(super) fn node(object: Object<'_>) -> SignalBody {
    let problems = object
        .list("/status/conditions")
        .iter()
        .map(Object)
        .filter(|condition| condition.text("/type") != "Ready")
        .filter(|condition| condition.text("/status") == "True")
        .map(|condition| condition.text("/type").to_owned())
        .collect();
    SignalBody::Node(NodeState {
        uid: object.uid(),
        ready: object.is_true("Ready"),
        unschedulable: object.flag("/spec/unschedulable"),
        problems,
    })
}

pub(super) fn namespace(object: Object<'_>) -> SignalBody {
    SignalBody::Namespace(NamespaceState {
        uid: object.uid(),
        labels: object.texts("/metadata/labels", |key| {
            is_ours(key) || key == "kubernetes.io/metadata.name"
        }),
        annotations: object.texts("/metadata/annotations", is_ours),
    })
}

pub(super) fn autoscaler(cluster: &Cluster, object: Object<'_>) -> SignalBody {
    let target = || {
        Some(Entity::namespaced(
            cluster.clone(),
            Namespace::parse(object.namespace()).ok()?,
            workload_kind(object.text("/spec/scaleTargetRef/kind"))?,
            Name::parse(object.text("/spec/scaleTargetRef/name")).ok()?,
        ))
    };
    SignalBody::Autoscaler(AutoscalerState {
        uid: object.uid(),
        target: target(),
        // Unset means one.
        min: object
            .at("/spec/minReplicas")
            .and_then(Value::as_i64)
            .map_or(1, |min| i32::try_from(min).unwrap_or(1)),
        max: object.int("/spec/maxReplicas"),
        desired: object.int("/status/desiredReplicas"),
    })
}
