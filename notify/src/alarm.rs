//! What is wrong with Aegis itself: a part that was not heard of for too long.

use std::time::Duration;

use aegis_schemas::{Cluster, Timestamp};
use serde::{Deserialize, Serialize};

/// A part that should be heard of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The heartbeat of a cluster's sources.
    Heartbeat(Cluster),
    /// A service that says how it is.
    Stage(String),
}

impl Part {
    /// Under which name it is kept.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Heartbeat(cluster) => {
                format!(
                    "alarm.heartbeat.{}",
                    aegis_nats::topology::token(cluster.as_str())
                )
            }
            Self::Stage(stage) => format!("alarm.stage.{stage}"),
        }
    }

    /// The cluster's or the service's name.
    #[must_use]
    pub fn of(&self) -> String {
        match self {
            Self::Heartbeat(cluster) => cluster.to_string(),
            Self::Stage(stage) => stage.clone(),
        }
    }

    /// In words.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Heartbeat(cluster) => format!("the heartbeat of cluster {cluster}"),
            Self::Stage(stage) => format!("the service {stage}"),
        }
    }

    /// The cluster that it belongs to, if to one.
    #[must_use]
    pub const fn cluster(&self) -> Option<&Cluster> {
        match self {
            Self::Heartbeat(cluster) => Some(cluster),
            Self::Stage(_) => None,
        }
    }
}

/// How a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pulse {
    /// Heard of lately.
    Well,
    /// Not heard of for too long, since that time.
    Silent(Timestamp),
    /// Not heard of, but nobody listened long enough to tell.
    Unclear,
}

/// How a part is that was last heard of at `heard`, for one who listens since `listening`.
#[must_use]
pub fn pulse(
    heard: Option<Timestamp>,
    listening: Timestamp,
    now: Timestamp,
    silence: Duration,
) -> Pulse {
    if heard.is_some_and(|heard| now.since(heard) <= silence) {
        return Pulse::Well;
    }
    let since = heard.unwrap_or(listening);
    if now.since(since.max(listening)) > silence {
        Pulse::Silent(since)
    } else {
        Pulse::Unclear
    }
}

/// A part that was silent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alarm {
    /// The part in words.
    pub part: String,
    /// The cluster that it belongs to, if to one.
    pub cluster: Option<Cluster>,
    /// When it was last heard of.
    pub since: Timestamp,
    /// When it was heard of again.
    pub ended: Option<Timestamp>,
}

impl Alarm {
    /// What is to be kept of a part, when that differs from what is kept.
    #[must_use]
    pub fn next(kept: Option<&Self>, part: &Part, pulse: Pulse, now: Timestamp) -> Option<Self> {
        let firing = kept.filter(|alarm| alarm.ended.is_none());
        match (pulse, firing) {
            (Pulse::Silent(since), None) => Some(Self {
                part: part.name(),
                cluster: part.cluster().cloned(),
                since,
                ended: None,
            }),
            (Pulse::Well, Some(alarm)) => Some(Self {
                ended: Some(now),
                ..alarm.clone()
            }),
            _ => None,
        }
    }
}
