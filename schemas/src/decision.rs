//! What policy says.

use serde::{Deserialize, Serialize};

use crate::{
    Action, ActionKind, Actor, Cluster, DecisionId, Digest, EventId, IncidentId, Mode, Scope,
    Target, Timestamp,
};

/// What policy decided. An allow is not here: it is a signed [`crate::signature::Envelope`] around a
/// [`crate::Warrant`], whose bytes the executor checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// A person must say yes first.
    Ask,
    /// No.
    Deny,
    /// Nothing safe is left to do: people must look.
    Escalate,
    /// Modes, freezes and the kill switch as they stand.
    Standing,
}

impl Verdict {
    /// The token in the subject.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ask => "ask",
            Self::Deny => "deny",
            Self::Escalate => "escalate",
            Self::Standing => "standing",
        }
    }
}

/// Why: a policy that decided, or a guard that spoke.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// The policy's `@id`.
    pub policy: String,
    /// In words, with the numbers of this case.
    pub text: String,
}

/// An act that waits for a yes, bound by its digest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Proposal {
    /// The digest of UID, generation, action, absolute parameters and policy digest.
    pub digest: Digest,
    /// What.
    pub action: Action,
    /// To what.
    pub target: Target,
    /// Until when a yes counts; then it is denied.
    pub expires: Timestamp,
}

/// What stands until somebody says otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StandingOrders {
    /// Modes by scope.
    pub modes: Vec<(Scope, Mode)>,
    /// Freezes by scope, with their ends.
    pub freezes: Vec<(Scope, Timestamp)>,
    /// Clusters whose kill switch is on.
    pub halted: Vec<Cluster>,
}

/// A decision that allows nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// The decision.
    pub decision: DecisionId,
    /// What was decided.
    pub verdict: Verdict,
    /// The event that it answers: an incident, a command, an assessment.
    pub cause: EventId,
    /// The incident that it is about.
    #[serde(default)]
    pub incident: Option<IncidentId>,
    /// On whose behalf.
    pub actor: Actor,
    /// The action that was considered.
    #[serde(default)]
    pub action: Option<ActionKind>,
    /// The act that was considered; for an ask, what a yes would allow.
    #[serde(default)]
    pub proposal: Option<Proposal>,
    /// Why.
    pub reasons: Vec<Reason>,
    /// The smallest change that would turn it.
    #[serde(default)]
    pub flip: Option<String>,
    /// Whether it would have been allowed, were the mode `act`.
    #[serde(default)]
    pub would_allow: bool,
    /// The digest of the policy set.
    pub policy: Digest,
    /// For [`Verdict::Standing`].
    #[serde(default)]
    pub standing: Option<StandingOrders>,
}
