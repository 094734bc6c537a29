//! The signed body of an allowed decision: exactly one effect.

use serde::{Deserialize, Serialize};

use crate::{
    Action, Actor, Blast, DecisionId, Digest, EventId, IncidentId, Reason, Timestamp, codec,
};

/// The object that a warrant is bound to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WarrantTarget {
    /// The UID of the cluster (of its `kube-system` namespace).
    pub cluster_uid: String,
    /// The cluster, the object and its workload by name; the executor compares all of it.
    pub object: crate::Target,
}

/// Who said yes, to what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// Who.
    pub by: String,
    /// The proposal's digest.
    pub proposal: Digest,
    /// The command that said it.
    pub command: EventId,
}

/// A permission for one act. All of it follows from the log, so a replay gives the same bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Warrant {
    /// The version of this body; a new field raises it.
    pub v: u16,
    /// The decision.
    pub decision_id: DecisionId,
    /// A keyed hash of the cause's id, so that no two warrants are alike.
    pub nonce: Digest,
    /// `policy/<cluster>`.
    pub issuer: String,
    /// `aegis-executor/<cluster-uid>`.
    pub audience: String,
    /// The key that it is signed with.
    pub kid: String,
    /// The algorithm, bound to the key.
    pub alg: String,
    /// Stream time of the cause.
    pub iat: Timestamp,
    /// Not before.
    pub nbf: Timestamp,
    /// Not after; at most 120 s after `iat`.
    pub exp: Timestamp,
    /// The event that it answers.
    pub cause: EventId,
    /// The incident that it is for.
    pub incident: Option<IncidentId>,
    /// The decision whose act this one takes back.
    pub undo_of: Option<DecisionId>,
    /// On whose behalf.
    pub actor: Actor,
    /// The digest of the policy set that allowed it.
    pub policy_hash: Digest,
    /// What it may be done to.
    pub target: WarrantTarget,
    /// What may be done, with absolute parameters.
    pub action: Action,
    /// Stream epoch << 48 | AEGIS_EVENTS sequence of the cause, so it rises.
    pub fence: u64,
    /// What it may take down at once.
    pub max_blast: Blast,
    /// Who said yes.
    pub approvals: Vec<Approval>,
    /// Why it is allowed.
    pub reasons: Vec<Reason>,
}

impl Warrant {
    /// The version that this code writes and reads.
    pub const VERSION: u16 = 1;

    /// Reads a payload strictly: besides unknown fields it refuses every encoding but the one that
    /// this code writes, so nothing can hide in nested maps, doubled keys or trailing bytes.
    ///
    /// # Errors
    ///
    /// When the payload is not the canonical encoding of a warrant.
    pub fn decode_strict(payload: &[u8]) -> Result<Self, String> {
        let warrant: Self = codec::decode(payload).map_err(|error| error.to_string())?;
        let canonical = codec::encode(&warrant).map_err(|error| error.to_string())?;
        if canonical == payload {
            Ok(warrant)
        } else {
            Err("the payload is not the canonical encoding of its warrant".to_owned())
        }
    }

    /// The fence of a decision caused by the message at `seq` of an AEGIS_EVENTS of that `epoch`.
    #[must_use]
    pub const fn fence(epoch: u16, seq: u64) -> u64 {
        ((epoch as u64) << 48) | (seq & 0xffff_ffff_ffff)
    }
}
