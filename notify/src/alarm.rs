//! What is wrong with Aegis itself: a part that was not heard of for too long, forged decisions.

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

/// How long nothing may be forged before that alarm is over.
pub const CALM: Duration = Duration::from_secs(15 * 60);

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "trouble", rename_all = "snake_case")]
pub enum Trouble {
    /// A part is not heard of.
    Silent {
        /// The part in words.
        part: String,
    },
    /// Somebody puts what no key of ours signed in the place of decisions.
    Forged {
        /// What the executor said of the first one.
        first: String,
        /// The sequence of the event that comes again to see whether it is over.
        by: u64,
        /// When the newest was refused.
        newest: Timestamp,
    },
}

/// Something is wrong with Aegis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alarm {
    /// What.
    pub trouble: Trouble,
    /// The cluster that it belongs to, if to one.
    pub cluster: Option<Cluster>,
    /// Since when.
    pub since: Timestamp,
    /// Until when.
    pub ended: Option<Timestamp>,
}

impl Alarm {
    /// What is to be kept of a part, when that differs from what is kept.
    #[must_use]
    pub fn next(kept: Option<&Self>, part: &Part, pulse: Pulse, now: Timestamp) -> Option<Self> {
        let firing = kept.filter(|alarm| alarm.ended.is_none());
        match (pulse, firing) {
            (Pulse::Silent(since), None) => Some(Self {
                trouble: Trouble::Silent { part: part.name() },
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

    /// What is to be kept at `now` after the event at `seq` said at `at` that something was forged; a second
    /// time it sees whether that is over.
    #[must_use]
    pub fn forged(
        kept: Option<&Self>,
        cluster: Option<&Cluster>,
        (seq, at): (u64, Timestamp),
        said: &str,
        now: Timestamp,
    ) -> Self {
        let fresh = || Self {
            trouble: Trouble::Forged {
                first: said.to_owned(),
                by: seq,
                newest: at,
            },
            cluster: cluster.cloned(),
            since: at,
            ended: None,
        };
        let Some(alarm) = kept else {
            return fresh();
        };
        let Trouble::Forged { first, by, newest } = &alarm.trouble else {
            return fresh();
        };
        if alarm.ended.is_some() {
            return if at > *newest { fresh() } else { alarm.clone() };
        }
        let newest = at.max(*newest);
        // Who should have come again did not: the stream was made anew.
        let by = if now.since(newest) > CALM * 2 {
            seq
        } else {
            *by
        };
        Self {
            trouble: Trouble::Forged {
                first: first.clone(),
                by,
                newest,
            },
            ended: (by == seq && now.since(newest) >= CALM).then_some(now),
            ..alarm.clone()
        }
    }

    /// How long the event at `seq` waits until it sees whether it is over; none when it need not.
    #[must_use]
    pub fn look_again(&self, seq: u64, now: Timestamp) -> Option<Duration> {
        match self.trouble {
            Trouble::Forged { by, newest, .. } if by == seq && self.ended.is_none() => {
                Some((newest + CALM).since(now))
            }
            _ => None,
        }
    }
}
