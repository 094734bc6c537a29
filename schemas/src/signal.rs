//! What is known of objects, and what happened to them, from sources other than metrics.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Entity, EntityKind, Name, Severity, Timestamp};

/// One thing that a source says about one entity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Signal {
    /// The entity that it is about.
    pub entity: Entity,
    /// When the source saw it, on the source's clock. Cores decide by stream time, not by this.
    pub observed: Timestamp,
    /// Who says it, such as `kubernetes` or `provision`.
    pub source: String,
    /// What it says.
    pub body: SignalBody,
}

/// The kinds of signal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SignalBody {
    /// The first message of AEGIS_EVENTS.
    Genesis(Genesis),
    /// Time passes, and these sources live.
    Heartbeat(Heartbeat),
    /// All objects of some kinds are about to be said again, or have been.
    Sync(Sync),
    /// The state of a workload.
    Workload(WorkloadState),
    /// The state of a pod.
    Pod(PodState),
    /// The state of a node.
    Node(NodeState),
    /// The state of a namespace.
    Namespace(NamespaceState),
    /// The state of an autoscaler.
    Autoscaler(AutoscalerState),
    /// The state of a disruption budget.
    DisruptionBudget(DisruptionBudgetState),
    /// The object is gone.
    Gone(Gone),
    /// Somebody changed the object's specification, or a ConfigMap.
    Change(Change),
    /// A Kubernetes Event about the object.
    KubernetesEvent(KubernetesEvent),
    /// Whom the entity calls.
    Calls(Calls),
    /// How often each log template appeared.
    LogRates(LogRates),
    /// An alert of another system.
    Alert(Alert),
    /// A kind of a later version; readers pass over it.
    #[serde(other)]
    Unknown,
}

impl SignalBody {
    /// The token in the subject.
    #[must_use]
    pub const fn token(&self) -> &'static str {
        match self {
            Self::Genesis(_) => "genesis",
            Self::Heartbeat(_) => "heartbeat",
            Self::Sync(_) => "sync",
            Self::Workload(_) => "workload",
            Self::Pod(_) => "pod",
            Self::Node(_) => "node",
            Self::Namespace(_) => "namespace",
            Self::Autoscaler(_) => "autoscaler",
            Self::DisruptionBudget(_) => "disruption_budget",
            Self::Gone(_) => "gone",
            Self::Change(_) => "change",
            Self::KubernetesEvent(_) => "kubernetes_event",
            Self::Calls(_) => "calls",
            Self::LogRates(_) => "log_rates",
            Self::Alert(_) => "alert",
            Self::Unknown => "unknown",
        }
    }
}

/// The beginning of a stream: a new epoch raises every fence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Genesis {
    /// The stream's epoch, the top 16 bits of every fence.
    pub epoch: u16,
    /// The UID of the cluster that decisions are bound to, per cluster name.
    #[serde(default)]
    pub clusters: BTreeMap<String, String>,
}

/// Makes time pass on the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// ingest's own clock; far from the stream's time, nobody can be trusted about ages.
    pub clock: Timestamp,
    /// Each source and when it last delivered.
    #[serde(default)]
    pub sources: BTreeMap<String, Timestamp>,
    /// How full AEGIS_EVENTS is, from 0 to 1; near the end policy allows nothing.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub fill: f64,
}

/// Not written, so that the bytes of earlier versions stay what they were.
fn is_zero(fill: &f64) -> bool {
    *fill == 0.0
}

/// A boundary of a full statement of objects.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sync {
    /// Begin or end.
    pub phase: SyncPhase,
    /// Tells one round from another.
    pub round: u64,
    /// The kinds that the round covers: what was not said by its end is gone.
    pub kinds: Vec<EntityKind>,
}

/// Which boundary it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SyncPhase {
    /// The first object follows.
    Begin,
    /// All objects were said.
    End,
}

/// A Deployment, StatefulSet or DaemonSet.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WorkloadState {
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.generation`.
    pub generation: i64,
    /// `status.observedGeneration`.
    pub observed_generation: i64,
    /// `apiVersion` and kind, such as `apps/v1/Deployment`.
    pub gvk: String,
    /// `spec.replicas`.
    pub replicas: i32,
    /// `status.readyReplicas`.
    pub ready: i32,
    /// `status.updatedReplicas`.
    pub updated: i32,
    /// `status.availableReplicas`.
    pub available: i32,
    /// `status.replicas`.
    pub current: i32,
    /// `spec.paused`.
    pub paused: bool,
    /// Whether pods are replaced only when somebody deletes them.
    pub on_delete: bool,
    /// Whether the rollout exceeded its progress deadline.
    pub stalled: bool,
    /// The revision that the template is at.
    pub revision: i64,
    /// The revisions on record, by number.
    pub revisions: Vec<Revision>,
    /// The pod template's containers.
    pub containers: Vec<ContainerSpec>,
    /// `metadata.labels`, only `app.kubernetes.io/*` and `aegis.dev/*`.
    pub labels: BTreeMap<String, String>,
    /// `metadata.annotations`, only `aegis.dev/*`.
    pub annotations: BTreeMap<String, String>,
    /// Who else manages `spec.replicas` or the template, by field manager.
    pub managers: BTreeMap<String, String>,
    /// `metadata.deletionTimestamp` is set.
    pub deleting: bool,
}

/// A revision of a workload's template.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Revision {
    /// Its number.
    pub number: i64,
    /// `pod-template-hash` or `controller-revision-hash`.
    pub template_hash: String,
    /// The images of its containers.
    pub images: Vec<String>,
    /// When it was made.
    pub created: Timestamp,
    /// How many of its pods are ready.
    pub ready: i32,
}

/// A container of a template.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerSpec {
    /// Its name.
    pub name: String,
    /// Its image.
    pub image: String,
    /// CPU limit in thousandths of a core; 0 = none.
    pub cpu_limit_millis: i64,
    /// Memory limit in bytes; 0 = none.
    pub memory_limit_bytes: i64,
}

/// A pod.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PodState {
    /// `metadata.uid`.
    pub uid: String,
    /// The workload that it belongs to, through its ReplicaSet if it has one.
    pub workload: Option<Entity>,
    /// The node that it is bound to.
    pub node: Option<Name>,
    /// `status.phase`.
    pub phase: String,
    /// The condition Ready.
    pub ready: bool,
    /// Restarts of all its containers.
    pub restarts: i32,
    /// Why a container waits, such as `CrashLoopBackOff`.
    pub waiting: Option<String>,
    /// How a container last ended.
    pub terminated: Option<Terminated>,
    /// `metadata.creationTimestamp`.
    pub created: Timestamp,
    /// `pod-template-hash` or `controller-revision-hash`.
    pub template_hash: String,
    /// `metadata.deletionTimestamp` is set.
    pub deleting: bool,
    /// Why it cannot be scheduled.
    pub unschedulable: Option<String>,
}

/// How a container ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Terminated {
    /// `OOMKilled`, `Error`, `Completed`.
    pub reason: String,
    /// Exit code.
    pub exit_code: i32,
    /// When.
    pub at: Timestamp,
}

/// A node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeState {
    /// `metadata.uid`.
    pub uid: String,
    /// The condition Ready.
    pub ready: bool,
    /// `spec.unschedulable`.
    pub unschedulable: bool,
    /// Conditions that are a problem, such as `DiskPressure`.
    pub problems: Vec<String>,
}

/// A namespace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NamespaceState {
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.labels`, only `aegis.dev/*` and `kubernetes.io/metadata.name`.
    pub labels: BTreeMap<String, String>,
    /// `metadata.annotations`, only `aegis.dev/*`.
    pub annotations: BTreeMap<String, String>,
}

/// A HorizontalPodAutoscaler.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AutoscalerState {
    /// `metadata.uid`.
    pub uid: String,
    /// The workload whose replicas it owns.
    pub target: Option<Entity>,
    /// `spec.minReplicas`.
    pub min: i32,
    /// `spec.maxReplicas`.
    pub max: i32,
    /// `status.desiredReplicas`.
    pub desired: i32,
}

/// A PodDisruptionBudget.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DisruptionBudgetState {
    /// `metadata.uid`.
    pub uid: String,
    /// The workloads whose pods it selects, as far as known.
    pub workloads: Vec<Entity>,
    /// `status.disruptionsAllowed`.
    pub disruptions_allowed: i32,
}

/// An object that is no more.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Gone {
    /// Its last known UID.
    pub uid: String,
}

/// A change of a specification.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Change {
    /// What was changed: `template`, `replicas`, `configuration`, `limits`, `created`.
    pub what: String,
    /// The field manager that changed it; `aegis-executor` is Aegis itself.
    pub by: String,
    /// The generation after it.
    pub generation: i64,
    /// The revision after it, if the template changed.
    pub revision: i64,
    /// In words: what it was before.
    pub from: String,
    /// In words: what it is now.
    pub to: String,
}

/// A Kubernetes Event.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct KubernetesEvent {
    /// `Normal` or `Warning`.
    pub severity: String,
    /// Its reason, such as `BackOff`.
    pub reason: String,
    /// Its note, cut to 256 characters. Free text never decides.
    pub note: String,
    /// How often it was seen.
    pub count: i32,
    /// Who reports it.
    pub reporter: String,
}

/// The edges out of an entity in the call graph.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Calls {
    /// Whom it calls.
    pub callees: Vec<Entity>,
}

/// Log lines in one interval, by template and by level.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogRates {
    /// The interval's length in milliseconds.
    pub interval_ms: u64,
    /// Lines by template.
    pub templates: BTreeMap<String, u64>,
    /// Lines by level, such as `error` or `warn`, whatever their template. Not written when nobody counts
    /// them, so that the bytes of earlier versions stay what they were.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub levels: BTreeMap<String, u64>,
}

/// An alert of another system.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Alert {
    /// Identity: the same alert fires and resolves under it.
    pub fingerprint: String,
    /// Its name.
    pub name: String,
    /// Whether it fires.
    pub firing: bool,
    /// How bad it says it is.
    pub severity: Severity,
    /// In words. Free text never decides.
    pub summary: String,
}
