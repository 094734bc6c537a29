//! The durable consumers.

use std::time::Duration;

use aegis_schemas::{Cluster, Stream};
use serde_json::{Value, json};

use super::{Settings, token};
use crate::Service;

/// In which of the three loops a consumer's messages are handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// One after the other, by one holder of a lease.
    InOrder,
    /// Side by side, shared by replicas.
    Parallel,
    /// Many at once.
    Batch,
}

/// A durable pull consumer with explicit acknowledgement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Durable {
    /// Who reads it.
    pub service: Service,
    /// The stream that it reads.
    pub stream: Stream,
    /// Its name on the server.
    pub name: String,
    /// The subjects that it reads; none means all.
    pub filters: Vec<String>,
    /// The loop that it is read by.
    pub how: How,
    /// How long the server waits for an acknowledgement.
    pub ack_wait: Duration,
    /// How many messages may be under way.
    pub max_ack_pending: usize,
    /// How often a message is delivered; `None` means for ever.
    pub max_deliver: Option<u64>,
    /// How long to wait before the second, third, … delivery; the last one repeats.
    pub retry: Vec<Duration>,
}

impl Durable {
    /// The scorer of one partition.
    #[must_use]
    pub fn scorer(partition: u16) -> Self {
        Self {
            service: Service::Detector,
            stream: Stream::Metrics,
            name: format!("scorer-{partition}"),
            filters: vec![format!("aegis.v1.metric.{partition}.>")],
            max_ack_pending: 2_000,
            ..in_order()
        }
    }

    /// The incident core of one cluster.
    #[must_use]
    pub fn incidents(cluster: &Cluster) -> Self {
        let name = token(cluster.as_str());
        let filters = [
            "signal.*",
            "anomaly",
            "decision.allow",
            "action.*",
            "command.feedback",
            "command.merge",
            "command.split",
            "command.activate",
        ];
        Self {
            service: Service::Detector,
            name: format!("incidents-{name}"),
            filters: of_cluster(&filters, &name),
            ..in_order()
        }
    }

    /// The policy core of one cluster.
    #[must_use]
    pub fn policy(cluster: &Cluster) -> Self {
        let name = token(cluster.as_str());
        let filters = [
            "signal.*",
            "incident",
            "assessment.*",
            "decision.*",
            "action.*",
            "command.*",
        ];
        Self {
            service: Service::Policy,
            name: format!("policy-{name}"),
            filters: of_cluster(&filters, &name),
            ..in_order()
        }
    }

    /// The executor of one cluster.
    #[must_use]
    pub fn executor(cluster: &Cluster) -> Self {
        let name = token(cluster.as_str());
        Self {
            service: Service::Executor,
            stream: Stream::Events,
            name: format!("executor-{name}"),
            filters: of_cluster(&["decision.allow"], &name),
            how: How::Parallel,
            ack_wait: Duration::from_secs(60),
            max_ack_pending: 16,
            max_deliver: Some(5),
            retry: seconds(&[2, 5, 10, 20]),
        }
    }

    /// What other systems hand in.
    #[must_use]
    pub fn ingest() -> Self {
        Self {
            service: Service::Ingest,
            stream: Stream::Intake,
            name: "ingest".to_owned(),
            filters: Vec::new(),
            how: How::Parallel,
            ack_wait: Duration::from_secs(30),
            max_ack_pending: 2_000,
            max_deliver: Some(8),
            retry: seconds(&[1, 5, 15, 30, 60, 120, 300]),
        }
    }

    /// What people are told of, shared by replicas. It never gives up by count: what cannot be told now is
    /// told when the receiver is back, and notify itself says when it is too late.
    #[must_use]
    pub fn notify() -> Self {
        let filters = [
            "incident",
            "assessment",
            "decision.ask",
            "decision.deny",
            "decision.escalate",
            "action",
            "signal.heartbeat",
        ];
        Self {
            service: Service::Notify,
            stream: Stream::Events,
            name: "notify".to_owned(),
            filters: filters.map(|stage| format!("aegis.v1.{stage}.>")).to_vec(),
            how: How::Parallel,
            ack_wait: Duration::from_secs(60),
            max_ack_pending: 1_000,
            max_deliver: None,
            retry: seconds(&[1, 5, 15, 30, 60, 120, 300]),
        }
    }

    /// The record of one stream.
    #[must_use]
    pub fn audit_sink(stream: Stream) -> Self {
        Self {
            service: Service::AuditSink,
            stream,
            name: "audit-sink".to_owned(),
            filters: Vec::new(),
            how: How::Batch,
            ack_wait: Duration::from_secs(60),
            max_ack_pending: 10_000,
            max_deliver: None,
            retry: Vec::new(),
        }
    }

    /// Every consumer of an installation.
    #[must_use]
    pub fn all(settings: &Settings) -> Vec<Self> {
        let mut all: Vec<_> = (0..settings.partitions).map(Self::scorer).collect();
        for cluster in &settings.clusters {
            all.extend([
                Self::incidents(cluster),
                Self::policy(cluster),
                Self::executor(cluster),
            ]);
        }
        all.push(Self::ingest());
        all.push(Self::notify());
        all.extend(Stream::ALL.into_iter().map(Self::audit_sink));
        all
    }

    /// What the consumer shall be on the server. No server-side back-off: it overrides `ack_wait`.
    #[must_use]
    pub fn declaration(&self) -> Value {
        let mut config = json!({
            "durable_name": self.name,
            "name": self.name,
            "deliver_policy": "all",
            "ack_policy": "explicit",
            "replay_policy": "instant",
            "ack_wait": u64::try_from(self.ack_wait.as_nanos()).unwrap_or(u64::MAX),
            "max_ack_pending": self.max_ack_pending,
            "max_deliver": self.max_deliver.map_or(-1, |times| i64::try_from(times).unwrap_or(-1)),
        });
        match self.filters.as_slice() {
            [] => {}
            [one] => config["filter_subject"] = json!(one),
            several => config["filter_subjects"] = json!(several),
        }
        config
    }

    /// Whether it reads messages of that subject in its stream.
    #[must_use]
    pub fn reads(&self, subject: &str) -> bool {
        self.filters.is_empty()
            || self
                .filters
                .iter()
                .any(|pattern| super::matrix::covers(pattern, subject))
    }

    /// How long to wait after the `attempt`-th delivery failed.
    #[must_use]
    pub fn delay(&self, attempt: u64) -> Duration {
        let place = usize::try_from(attempt.saturating_sub(1)).unwrap_or(usize::MAX);
        let last = self.retry.last().copied();
        self.retry
            .get(place)
            .copied()
            .or(last)
            .unwrap_or(Duration::from_secs(1))
    }
}

/// What the cores' consumers have in common.
fn in_order() -> Durable {
    Durable {
        service: Service::Detector,
        stream: Stream::Events,
        name: String::new(),
        filters: Vec::new(),
        how: How::InOrder,
        ack_wait: Duration::from_secs(30),
        max_ack_pending: 1_000,
        max_deliver: None,
        retry: Vec::new(),
    }
}

fn of_cluster(stages: &[&str], cluster: &str) -> Vec<String> {
    stages
        .iter()
        .map(|stage| format!("aegis.v1.{stage}.{cluster}.>"))
        .collect()
}

fn seconds(list: &[u64]) -> Vec<Duration> {
    list.iter().copied().map(Duration::from_secs).collect()
}
