//! What is wrong, since when, how wide, why, and what could be done.

use serde::{Deserialize, Serialize};

use crate::{Action, Blast, Entity, EventId, IncidentId, Target, Timestamp};

/// How bad it is.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth a note.
    Info,
    /// Degraded, or about to be.
    #[default]
    Warning,
    /// Users notice.
    Error,
    /// Users are not served.
    Critical,
}

impl Severity {
    /// The severity in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }
}

impl std::fmt::Display for Severity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The failure's name.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// Not one that is known.
    #[default]
    Unknown,
    /// Not enough CPU for the load.
    CpuSaturation,
    /// Memory rises to the limit.
    MemoryLeak,
    /// The memory limit is below what the workload needs.
    OomLimitTooLow,
    /// A container ends again and again.
    CrashLoop,
    /// A new revision does not work.
    BadRollout,
    /// An image cannot be pulled.
    ImagePull,
    /// What it depends on is slow.
    DependencyLatency,
    /// Answers are errors.
    ErrorSpike,
    /// More requests than usual.
    LoadSpike,
    /// Fewer requests than usual.
    TrafficDrop,
    /// No replicas, but traffic.
    ScaledToZero,
    /// Answers are slow, and nothing else tells why.
    Latency,
    /// A node is not ready.
    NodeNotReady,
    /// Packets are lost on the way to it or from it.
    NetworkLoss,
    /// What it writes fills its node's disk, or it was evicted because of that.
    DiskPressure,
}

impl FailureKind {
    /// The kind in `snake_case`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::CpuSaturation => "cpu_saturation",
            Self::MemoryLeak => "memory_leak",
            Self::OomLimitTooLow => "oom_limit_too_low",
            Self::CrashLoop => "crash_loop",
            Self::BadRollout => "bad_rollout",
            Self::ImagePull => "image_pull",
            Self::DependencyLatency => "dependency_latency",
            Self::ErrorSpike => "error_spike",
            Self::LoadSpike => "load_spike",
            Self::TrafficDrop => "traffic_drop",
            Self::ScaledToZero => "scaled_to_zero",
            Self::Latency => "latency",
            Self::NodeNotReady => "node_not_ready",
            Self::NetworkLoss => "network_loss",
            Self::DiskPressure => "disk_pressure",
        }
    }
}

impl std::fmt::Display for FailureKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a piece of evidence comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceSource {
    /// An anomaly.
    Metrics,
    /// The state of an object.
    ObjectState,
    /// A change.
    Change,
    /// An alert of another system.
    Alert,
}

/// One reason to believe that something is wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The event that it rests on.
    pub event: EventId,
    /// Where it comes from.
    pub source: EvidenceSource,
    /// Whom it is about.
    pub entity: Entity,
    /// When it was last seen, stream time.
    pub at: Timestamp,
    /// In words, with numbers.
    pub text: String,
}

/// What kind of cause it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CauseKind {
    /// Somebody changed the entity shortly before.
    RecentChange,
    /// A resource of it ran out.
    ExhaustedResource,
    /// Something that it depends on is sick.
    Upstream,
    /// One replica's own state.
    ReplicaState,
    /// More load than it can carry.
    Load,
    /// The entity itself, nothing more is known.
    Itself,
}

/// A cause, with why it is believed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cause {
    /// Where it lies.
    pub entity: Entity,
    /// What kind it is.
    pub kind: CauseKind,
    /// How sure, in thousandths.
    pub confidence: u16,
    /// In words: why.
    pub because: Vec<String>,
}

/// An act that would help.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recommendation {
    /// What to do.
    pub action: Action,
    /// To what.
    pub target: Target,
    /// How sure, in thousandths.
    pub confidence: u16,
    /// What it may take down at once.
    #[serde(default)]
    pub blast: Blast,
    /// In words: why this.
    pub because: Vec<String>,
    /// Why the executor or policy should refuse it, as far as the detector can tell: it owns an
    /// HPA, has no healthy revision. Empty when nothing speaks against it.
    #[serde(default)]
    pub against: Vec<String>,
}

/// By what an affected entity is led to the root of its incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupedBy {
    /// It calls what is sick.
    Calls,
    /// Its pods are on the sick node.
    Node,
    /// A sick caller sends it more requests than usual, or fewer.
    Load,
    /// It was sick with the root before, and has not recovered.
    Before,
    /// A person merged it.
    Person,
}

/// Why an affected entity belongs to its incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Grouped {
    /// The entity.
    pub entity: Entity,
    /// By what.
    pub by: GroupedBy,
    /// In words, the whole way to the root and which of the two was sick first.
    pub because: String,
}

/// Where in its life an incident is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentPhase {
    /// New.
    Opened,
    /// It lasts, and this is what is known now.
    Updated,
    /// Over.
    Resolved,
}

/// A group of evidence with one cause.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// The incident.
    pub incident: IncidentId,
    /// Opened, updated, resolved.
    pub phase: IncidentPhase,
    /// The entity that is most likely the root.
    pub entity: Entity,
    /// How bad, with all that belongs to it.
    pub severity: Severity,
    /// The failure's name.
    pub kind: FailureKind,
    /// How sure of the name, in thousandths.
    pub confidence: u16,
    /// When it was opened, stream time.
    pub opened: Timestamp,
    /// The time of its newest evidence: policy does not act on old evidence.
    pub newest_evidence: Timestamp,
    /// All entities that are sick with it.
    pub affected: Vec<Entity>,
    /// Why we think so, newest first.
    pub evidence: Vec<Evidence>,
    /// Ranked, most likely first.
    pub causes: Vec<Cause>,
    /// Ranked, best first.
    pub recommendations: Vec<Recommendation>,
    /// In one sentence.
    pub summary: String,
    /// Why the affected entities beside the root belong to it; empty when there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grouped: Vec<Grouped>,
    /// How bad it is without what a person merged into it, if that is less: what its acts are judged by,
    /// since a merge opens none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_severity: Option<Severity>,
}
