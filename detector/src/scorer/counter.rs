//! The series of one pod: how much each counter rose, and the limits of its containers.

use std::collections::BTreeMap;
use std::time::Duration;

use aegis_schemas::Timestamp;
use serde::{Deserialize, Serialize};

use super::tally::{Tally, is_zero};

/// The most counters of lines of a pod that are remembered.
pub(super) const MAX_LINE_COUNTERS: usize = 64;
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
    #[serde(default, skip_serializing_if = "LineCounters::is_empty")]
    pub(super) lines: LineCounters,
}

/// The counters of lines of one pod. They have a room of their own: there may be as many as its log has
/// templates, and none of them may take the room of what tells how the pod is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct LineCounters {
    /// The newest row with one of them, and the row before.
    newest: Option<Timestamp>,
    before: Option<Timestamp>,
    counters: BTreeMap<u64, Last>,
}

/// How much a counter rose, and in how many seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rise {
    pub(super) by: f64,
    pub(super) seconds: f64,
}

impl Rise {
    /// Of a rise over several rows, the share of a row that ends a span of `span` seconds.
    pub(super) fn within(self, span: f64) -> Self {
        let share = if self.seconds > span {
            span / self.seconds
        } else {
            1.0
        };
        Self {
            by: self.by * share,
            seconds: self.seconds * share,
        }
    }
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
        let is_known = first < at && at.since(self.heard) <= MAX_GAP && span > 0.0;
        let known_for = is_known.then_some(span);
        let now = Last { value, at };
        rise(&mut self.counters, series, now, known_for, room).map(|rise| rise.within(span))
    }

    /// When anything of it was heard last.
    pub(super) fn last_heard(&self) -> Timestamp {
        let lines = self.lines.newest;
        lines.map_or(self.heard, |lines| lines.max(self.heard))
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
        self.counters.len() + self.lines.counters.len()
    }
}

impl LineCounters {
    /// Whether none was ever read.
    pub(super) fn is_empty(&self) -> bool {
        self.newest.is_none()
    }

    /// Reads a counter at `at`: its whole rise since it was read before. A series that appears while others
    /// are known began at zero.
    pub(super) fn rise(&mut self, series: u64, value: f64, at: Timestamp) -> Option<Rise> {
        if self.newest.is_some_and(|newest| at < newest) {
            return None;
        }
        if self.newest != Some(at) {
            self.before = self.newest.replace(at);
        }
        let since = self.before.map(|before| at.since(before));
        let known_for = since.filter(|since| *since <= MAX_GAP);
        let now = Last { value, at };
        rise(
            &mut self.counters,
            series,
            now,
            known_for.map(|since| since.as_secs_f64()),
            MAX_LINE_COUNTERS,
        )
    }
}

/// Reads a counter among at most `room`: its rise since it was read before, or since the row before if its
/// metric has been known for so many seconds.
fn rise(
    counters: &mut BTreeMap<u64, Last>,
    series: u64,
    now: Last,
    known_for: Option<f64>,
    room: usize,
) -> Option<Rise> {
    let Some(last) = counters.get_mut(&series) else {
        if counters.len() >= room {
            return None;
        }
        counters.insert(series, now);
        let seconds = known_for?;
        return Some(Rise {
            by: now.value,
            seconds,
        });
    };
    let before = std::mem::replace(last, now);
    let seconds = now.at.since(before.at).as_secs_f64();
    if seconds <= 0.0 || seconds > MAX_GAP.as_secs_f64() {
        return None;
    }
    let by = if now.value >= before.value {
        now.value - before.value
    } else {
        now.value
    };
    Some(Rise { by, seconds })
}
