//! The contract between the stages of Aegis: one file per message, the names and ids they use,
//! the subjects they travel on and the bytes they become.
//!
//! Nothing here does I/O, reads a clock or knows an async runtime, so every stage, the simulator and
//! a replay share these types without sharing anything else. How a message is added is told in
//! `CONTRIBUTING.md`; its bytes are a promise, kept by the golden files in `schemas/golden/`.

mod access;
mod action;
mod anomaly;
mod assessment;
pub mod codec;
mod command;
mod dead_letter;
mod decision;
mod entity;
mod event;
mod handed_in;
pub mod header;
mod host;
mod id;
mod incident;
pub mod keyring;
mod metric;
mod name;
mod outcome;
pub mod pipeline;
pub mod signal;
pub mod signature;
mod stage;
mod subject;
mod time;
mod trace;
mod warrant;

pub use access::{Access, AccessOutcome};
pub use action::{Action, ActionKind, Blast, PreImage, Target};
pub use anomaly::{Anomaly, AnomalyPhase, Blame, Forecast};
pub use assessment::{Assessment, AssessmentVerdict, Check};
pub use command::{Actor, Command, CommandBody, ConfigurationKind, FeedbackVerdict, Mode, Scope};
pub use dead_letter::DeadLetter;
pub use decision::{Decision, Proposal, Reason, StandingOrders, Verdict};
pub use entity::{Entity, EntityKind};
pub use event::{About, Event, Kind};
pub use host::is_this_host;
pub use id::{DecisionId, Digest, EpisodeId, EventId, IncidentId, InvalidId};
pub use incident::{
    Cause, CauseKind, Evidence, EvidenceSource, FailureKind, Grouped, GroupedBy, Incident,
    IncidentPhase, Recommendation, Severity,
};
pub use metric::{MetricBatch, MetricKind, Series};
pub use name::{Cluster, InvalidName, Name, Namespace};
pub use outcome::{Outcome, OutcomePhase, RefusalCode};
pub use signal::{Signal, SignalBody};
pub use stage::{Misplaced, placed};
pub use subject::{InvalidSubject, Place, Stream, Subject, metrics_of, partition_of};
pub use time::Timestamp;
pub use trace::TraceContext;
pub use warrant::{Approval, Warrant, WarrantTarget};
