//! Which resources the server knows.

/// What is stored together; the two event APIs share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Namespace,
    Node,
    Pod,
    Service,
    ConfigMap,
    Event,
    Deployment,
    ReplicaSet,
    StatefulSet,
    DaemonSet,
    ControllerRevision,
    PodDisruptionBudget,
    HorizontalPodAutoscaler,
    Lease,
}

/// One served resource.
#[derive(Debug, PartialEq)]
pub(crate) struct Resource {
    pub(crate) group: &'static str,
    pub(crate) version: &'static str,
    pub(crate) plural: &'static str,
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) namespaced: bool,
    pub(crate) subresources: &'static [&'static str],
    /// Whether `metadata.generation` counts changes of the spec.
    pub(crate) generation: bool,
}

const NONE: &[&str] = &[];
const STATUS: &[&str] = &["status"];
const SCALED: &[&str] = &["status", "scale"];

const fn resource(
    api: (&'static str, &'static str),
    plural: &'static str,
    name: &'static str,
    kind: Kind,
    namespaced: bool,
    subresources: &'static [&'static str],
    generation: bool,
) -> Resource {
    Resource {
        group: api.0,
        version: api.1,
        plural,
        name,
        kind,
        namespaced,
        subresources,
        generation,
    }
}

const CORE: (&str, &str) = ("", "v1");
const APPS: (&str, &str) = ("apps", "v1");

/// Every resource. The first of a kind is the one that is stored.
#[rustfmt::skip]
pub(crate) static RESOURCES: [Resource; 15] = [
    resource(CORE, "namespaces", "Namespace", Kind::Namespace, false, &["status", "finalize"], false),
    resource(CORE, "nodes", "Node", Kind::Node, false, STATUS, false),
    resource(CORE, "pods", "Pod", Kind::Pod, true, &["status", "eviction"], false),
    resource(CORE, "services", "Service", Kind::Service, true, STATUS, false),
    resource(CORE, "configmaps", "ConfigMap", Kind::ConfigMap, true, NONE, false),
    resource(CORE, "events", "Event", Kind::Event, true, NONE, false),
    resource(("events.k8s.io", "v1"), "events", "Event", Kind::Event, true, NONE, false),
    resource(APPS, "deployments", "Deployment", Kind::Deployment, true, SCALED, true),
    resource(APPS, "replicasets", "ReplicaSet", Kind::ReplicaSet, true, SCALED, true),
    resource(APPS, "statefulsets", "StatefulSet", Kind::StatefulSet, true, SCALED, true),
    resource(APPS, "daemonsets", "DaemonSet", Kind::DaemonSet, true, STATUS, true),
    resource(APPS, "controllerrevisions", "ControllerRevision", Kind::ControllerRevision, true, NONE, false),
    resource(("policy", "v1"), "poddisruptionbudgets", "PodDisruptionBudget", Kind::PodDisruptionBudget, true, STATUS, true),
    resource(("autoscaling", "v2"), "horizontalpodautoscalers", "HorizontalPodAutoscaler", Kind::HorizontalPodAutoscaler, true, STATUS, false),
    resource(("coordination.k8s.io", "v1"), "leases", "Lease", Kind::Lease, true, NONE, false),
];

impl Resource {
    pub(crate) fn find(group: &str, version: &str, plural: &str) -> Option<&'static Self> {
        RESOURCES.iter().find(|resource| {
            resource.group == group && resource.version == version && resource.plural == plural
        })
    }

    /// `apps/v1`, or `v1` for the core group.
    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// `deployments.apps`, as error messages say it.
    pub(crate) fn qualified(&self) -> String {
        dotted(self.plural, self.group)
    }

    /// `Deployment.apps`, as validation messages say it.
    pub(crate) fn qualified_kind(&self) -> String {
        dotted(self.name, self.group)
    }

    pub(crate) fn has(&self, subresource: &str) -> bool {
        self.subresources.contains(&subresource)
    }

    /// Whether reads and writes of the main resource leave `.status` alone.
    pub(crate) fn has_status(&self) -> bool {
        self.has("status")
    }
}

fn dotted(name: &str, group: &str) -> String {
    if group.is_empty() {
        name.to_owned()
    } else {
        format!("{name}.{group}")
    }
}

impl Kind {
    /// The resource under which this kind is stored.
    pub(crate) fn resource(self) -> &'static Resource {
        RESOURCES
            .iter()
            .find(|resource| resource.kind == self)
            .expect("every kind has a line in RESOURCES")
    }

    /// The kind named by an owner reference.
    pub(crate) fn named(name: &str) -> Option<Self> {
        RESOURCES
            .iter()
            .find(|resource| resource.name == name)
            .map(|resource| resource.kind)
    }

    /// Whether a change of this kind can give the controllers work.
    pub(crate) fn is_reconciled(self) -> bool {
        !matches!(
            self,
            Self::Event | Self::Lease | Self::ConfigMap | Self::HorizontalPodAutoscaler
        )
    }
}
