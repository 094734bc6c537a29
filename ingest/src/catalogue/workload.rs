//! Deployments, StatefulSets and DaemonSets.

use std::collections::{BTreeMap, BTreeSet};

use aegis_schemas::signal::{ContainerSpec, Revision, WorkloadState};
use serde_json::Value;

use super::kind::ObjectKind;
use super::object::{Object, is_ours};
use super::{manager, quantity};

/// What is remembered of a workload.
#[derive(Clone, Debug)]
pub(super) struct Workload {
    /// Its state, but for what its revisions say.
    pub(super) state: WorkloadState,
    /// `spec.template`, to see what changes in it.
    pub(super) template: Value,
    /// The labels that its pods get.
    pub(super) pod_labels: BTreeMap<String, String>,
    /// The ConfigMaps that its template names.
    pub(super) config_maps: BTreeSet<String>,
    /// The name of a StatefulSet's newest ControllerRevision.
    update_revision: String,
}

impl Workload {
    pub(super) fn read(kind: ObjectKind, object: Object<'_>) -> Self {
        let template = object.at("/spec/template").cloned().unwrap_or(Value::Null);
        let pod = Object(&template);
        let state = WorkloadState {
            uid: object.uid(),
            generation: object.long("/metadata/generation"),
            observed_generation: object.long("/status/observedGeneration"),
            paused: object.flag("/spec/paused"),
            on_delete: object.text("/spec/updateStrategy/type") == "OnDelete",
            stalled: object
                .condition("Progressing")
                .is_some_and(|condition| condition.text("/reason") == "ProgressDeadlineExceeded"),
            revision: object
                .annotation("deployment.kubernetes.io/revision")
                .and_then(|text| text.parse().ok())
                .unwrap_or(0),
            containers: pod.list("/spec/containers").iter().map(container).collect(),
            labels: object.texts("/metadata/labels", |key| {
                is_ours(key) || key.starts_with("app.kubernetes.io/")
            }),
            annotations: object.texts("/metadata/annotations", is_ours),
            managers: manager::others(object),
            deleting: object.deleting(),
            ..counts(kind, object)
        };
        Self {
            state,
            pod_labels: pod.texts("/metadata/labels", |_| true),
            config_maps: config_maps(pod),
            update_revision: object.text("/status/updateRevision").to_owned(),
            template,
        }
    }

    /// The revision that the template is at.
    pub(super) fn revision(&self, revisions: &[Revision]) -> i64 {
        if self.state.revision != 0 {
            return self.state.revision;
        }
        let named = revisions
            .iter()
            .find(|revision| revision.template_hash == self.update_revision);
        named
            .or_else(|| revisions.last())
            .map_or(0, |revision| revision.number)
    }
}

fn counts(kind: ObjectKind, object: Object<'_>) -> WorkloadState {
    if kind == ObjectKind::DaemonSet {
        return WorkloadState {
            gvk: "apps/v1/DaemonSet".to_owned(),
            replicas: object.int("/status/desiredNumberScheduled"),
            ready: object.int("/status/numberReady"),
            updated: object.int("/status/updatedNumberScheduled"),
            available: object.int("/status/numberAvailable"),
            current: object.int("/status/currentNumberScheduled"),
            ..WorkloadState::default()
        };
    }
    let (_, _, name, _) = kind.resource();
    WorkloadState {
        gvk: format!("apps/v1/{name}"),
        // Unset means one.
        replicas: object
            .at("/spec/replicas")
            .and_then(Value::as_i64)
            .map_or(1, |replicas| i32::try_from(replicas).unwrap_or(i32::MAX)),
        ready: object.int("/status/readyReplicas"),
        updated: object.int("/status/updatedReplicas"),
        available: object.int("/status/availableReplicas"),
        current: object.int("/status/replicas"),
        ..WorkloadState::default()
    }
}

fn container(container: &Value) -> ContainerSpec {
    let container = Object(container);
    ContainerSpec {
        name: container.text("/name").to_owned(),
        image: container.text("/image").to_owned(),
        cpu_limit_millis: quantity::millis(container.at("/resources/limits/cpu")),
        memory_limit_bytes: quantity::units(container.at("/resources/limits/memory")),
    }
}

/// The images of a template's containers.
pub(super) fn images(template: Object<'_>) -> Vec<String> {
    template
        .list("/spec/containers")
        .iter()
        .map(|container| Object(container).text("/image").to_owned())
        .collect()
}

fn config_maps(pod: Object<'_>) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut add = |name: &str| {
        if !name.is_empty() {
            names.insert(name.to_owned());
        }
    };
    for volume in pod.list("/spec/volumes").iter().map(Object) {
        add(volume.text("/configMap/name"));
        for source in volume.list("/projected/sources").iter().map(Object) {
            add(source.text("/configMap/name"));
        }
    }
    let containers = pod.list("/spec/containers").iter();
    for container in containers
        .chain(pod.list("/spec/initContainers"))
        .map(Object)
    {
        for from in container.list("/envFrom").iter().map(Object) {
            add(from.text("/configMapRef/name"));
        }
        for variable in container.list("/env").iter().map(Object) {
            add(variable.text("/valueFrom/configMapKeyRef/name"));
        }
    }
    names
}
