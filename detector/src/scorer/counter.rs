//! The series of one pod: how much each counter rose, and the limits of its containers.

use std::collections::BTreeMap;
use std::time::Duration;

use aegis_schemas::Timestamp;
use serde::{Deserialize, Serialize};

use super::tally::{Tally, is_zero};

/// Counters that were unheard for longer start anew: their rise says nothing of the present.
const MAX_GAP: Duration = Duration::from_secs(300);

/// A counter as last read.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Last {
    value: f64,
    at: Timestamp,
}

/// Limits of one container or connection pool; zero when unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Limits {
    pub(super) cpu: f64,
    pub(super) memory: f64,
    pub(super) disk: f64,
    /// Connections.
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) pool: f64,
}

/// What is remembered of one pod.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Pod {
    /// When it was last heard of.
    pub(super) heard: Timestamp,
    /// Its own smoothed sums.
    pub(super) sums: Tally,
    counters: BTreeMap<u64, Last>,
    /// When each metric was first read, by its number.
    metrics: BTreeMap<u8, Timestamp>,
    /// Limits by what has them.
    limits: BTreeMap<u64, Limits>,
}

/// How much a counter rose, and in how many seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rise {
    pub(super) by: f64,
    pub(super) seconds: f64,
}

impl Pod {
    /// Reads a counter in a row that ends a span of `span` seconds: its rise within that span, if that is known.
    /// A counter that fell was reset. A series that appears while others of its metric are
    /// known began at zero: the first error of a pod is a new series.
    pub(super) fn rise(
        &mut self,
        key: (u8, u64),
        value: f64,
        at: Timestamp,
        span: f64,
        room: usize,
    ) -> Option<Rise> {
        if !value.is_finite() || value < 0.0 {
            return None;
        }
        let (metric, series) = key;
        let first = *self.metrics.entry(metric).or_insert(at);
        let now = Last { value, at };
        let Some(last) = self.counters.get_mut(&series) else {
            if self.counters.len() >= room {
                return None;
            }
            self.counters.insert(series, now);
            let known = first < at && at.since(self.heard) <= MAX_GAP && span > 0.0;
            return known.then_some(Rise {
                by: value,
                seconds: span,
            });
        };
        let before = std::mem::replace(last, now);
        let seconds = at.since(before.at).as_secs_f64();
        if seconds <= 0.0 || seconds > MAX_GAP.as_secs_f64() {
            return None;
        }
        let by = if value >= before.value {
            value - before.value
        } else {
            value
        };
        // Of a rise over several rows, this row gets its share.
        let share = if seconds > span { span / seconds } else { 1.0 };
        Some(Rise {
            by: by * share,
            seconds: seconds * share,
        })
    }

    /// Notes a limit.
    pub(super) fn limit(&mut self, limited: u64, room: usize) -> Option<&mut Limits> {
        if !self.limits.contains_key(&limited) && self.limits.len() >= room {
            return None;
        }
        Some(self.limits.entry(limited).or_default())
    }

    /// The limits of a container or pool.
    pub(super) fn limits(&self, limited: u64) -> Limits {
        self.limits.get(&limited).copied().unwrap_or_default()
    }

    /// How many counters are remembered.
    pub(super) fn series(&self) -> usize {
        self.counters.len()
    }
}
