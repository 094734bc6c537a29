//! What the gateway asks other stages' pure cores. It holds no business rule, and a stage never imports
//! a stage: who builds the program plugs the cores in.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::time::Duration;

use aegis_schemas::{
    Action, Actor, Anomaly, ConfigurationKind, Entity, EvidenceSource, FailureKind, MetricBatch,
    Mode, Severity,
};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::document as shape;
use crate::record::Record;

/// Somebody who asks for an operation of the API.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// Who, with their roles of now.
    pub by: &'a Actor,
    /// The operation's id in the API's document.
    pub operation: &'a str,
    /// The scopes of the API key that is used instead of a sign-in.
    pub scopes: Option<&'a BTreeSet<String>>,
    /// How long ago they signed in.
    pub signed_in: Duration,
}

/// An act that somebody thinks of, and the case in which: may X do Y to Z?
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// What.
    #[schema(value_type = shape::Action)]
    pub action: Action,
    /// To which workload.
    #[schema(value_type = shape::Entity)]
    pub workload: Entity,
    /// The roles of the person who would want it; none for Aegis itself.
    #[serde(default)]
    #[schema(value_type = Option<shape::Roles>)]
    pub roles: Option<BTreeSet<String>>,
    /// How many pods the workload wants.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 4_294_967_295_u64)]
    pub replicas: u32,
    /// How many of them are ready.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 4_294_967_295_u64)]
    pub ready: u32,
    /// The workload's labels and annotations `aegis.dev/*` and `app.kubernetes.io/*`.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// The namespace's labels and annotations `aegis.dev/*`.
    #[serde(default)]
    pub namespace_tags: BTreeMap<String, String>,
    /// The mode, if not the one that stands.
    #[serde(default)]
    #[schema(value_type = Option<shape::Mode>)]
    pub mode: Option<Mode>,
    /// Whether a person has said yes to it.
    #[serde(default)]
    pub approved: bool,
    /// What the incident is called.
    #[serde(default)]
    #[schema(value_type = Option<shape::FailureKind>)]
    pub failure: Option<FailureKind>,
    /// How bad it is.
    #[serde(default)]
    #[schema(value_type = Option<shape::Severity>)]
    pub severity: Option<Severity>,
    /// How sure the detector is, in thousandths.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 1000)]
    pub confidence: u16,
    /// The kinds of evidence.
    #[serde(default)]
    #[schema(value_type = Vec<shape::EvidenceSource>)]
    pub sources: BTreeSet<EvidenceSource>,
    /// Ready pods that the act may take down at once.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 4_294_967_295_u64)]
    pub at_risk: u32,
}

/// Why policy would say so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Because {
    /// The policy or guard.
    pub policy: String,
    /// In words.
    pub text: String,
    /// The smallest change that would turn it; empty if nothing need.
    pub flip: String,
}

/// What policy would say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Evaluation {
    /// `allow`, `ask` or `deny`.
    pub verdict: &'static str,
    /// The mode that was assumed.
    pub mode: &'static str,
    /// Why.
    pub reasons: Vec<Because>,
    /// The digest of the policy set that was asked.
    pub policy: String,
    /// The guards that were not looked at, since they count what happened before. Each may still say no.
    pub not_looked_at: Vec<&'static str>,
}

/// What is said of a policy set that somebody thinks of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Checked {
    /// Whether it could be activated.
    pub valid: bool,
    /// What it would be called: the SHA-256 of its text.
    pub digest: String,
    /// Its policies, if it is valid.
    pub policies: Vec<PolicySaid>,
    /// What is wrong, and where.
    pub fault: Option<Fault>,
}

/// A policy and what it is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PolicySaid {
    /// Its id.
    pub id: String,
    /// Its reason.
    pub reason: String,
}

/// What is wrong with a policy set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Fault {
    /// In which of its files.
    pub file: String,
    /// In which line of it, from 1; none when the whole file is meant.
    pub line: Option<usize>,
    /// In words.
    pub reason: String,
}

/// What the scorer says of samples that it knew nothing of before.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Detection {
    /// The anomalies, in the order of the samples.
    #[schema(value_type = Vec<Object>)]
    pub anomalies: Vec<Anomaly>,
    /// How many times were scored; none if the detector knows no metric among them.
    pub rows: u64,
    /// How many of them teach what is usual, before any can be unusual.
    pub warm_up_rows: u32,
}

/// Why a core does not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Silence {
    /// There is no such thing.
    NotFound(String),
    /// What it needs cannot be had now.
    Unavailable(String),
}

/// The cores that the gateway asks.
pub trait Cores: Record + Debug + Send + Sync {
    /// Whether somebody may ask for an operation at all.
    ///
    /// # Errors
    ///
    /// Why not, in words for whoever asks.
    fn permits(&self, call: &Call<'_>) -> Result<(), String>;

    /// What policy would say to an act, under the policy set and the orders that stand.
    fn evaluate(&self, question: Question) -> BoxFuture<'_, Result<Evaluation, Silence>>;

    /// Whether the core that a configuration is for could take it.
    ///
    /// # Errors
    ///
    /// Why not, in words for whoever asks.
    fn check_configuration(&self, what: ConfigurationKind, content: &str) -> Result<(), String>;

    /// Whether a policy set is valid.
    fn check_policies(&self, content: &str) -> Checked;

    /// What the scorer would find in samples.
    fn detect(&self, batch: MetricBatch) -> Detection;

    /// A proof that an event is in the audit log, checked.
    fn prove(&self, event: aegis_schemas::EventId) -> BoxFuture<'_, Result<Value, Silence>>;
}
