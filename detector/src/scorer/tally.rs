//! Sums over a span of time, and the features that follow from them. Every feature is a ratio of two
//! sums, so that smoothing the sums weighs a busy second more than an idle one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::logs::LEVELS;

/// The most peers of a workload and bounds of a histogram that are kept.
const MAX_PEERS: usize = 8;
const MAX_BOUNDS: usize = 32;
/// Fewer answers than these say nothing about a share or a mean, or about the slowest hundredth.
const MIN_ANSWERS: f64 = 4.0;
/// Of fewer than a hundred the slowest hundredth is one answer, the slowest.
const MIN_FOR_P99: f64 = 100.0;
/// Fewer packets say nothing about the share that is lost.
const MIN_PACKETS: f64 = 50.0;
/// A few calls are slow or fail together whenever one answer is: fewer than these say nothing of a peer.
const MIN_CALLS: f64 = 10.0;

/// Calls to one other workload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Calls {
    pub(super) calls: f64,
    pub(super) errors: f64,
    pub(super) seconds: f64,
    pub(super) timed: f64,
}

/// Sums over a span of time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Tally {
    pub(super) cpu: f64,
    pub(super) cpu_limit: f64,
    pub(super) memory: f64,
    pub(super) memory_limit: f64,
    pub(super) disk: f64,
    pub(super) disk_limit: f64,
    /// Not written while there is no pool, so that most workloads pay nothing for them.
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) pool: f64,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) pool_limit: f64,
    pub(super) packets: f64,
    pub(super) dropped: f64,
    pub(super) requests: f64,
    pub(super) errors: f64,
    /// The span in which `requests` were counted.
    pub(super) span: f64,
    pub(super) latency: f64,
    pub(super) timed: f64,
    /// Lines of the log by level, and the span in which they were counted.
    #[serde(skip_serializing_if = "are_zero")]
    pub(super) lines: [f64; LEVELS.len()],
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) lines_span: f64,
    /// Answers within each bound, by rising bound.
    buckets: Vec<(f64, f64)>,
    peers: BTreeMap<String, Calls>,
}

/// Whether a sum need not be written.
pub(super) fn is_zero(sum: &f64) -> bool {
    *sum == 0.0
}

fn are_zero(sums: &[f64]) -> bool {
    sums.iter().all(is_zero)
}

impl Tally {
    /// Adds to the answers within `le` seconds.
    pub(super) fn bucket(&mut self, le: f64, by: f64) {
        match self
            .buckets
            .binary_search_by(|(bound, _)| bound.total_cmp(&le))
        {
            Ok(at) => self.buckets[at].1 += by,
            Err(at) if self.buckets.len() < MAX_BOUNDS => self.buckets.insert(at, (le, by)),
            Err(_) => {}
        }
    }

    /// The calls to `peer`, if there is room for them.
    pub(super) fn peer(&mut self, peer: &str) -> Option<&mut Calls> {
        if !self.peers.contains_key(peer) {
            if self.peers.len() >= MAX_PEERS || peer.len() > 253 {
                return None;
            }
            self.peers.insert(peer.to_owned(), Calls::default());
        }
        self.peers.get_mut(peer)
    }

    /// Empties it; what has a name keeps its place.
    pub(super) fn clear(&mut self) {
        self.each(|sum| *sum = 0.0);
    }

    /// Lets the past fade to `keep` and adds `now`.
    pub(super) fn fade_and_add(&mut self, keep: f64, now: &Self) {
        self.each(|sum| *sum *= keep);
        let pairs = [
            (&mut self.cpu, now.cpu),
            (&mut self.cpu_limit, now.cpu_limit),
            (&mut self.memory, now.memory),
            (&mut self.memory_limit, now.memory_limit),
            (&mut self.disk, now.disk),
            (&mut self.disk_limit, now.disk_limit),
            (&mut self.pool, now.pool),
            (&mut self.pool_limit, now.pool_limit),
            (&mut self.packets, now.packets),
            (&mut self.dropped, now.dropped),
            (&mut self.requests, now.requests),
            (&mut self.errors, now.errors),
            (&mut self.span, now.span),
            (&mut self.latency, now.latency),
            (&mut self.timed, now.timed),
            (&mut self.lines_span, now.lines_span),
        ];
        for (sum, by) in pairs {
            *sum += by;
        }
        for (sum, by) in self.lines.iter_mut().zip(now.lines) {
            *sum += by;
        }
        for &(le, by) in &now.buckets {
            self.bucket(le, by);
        }
        for (peer, by) in &now.peers {
            if let Some(calls) = self.peer(peer) {
                calls.calls += by.calls;
                calls.errors += by.errors;
                calls.seconds += by.seconds;
                calls.timed += by.timed;
            }
        }
        // Counters that overflow have been tampered with; nothing of them may stay.
        self.each(|sum| {
            if !sum.is_finite() {
                *sum = 0.0;
            }
        });
    }

    fn each(&mut self, mut change: impl FnMut(&mut f64)) {
        for sum in [
            &mut self.cpu,
            &mut self.cpu_limit,
            &mut self.memory,
            &mut self.memory_limit,
            &mut self.disk,
            &mut self.disk_limit,
            &mut self.pool,
            &mut self.pool_limit,
            &mut self.packets,
            &mut self.dropped,
            &mut self.requests,
            &mut self.errors,
            &mut self.span,
            &mut self.latency,
            &mut self.timed,
            &mut self.lines_span,
        ] {
            change(sum);
        }
        self.lines.iter_mut().for_each(&mut change);
        self.buckets.iter_mut().for_each(|(_, sum)| change(sum));
        for calls in self.peers.values_mut() {
            change(&mut calls.calls);
            change(&mut calls.errors);
            change(&mut calls.seconds);
            change(&mut calls.timed);
        }
    }

    /// Says each feature that the sums give, in a fixed order: name, peer, value. Of failures so many are
    /// accidents: one in a window of thirty answers is no share of three in a hundred.
    pub(super) fn features<'a>(
        &'a self,
        accidents: f64,
        mut say: impl FnMut(&'static str, Option<&'a str>, f64),
    ) {
        let failures = |errors: f64| (errors - accidents).max(0.0);
        let mut ratio = |name, peer, part: f64, whole: f64, least: f64| {
            let value = part / whole;
            if whole > least && value.is_finite() {
                say(name, peer, value);
            }
        };
        ratio("cpu_utilisation", None, self.cpu, self.cpu_limit, 0.0);
        ratio(
            "memory_utilisation",
            None,
            self.memory,
            self.memory_limit,
            0.0,
        );
        ratio("disk_utilisation", None, self.disk, self.disk_limit, 0.0);
        ratio("pool_utilisation", None, self.pool, self.pool_limit, 0.0);
        let packets = self.packets + self.dropped;
        ratio("packet_loss", None, self.dropped, packets, MIN_PACKETS);
        ratio("request_rate", None, self.requests, self.span, 0.0);
        ratio(
            "error_ratio",
            None,
            failures(self.errors),
            self.requests,
            MIN_ANSWERS,
        );
        ratio("latency_mean", None, self.latency, self.timed, MIN_ANSWERS);
        if let Some(p50) = self.quantile(0.5, MIN_ANSWERS) {
            ratio("latency_p50", None, p50, 1.0, 0.0);
        }
        if let Some(p99) = self.quantile(0.99, MIN_FOR_P99) {
            ratio("latency_p99", None, p99, 1.0, 0.0);
        }
        for (level, lines) in LEVELS.into_iter().zip(self.lines) {
            ratio(
                "log_rate",
                Some(level.as_str()),
                lines,
                self.lines_span,
                0.0,
            );
        }
        for (peer, calls) in &self.peers {
            let peer = Some(peer.as_str());
            ratio(
                "call_error_ratio",
                peer,
                failures(calls.errors),
                calls.calls,
                MIN_CALLS,
            );
            ratio("call_latency", peer, calls.seconds, calls.timed, MIN_CALLS);
        }
    }

    /// The quantile by linear interpolation within its bucket, as Prometheus does it.
    fn quantile(&self, q: f64, least: f64) -> Option<f64> {
        let total = self.buckets.last()?.1;
        if total < least || self.buckets.len() < 2 {
            return None;
        }
        let rank = q * total;
        let (mut below, mut start) = (0.0_f64, 0.0_f64);
        for &(bound, count) in &self.buckets {
            // Pods that come and go can leave a bucket behind the one below it.
            let count = count.max(below);
            if count >= rank {
                if bound.is_infinite() || count <= below {
                    return Some(start);
                }
                return Some(start + (bound - start) * (rank - below) / (count - below));
            }
            (below, start) = (count, bound);
        }
        Some(start)
    }
}
