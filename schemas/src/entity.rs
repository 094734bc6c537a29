//! The things that can be sick.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Cluster, InvalidName, Name, Namespace};

/// What kind of object an entity is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntityKind {
    /// `apps/v1` Deployment.
    Deployment,
    /// `apps/v1` StatefulSet.
    StatefulSet,
    /// `apps/v1` DaemonSet.
    DaemonSet,
    /// `batch/v1` Job.
    Job,
    /// A pod.
    Pod,
    /// A node.
    Node,
    /// A namespace.
    Namespace,
    /// A service that no workload is known for.
    Service,
    /// A ConfigMap (its metadata only).
    ConfigMap,
    /// A HorizontalPodAutoscaler.
    HorizontalPodAutoscaler,
    /// A PodDisruptionBudget.
    PodDisruptionBudget,
    /// The cluster as a whole.
    Cluster,
}

impl EntityKind {
    /// Every kind.
    pub const ALL: [Self; 12] = [
        Self::Deployment,
        Self::StatefulSet,
        Self::DaemonSet,
        Self::Job,
        Self::Pod,
        Self::Node,
        Self::Namespace,
        Self::Service,
        Self::ConfigMap,
        Self::HorizontalPodAutoscaler,
        Self::PodDisruptionBudget,
        Self::Cluster,
    ];

    /// The kind as Kubernetes writes it, in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deployment => "deployment",
            Self::StatefulSet => "statefulset",
            Self::DaemonSet => "daemonset",
            Self::Job => "job",
            Self::Pod => "pod",
            Self::Node => "node",
            Self::Namespace => "namespace",
            Self::Service => "service",
            Self::ConfigMap => "configmap",
            Self::HorizontalPodAutoscaler => "horizontalpodautoscaler",
            Self::PodDisruptionBudget => "poddisruptionbudget",
            Self::Cluster => "cluster",
        }
    }

    /// Whether pods are made by it: what metrics are grouped by and what acts are aimed at.
    #[must_use]
    pub const fn is_workload(self) -> bool {
        matches!(
            self,
            Self::Deployment | Self::StatefulSet | Self::DaemonSet | Self::Job | Self::Service
        )
    }
}

impl fmt::Display for EntityKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One object of one cluster: `cluster/namespace/kind/name`, `cluster/kind/name` when it has no namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Entity {
    /// The cluster that it lives in.
    pub cluster: Cluster,
    /// Its namespace; none for nodes and the cluster itself.
    #[serde(default)]
    pub namespace: Option<Namespace>,
    /// Its kind.
    pub kind: EntityKind,
    /// Its name.
    pub name: Name,
}

impl Entity {
    /// An object in a namespace.
    #[must_use]
    pub const fn namespaced(
        cluster: Cluster,
        namespace: Namespace,
        kind: EntityKind,
        name: Name,
    ) -> Self {
        Self {
            cluster,
            namespace: Some(namespace),
            kind,
            name,
        }
    }

    /// An object without a namespace.
    #[must_use]
    pub const fn cluster_scoped(cluster: Cluster, kind: EntityKind, name: Name) -> Self {
        Self {
            cluster,
            namespace: None,
            kind,
            name,
        }
    }

    /// `kind/name`, as people say it within a namespace.
    #[must_use]
    pub fn short(&self) -> String {
        format!("{}/{}", self.kind, self.name)
    }
}

impl fmt::Display for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/", self.cluster)?;
        if let Some(namespace) = &self.namespace {
            write!(f, "{namespace}/")?;
        }
        write!(f, "{}/{}", self.kind, self.name)
    }
}

/// Text that is not an entity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEntity {
    /// A part is not a valid name.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// Not of the form that [`Entity`] displays.
    #[error(
        "`{0}` is not an entity: expected `cluster/namespace/kind/name` or `cluster/kind/name`"
    )]
    Form(String),
}

impl FromStr for Entity {
    type Err = InvalidEntity;

    fn from_str(text: &str) -> Result<Self, InvalidEntity> {
        let form = || InvalidEntity::Form(text.chars().take(80).collect());
        let kind = |raw: &str| {
            EntityKind::ALL
                .into_iter()
                .find(|kind| kind.as_str() == raw)
                .ok_or_else(form)
        };
        match *text.split('/').collect::<Vec<_>>().as_slice() {
            [cluster, namespace, kind_name, name] => Ok(Self::namespaced(
                Cluster::parse(cluster)?,
                Namespace::parse(namespace)?,
                kind(kind_name)?,
                Name::parse(name)?,
            )),
            [cluster, kind_name, name] => Ok(Self::cluster_scoped(
                Cluster::parse(cluster)?,
                kind(kind_name)?,
                Name::parse(name)?,
            )),
            _ => Err(form()),
        }
    }
}
