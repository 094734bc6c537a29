//! What pages show that the views do not hold: raw entries, proofs, policy sets, and how metrics went.
//!
//! The audit log's library and the detector's core know these: a part of what [`crate::Cores`] answers.

use std::fmt::Debug;

use futures::future::BoxFuture;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use aegis_schemas::Entity;

/// Why something cannot be shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// There is none.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// It does not prove what it should: somebody changed the log, or it is damaged.
    #[error("{0}")]
    Tampered(String),
    /// It cannot be had just now.
    #[error("{0}")]
    Failed(String),
}

/// One entry of the audit log, as received.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Its index.
    pub idx: u64,
    /// The event's id, if it has one.
    pub event: Option<String>,
    /// The message's kind.
    pub kind: String,
    /// Where it was published.
    pub subject: String,
    /// The stream.
    pub stream: String,
    /// The stream's epoch.
    pub epoch: u16,
    /// Its sequence in the stream.
    pub seq: u64,
    /// When the stream took it.
    pub time: Timestamp,
    /// Its headers.
    pub headers: Vec<(String, String)>,
    /// Its body, as received; empty when it was erased.
    #[serde(skip)]
    pub body: Vec<u8>,
    /// The event, if it can be read.
    pub event_json: Option<Value>,
}

/// A proof that was checked: the entry is in the log that the checkpoint's signature covers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proven {
    /// The SHA-256 of the leaf, hexadecimal (RFC 6962).
    pub leaf_hash: String,
    /// The hashes from the leaf to the root, hexadecimal.
    pub path: Vec<String>,
    /// How many entries the checkpoint covers.
    pub size: u64,
    /// The root, hexadecimal.
    pub root: String,
    /// The signed checkpoint.
    pub checkpoint: String,
}

/// One feature of an entity over time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Trace {
    /// The feature, such as `error_ratio`.
    pub feature: String,
    /// Its points, in time.
    pub points: Vec<Point>,
}

/// A feature at one time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// What it was.
    pub value: f64,
    /// Between these it was expected; none before the scorer knew what is usual.
    pub expected: Option<(f64, f64)>,
}

/// What pages show that the views do not hold.
pub trait Record: Debug + Send + Sync {
    /// The entry at `idx`.
    fn entry(&self, idx: u64) -> BoxFuture<'_, Result<Entry, Unavailable>>;

    /// A proof of the entry at `idx`, checked under the log's public key.
    fn proof_of(&self, idx: u64) -> BoxFuture<'_, Result<Proven, Unavailable>>;

    /// The policy set with that digest, as it was activated.
    fn policy_set<'a>(&'a self, digest: &'a str) -> BoxFuture<'a, Result<String, Unavailable>>;

    /// How the features of `entity` went between two times, as the scorer sees them.
    fn traces<'a>(
        &'a self,
        entity: &'a Entity,
        from: Timestamp,
        to: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<Trace>, Unavailable>>;
}
