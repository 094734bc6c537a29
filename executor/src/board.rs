//! What executors know of each other and of the world besides the API server.

mod memory;
mod nats;

use std::future::Future;

use aegis_nats::kv::{HaltState, Seen};
use aegis_schemas::{DecisionId, Digest, PreImage, Timestamp, Warrant};
use serde::{Deserialize, Serialize};

pub use memory::MemoryBoard;
pub use nats::NatsBoard;

/// What is noted of a decision before its write, and after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The warrant's nonce.
    pub nonce: Digest,
    /// The AEGIS_EVENTS sequence of the message.
    pub seq: u64,
    /// What was there before the write.
    pub pre_image: PreImage,
    /// Set once the API server accepted the write.
    #[serde(default)]
    pub done: Option<Done>,
}

/// The object after the write.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// `metadata.generation`.
    pub generation: i64,
    /// `metadata.resourceVersion`.
    pub resource_version: String,
}

/// A claim with the revision that changing it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Its revision.
    pub revision: u64,
    /// The claim.
    pub claim: Claim,
}

/// What executors saw in the last day, over restarts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Past {
    /// The latest `iat` of a warrant that somebody was about to carry out.
    pub last_iat: Timestamp,
    /// The decision that carried the nonce in question first.
    pub nonce_of: Option<DecisionId>,
}

/// Claims, what was seen, the kill switch, the audit sink's health and the clock.
pub trait Board: Send + Sync + 'static {
    /// The clock.
    fn now(&self) -> Timestamp;

    /// The claim of a decision, if it has one.
    fn claim(
        &self,
        decision: DecisionId,
    ) -> impl Future<Output = Result<Option<Held>, aegis_nats::Error>> + Send;

    /// Claims a decision, unless it is claimed; the claim as it is then.
    fn create_claim(
        &self,
        decision: DecisionId,
        claim: Claim,
    ) -> impl Future<Output = Result<Held, aegis_nats::Error>> + Send;

    /// Writes a claim anew, if it still is at `revision`.
    fn update_claim(
        &self,
        decision: DecisionId,
        revision: u64,
        claim: Claim,
    ) -> impl Future<Output = Result<(), aegis_nats::Error>> + Send;

    /// What is known of the time and of that nonce.
    fn past(&self, nonce: &Digest) -> impl Future<Output = Result<Past, aegis_nats::Error>> + Send;

    /// Notes the time and the nonce of a warrant that is about to be carried out.
    fn remember(
        &self,
        warrant: &Warrant,
    ) -> impl Future<Output = Result<(), aegis_nats::Error>> + Send;

    /// What the kill switch says now.
    fn halt(&self) -> impl Future<Output = Result<Option<HaltState>, aegis_nats::Error>> + Send;

    /// What the audit sink said last.
    fn audit(&self) -> impl Future<Output = Result<Option<Seen>, aegis_nats::Error>> + Send;
}
