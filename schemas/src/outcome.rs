//! What the executor did with a decision.

use serde::{Deserialize, Serialize};

use crate::{Action, DecisionId, Digest, IncidentId, PreImage, Target};

/// What became of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutcomePhase {
    /// The API server accepted the write.
    Applied,
    /// It was refused; nothing was written.
    Refused,
    /// It was tried until it expired; nothing was written.
    Failed,
}

impl OutcomePhase {
    /// The token in the subject.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// Why the executor refused, in the order in which it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalCode {
    /// The envelope is larger than 16 KiB.
    TooLarge,
    /// Not an envelope, or not a warrant inside.
    Malformed,
    /// The key is unknown or the signature is wrong.
    BadMac,
    /// The payload's type is another.
    TypeMismatch,
    /// Meant for another executor.
    Audience,
    /// Not valid yet.
    NotYetValid,
    /// Not valid any more.
    Expired,
    /// The clock went back.
    ClockRegressed,
    /// Subject and body, or body and live object, name different things.
    TargetMismatch,
    /// The kill switch is on, or was when this was decided.
    Halted,
    /// This decision was carried out before.
    Replayed,
    /// A later decision about the same object was carried out before.
    Stale,
    /// The object is not the one, or not as, it was decided about.
    TargetChanged,
    /// More than the limits allow.
    OverLimit,
    /// The audit log is behind: no audit, no action.
    AuditUnhealthy,
    /// The API server's dry run refused.
    DryRunRefused,
    /// A disruption budget does not allow it.
    DisruptionBudget,
    /// The API server or the bus could not be reached until it expired.
    Unavailable,
}

impl RefusalCode {
    /// Every code.
    pub const ALL: [Self; 18] = [
        Self::TooLarge,
        Self::Malformed,
        Self::BadMac,
        Self::TypeMismatch,
        Self::Audience,
        Self::NotYetValid,
        Self::Expired,
        Self::ClockRegressed,
        Self::TargetMismatch,
        Self::Halted,
        Self::Replayed,
        Self::Stale,
        Self::TargetChanged,
        Self::OverLimit,
        Self::AuditUnhealthy,
        Self::DryRunRefused,
        Self::DisruptionBudget,
        Self::Unavailable,
    ];

    /// The code in `snake_case`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::Malformed => "malformed",
            Self::BadMac => "bad_mac",
            Self::TypeMismatch => "type_mismatch",
            Self::Audience => "audience",
            Self::NotYetValid => "not_yet_valid",
            Self::Expired => "expired",
            Self::ClockRegressed => "clock_regressed",
            Self::TargetMismatch => "target_mismatch",
            Self::Halted => "halted",
            Self::Replayed => "replayed",
            Self::Stale => "stale",
            Self::TargetChanged => "target_changed",
            Self::OverLimit => "over_limit",
            Self::AuditUnhealthy => "audit_unhealthy",
            Self::DryRunRefused => "dry_run_refused",
            Self::DisruptionBudget => "disruption_budget",
            Self::Unavailable => "unavailable",
        }
    }
}

impl std::fmt::Display for RefusalCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the executor says of one decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The decision; for bytes that are none, an id derived from the message.
    pub decision: DecisionId,
    /// The incident.
    #[serde(default)]
    pub incident: Option<IncidentId>,
    /// Applied, refused, failed.
    pub phase: OutcomePhase,
    /// Why not.
    #[serde(default)]
    pub code: Option<RefusalCode>,
    /// In words.
    pub message: String,
    /// What it was to do; none when the bytes could not be believed.
    #[serde(default)]
    pub action: Option<Action>,
    /// To what.
    #[serde(default)]
    pub target: Option<Target>,
    /// What was there before.
    #[serde(default)]
    pub pre_image: Option<PreImage>,
    /// `metadata.generation` after the write: what an undo is bound to.
    #[serde(default)]
    pub generation: i64,
    /// `metadata.resourceVersion` after the write.
    #[serde(default)]
    pub resource_version: String,
    /// The decision's fence.
    #[serde(default)]
    pub fence: u64,
    /// The AEGIS_EVENTS sequence of the decision.
    pub stream_seq: u64,
    /// The SHA-256 of the decision's bytes as received.
    pub envelope: Digest,
}
