//! The kinds of object that are watched.

use aegis_schemas::EntityKind;

/// A kind of object that is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKind {
    /// Namespaces.
    Namespace,
    /// Nodes.
    Node,
    /// Deployments.
    Deployment,
    /// StatefulSets.
    StatefulSet,
    /// DaemonSets.
    DaemonSet,
    /// ReplicaSets: the revisions of Deployments.
    ReplicaSet,
    /// ControllerRevisions: the revisions of StatefulSets and DaemonSets.
    ControllerRevision,
    /// Pods.
    Pod,
    /// HorizontalPodAutoscalers.
    HorizontalPodAutoscaler,
    /// PodDisruptionBudgets.
    PodDisruptionBudget,
    /// The metadata of ConfigMaps.
    ConfigMap,
    /// Events of the core API.
    Event,
}

impl ObjectKind {
    /// Every kind, in the order in which a simulation had best say them first.
    pub const ALL: [Self; 12] = [
        Self::Namespace,
        Self::Node,
        Self::Deployment,
        Self::StatefulSet,
        Self::DaemonSet,
        Self::ReplicaSet,
        Self::ControllerRevision,
        Self::Pod,
        Self::HorizontalPodAutoscaler,
        Self::PodDisruptionBudget,
        Self::ConfigMap,
        Self::Event,
    ];

    /// API group, version, kind and plural.
    #[must_use]
    pub const fn resource(self) -> (&'static str, &'static str, &'static str, &'static str) {
        match self {
            Self::Namespace => ("", "v1", "Namespace", "namespaces"),
            Self::Node => ("", "v1", "Node", "nodes"),
            Self::Deployment => ("apps", "v1", "Deployment", "deployments"),
            Self::StatefulSet => ("apps", "v1", "StatefulSet", "statefulsets"),
            Self::DaemonSet => ("apps", "v1", "DaemonSet", "daemonsets"),
            Self::ReplicaSet => ("apps", "v1", "ReplicaSet", "replicasets"),
            Self::ControllerRevision => ("apps", "v1", "ControllerRevision", "controllerrevisions"),
            Self::Pod => ("", "v1", "Pod", "pods"),
            Self::HorizontalPodAutoscaler => (
                "autoscaling",
                "v2",
                "HorizontalPodAutoscaler",
                "horizontalpodautoscalers",
            ),
            Self::PodDisruptionBudget => (
                "policy",
                "v1",
                "PodDisruptionBudget",
                "poddisruptionbudgets",
            ),
            Self::ConfigMap => ("", "v1", "ConfigMap", "configmaps"),
            Self::Event => ("", "v1", "Event", "events"),
        }
    }

    /// Whether pods cannot be mapped to workloads before it was listed.
    #[must_use]
    pub const fn is_needed(self) -> bool {
        matches!(
            self,
            Self::Namespace
                | Self::Node
                | Self::Deployment
                | Self::StatefulSet
                | Self::DaemonSet
                | Self::ReplicaSet
                | Self::Pod
        )
    }

    pub(super) const fn is_namespaced(self) -> bool {
        !matches!(self, Self::Namespace | Self::Node)
    }

    /// Whether its objects are said as states, again at every restatement.
    pub(super) const fn has_state(self) -> bool {
        !matches!(
            self,
            Self::ReplicaSet | Self::ControllerRevision | Self::ConfigMap | Self::Event
        )
    }

    /// The kind of the entity. Those that only tell of others stand for themselves as a ConfigMap:
    /// their entities are never said.
    pub(super) const fn entity_kind(self) -> EntityKind {
        match self {
            Self::Namespace => EntityKind::Namespace,
            Self::Node => EntityKind::Node,
            Self::Deployment => EntityKind::Deployment,
            Self::StatefulSet => EntityKind::StatefulSet,
            Self::DaemonSet => EntityKind::DaemonSet,
            Self::Pod => EntityKind::Pod,
            Self::HorizontalPodAutoscaler => EntityKind::HorizontalPodAutoscaler,
            Self::PodDisruptionBudget => EntityKind::PodDisruptionBudget,
            Self::ReplicaSet | Self::ControllerRevision | Self::ConfigMap | Self::Event => {
                EntityKind::ConfigMap
            }
        }
    }
}

/// The workload kind that an owner reference names.
pub(super) fn workload_kind(kind: &str) -> Option<EntityKind> {
    match kind {
        "Deployment" => Some(EntityKind::Deployment),
        "StatefulSet" => Some(EntityKind::StatefulSet),
        "DaemonSet" => Some(EntityKind::DaemonSet),
        "Job" => Some(EntityKind::Job),
        _ => None,
    }
}
