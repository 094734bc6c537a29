//! Acts that wait for a person's yes, each bound by its digest.

use std::collections::BTreeMap;
use std::time::Duration;

use aegis_schemas::{Action, Actor, Digest, IncidentId, Proposal, Target, Timestamp, codec};
use serde::{Deserialize, Serialize};

/// The most that are remembered, and how long those that are over are.
const MAX_PROPOSALS: usize = 2_000;
const KEPT: Duration = Duration::from_secs(24 * 3600);

/// Binds a yes to exactly one act under exactly one policy set.
pub(crate) fn digest(action: &Action, target: &Target, policy: Digest) -> Digest {
    let action = codec::encode(action).unwrap_or_default();
    Digest::of_parts(
        "aegis/proposal/v1",
        &[
            target.entity.to_string().as_bytes(),
            target.uid.as_bytes(),
            &target.generation.to_be_bytes(),
            &action,
            policy.as_bytes(),
        ],
    )
}

/// What was asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub(crate) action: Action,
    pub(crate) target: Target,
    pub(crate) incident: Option<IncidentId>,
    /// The person who wants the act; none when it is Aegis.
    pub(crate) requester: Option<Actor>,
    pub(crate) asked: Timestamp,
    pub(crate) expires: Timestamp,
    /// Why a yes counts no more.
    pub(crate) closed: Option<String>,
}

impl Asked {
    /// As a message.
    pub(crate) fn proposal(&self, digest: Digest) -> Proposal {
        Proposal {
            digest,
            action: self.action.clone(),
            target: self.target.clone(),
            expires: self.expires,
        }
    }
}

/// All proposals by digest.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Proposals(BTreeMap<Digest, Asked>);

impl Proposals {
    pub(crate) fn get(&self, digest: Digest) -> Option<&Asked> {
        self.0.get(&digest)
    }

    /// Whether a yes to it would count.
    pub(crate) fn is_open(&self, digest: Digest) -> bool {
        self.0
            .get(&digest)
            .is_some_and(|asked| asked.closed.is_none())
    }

    /// Asks. Beyond the limit the one that was asked first is forgotten: a yes to it is answered with no.
    pub(crate) fn open(&mut self, digest: Digest, asked: Asked) {
        self.0.insert(digest, asked);
        if self.0.len() > MAX_PROPOSALS {
            let oldest = self
                .0
                .iter()
                .min_by_key(|(digest, asked)| (asked.closed.is_none(), asked.asked, **digest))
                .map(|(digest, _)| *digest);
            if let Some(oldest) = oldest {
                self.0.remove(&oldest);
            }
        }
    }

    /// Ends one; answers it, if it was open.
    pub(crate) fn close(&mut self, digest: Digest, why: &str) -> Option<Asked> {
        let asked = self.0.get_mut(&digest)?;
        if asked.closed.is_some() {
            return None;
        }
        asked.closed = Some(why.to_owned());
        Some(asked.clone())
    }

    /// The open ones of an incident.
    pub(crate) fn of(&self, incident: IncidentId) -> Vec<Digest> {
        self.open_ones()
            .filter(|(_, asked)| asked.incident == Some(incident))
            .map(|(digest, _)| digest)
            .collect()
    }

    /// Those whose time is over.
    pub(crate) fn overdue(&self, now: Timestamp) -> Vec<Digest> {
        self.open_ones()
            .filter(|(_, asked)| asked.expires <= now)
            .map(|(digest, _)| digest)
            .collect()
    }

    pub(crate) fn open_ones(&self) -> impl Iterator<Item = (Digest, &Asked)> {
        self.0
            .iter()
            .filter(|(_, asked)| asked.closed.is_none())
            .map(|(digest, asked)| (*digest, asked))
    }

    pub(crate) fn prune(&mut self, now: Timestamp) {
        self.0
            .retain(|_, asked| asked.closed.is_none() || now.since(asked.asked) <= KEPT);
    }
}
