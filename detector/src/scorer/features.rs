//! Raw series of a batch in, rows of features out: one row for the workload at each time, and the
//! smoothed sums of each pod for telling which of them stands out.

use std::collections::BTreeMap;
use std::time::Duration;

use aegis_schemas::{MetricBatch, Name, Series, Timestamp};
use serde::{Deserialize, Serialize};

use super::aside::Aside;
use super::config::Config;
use super::counter::{Pod, Rise};
use super::logs::{Templates, Written};
use super::series::{Lines, Role, identity, limited};
use super::tally::Tally;

/// For how long lines that are counted each minute may go untold before there are none: a query for lines
/// that were not written answers with nothing.
pub(super) const UNTOLD: Duration = Duration::from_secs(150);
/// How many failures within the window tell of nothing.
const ACCIDENTS: f64 = 1.0;

/// One series of a batch, its role and its names worked out once for all rows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prepared<'a> {
    pub(super) role: Role<'a>,
    identity: u64,
    /// What has the limit that it is about.
    limited: u64,
    pub(super) series: &'a Series,
}

impl Prepared<'_> {
    /// Its value in row `row`, if it is a number that can be measured.
    pub(super) fn value(&self, row: usize) -> Option<f64> {
        let value = self.series.values.get(row).copied();
        value.filter(|value| value.is_finite() && *value >= 0.0)
    }
}

/// The series of the batch that mean something, limits first.
pub(super) fn prepare(batch: &MetricBatch) -> Vec<Prepared<'_>> {
    let mut prepared: Vec<Prepared<'_>> = batch
        .series
        .iter()
        .filter_map(|series| {
            let role = Role::of(series)?;
            Some(Prepared {
                role,
                identity: identity(role, series),
                limited: limited(role, series),
                series,
            })
        })
        .collect();
    prepared.sort_by_key(|one| !one.role.is_limit());
    prepared
}

/// What is remembered of the raw series of one workload.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Reader {
    /// Its pods; `None` stands for series of the whole workload.
    pods: BTreeMap<Option<Name>, Pod>,
    /// Smoothed sums over all pods.
    sums: Tally,
    /// The newest row.
    pub(super) newest: Option<Timestamp>,
    /// The newest row alone.
    row: Tally,
    /// When lines of its log were last told of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    written: Option<Timestamp>,
    /// The templates of its log.
    #[serde(default, skip_serializing_if = "Templates::is_empty")]
    pub(super) templates: Templates,
    /// What rows of their own told of its log.
    #[serde(default, skip_serializing_if = "Aside::is_empty")]
    aside: Aside,
}

impl Reader {
    /// Takes row `row` of the batch, at `at`, in. The caller has checked that `at` is newer than the last.
    pub(super) fn read(
        &mut self,
        config: &Config,
        series: &[Prepared<'_>],
        row: usize,
        at: Timestamp,
    ) {
        let span = self
            .newest
            .map_or(0.0, |newest| at.since(newest).as_secs_f64());
        self.newest = Some(at);
        let keep = (-span / config.window.as_secs_f64()).exp();
        self.row.clear();
        let mut pod_rows: BTreeMap<&Option<Name>, Tally> = BTreeMap::new();
        let mut written = Written::new();
        let mut pools: BTreeMap<(&Option<Name>, u64), f64> = BTreeMap::new();
        for one in series {
            if matches!(one.role, Role::Certificate(_)) {
                continue;
            }
            let Some(value) = one.value(row) else {
                continue;
            };
            if !self.pods.contains_key(&one.series.pod) {
                self.make_room(config.max_pods);
                self.pods.insert(one.series.pod.clone(), Pod::default());
            }
            let Some(pod) = self.pods.get_mut(&one.series.pod) else {
                continue;
            };
            let of_pod = pod_rows.entry(&one.series.pod).or_default();
            if one.role == Role::Pool {
                *pools.entry((&one.series.pod, one.limited)).or_default() += value;
                continue;
            }
            if let Role::Lines { what, .. } = one.role {
                self.written = Some(at);
                let by = match what {
                    Lines::Total => {
                        let rise = pod.lines.rise(one.identity, value, at);
                        rise.map_or(0.0, |rise| rise.within(span).by)
                    }
                    Lines::Rate | Lines::TemplateRate => value * span,
                };
                written.count(&mut self.row, one.role, by, span);
                continue;
            }
            take(
                pod,
                one,
                value,
                (at, span),
                config.max_series_per_pod,
                &mut self.row,
                of_pod,
            );
        }
        // A row that tells of the log itself knows better.
        let is_told = self.written == Some(at);
        if !is_told && self.aside.count(&mut self.row, at, span) {
            self.written = Some(at);
        }
        if self.written == Some(at) {
            self.aside.explain(&mut written, at);
        }
        match self.written {
            Some(heard) if heard == at => self.templates.look(at, written),
            Some(heard) if at.since(heard) >= UNTOLD => {
                self.row.lines_span = span;
                self.templates.look(at, written);
            }
            _ => {}
        }
        for ((name, pool), used) in pools {
            let limit = self.pods.get(name).map_or(0.0, |pod| pod.limits(pool).pool);
            if let Some(tally) = pod_rows.get_mut(name) {
                let parts = [(tally.pool, tally.pool_limit), weighed(used, limit, span)];
                (tally.pool, tally.pool_limit) = fullest(parts.into_iter()).unwrap_or_default();
            }
        }
        for (name, tally) in &pod_rows {
            if let Some(pod) = self.pods.get_mut(*name) {
                pod.sums.fade_and_add(keep, tally);
                pod.heard = at;
            }
        }
        // Memory, disk and connections are not shared: the workload is as near to its limit as its fullest pod.
        let of_pods = |part: fn(&Tally) -> (f64, f64)| fullest(pod_rows.values().map(part));
        if let Some(memory) = of_pods(|tally| (tally.memory, tally.memory_limit)) {
            (self.row.memory, self.row.memory_limit) = memory;
        }
        if let Some(disk) = of_pods(|tally| (tally.disk, tally.disk_limit)) {
            (self.row.disk, self.row.disk_limit) = disk;
        }
        if let Some(pool) = of_pods(|tally| (tally.pool, tally.pool_limit)) {
            (self.row.pool, self.row.pool_limit) = pool;
        }
        self.sums.fade_and_add(keep, &self.row);
    }

    /// Notes what row `row` tells of the log, for the next row to see; whether it is no older than what was told
    /// before.
    pub(super) fn note(
        &mut self,
        config: &Config,
        series: &[Prepared<'_>],
        (row, at): (usize, Timestamp),
    ) -> bool {
        let mut is_news = true;
        for one in series {
            let Role::Lines { what, .. } = one.role else {
                continue;
            };
            let Some(value) = one.value(row) else {
                continue;
            };
            let rate = match what {
                Lines::Total => self.counted(config, one, value, at),
                Lines::Rate | Lines::TemplateRate => value,
            };
            is_news &= self.aside.add(one.role, rate, at);
        }
        is_news
    }

    /// How many lines a second a counter has counted since it was read before.
    fn counted(&mut self, config: &Config, one: &Prepared<'_>, value: f64, at: Timestamp) -> f64 {
        if !self.pods.contains_key(&one.series.pod) {
            self.make_room(config.max_pods);
            self.pods.insert(one.series.pod.clone(), Pod::default());
        }
        let pod = self.pods.get_mut(&one.series.pod);
        let rise = pod.and_then(|pod| pod.lines.rise(one.identity, value, at));
        rise.map_or(0.0, |rise| rise.by / rise.seconds)
    }

    /// Says each feature of the workload: name, peer, smoothed value, value of the newest row alone.
    pub(super) fn features(&self, mut say: impl FnMut(&'static str, Option<&str>, f64, f64)) {
        let mut alone: Vec<(&'static str, Option<&str>, f64)> = Vec::with_capacity(24);
        // A row that is to be hot counts each failure: those of a quiet service come one by one.
        self.row
            .features(0.0, |name, peer, value| alone.push((name, peer, value)));
        self.sums.features(ACCIDENTS, |name, peer, level| {
            let instant = alone
                .iter()
                .find(|(other, of, _)| *other == name && *of == peer)
                .map_or(level, |(_, _, value)| *value);
            say(name, peer, level, instant);
        });
    }

    /// The level of `feature` in each pod that is in the newest row.
    pub(super) fn levels(&self, feature: &str) -> Vec<(&Name, f64)> {
        let mut levels = Vec::new();
        for (name, pod) in &self.pods {
            let Some(name) = name else { continue };
            if Some(pod.heard) != self.newest {
                continue;
            }
            pod.sums.features(ACCIDENTS, |other, _, value| {
                if other == feature {
                    levels.push((name, value));
                }
            });
        }
        levels
    }

    /// How many series are remembered.
    pub(super) fn series(&self) -> usize {
        self.pods.values().map(Pod::series).sum()
    }

    fn make_room(&mut self, most: usize) {
        while self.pods.len() >= most.max(1) {
            let oldest = self
                .pods
                .iter()
                .min_by_key(|(_, pod)| pod.last_heard())
                .map(|(name, _)| name.clone());
            match oldest {
                Some(name) => self.pods.remove(&name),
                None => return,
            };
        }
    }
}

/// What is used and its limit, where that is the largest part.
fn fullest(parts: impl Iterator<Item = (f64, f64)>) -> Option<(f64, f64)> {
    let with_limit = parts.filter(|(_, limit)| *limit > 0.0);
    with_limit.max_by(|a, b| (a.0 / a.1).total_cmp(&(b.0 / b.1)))
}

/// What is used and its limit, by the time that a gauge stands for; the first row has none.
fn weighed(used: f64, limit: f64, span: f64) -> (f64, f64) {
    let weight = if span > 0.0 { span } else { 1.0 };
    (used * weight, limit * weight)
}

/// How much a counter rose.
fn rise(
    pod: &mut Pod,
    one: &Prepared<'_>,
    value: f64,
    (at, span): (Timestamp, f64),
    room: usize,
) -> Option<Rise> {
    let key = (one.role.number(), one.identity);
    pod.rise(key, value, at, span, room)
}

/// Adds one sample to the sums of the workload and of its pod.
fn take(
    pod: &mut Pod,
    one: &Prepared<'_>,
    value: f64,
    (at, span): (Timestamp, f64),
    room: usize,
    all: &mut Tally,
    own: &mut Tally,
) {
    match one.role {
        Role::CpuLimit | Role::MemoryLimit | Role::DiskLimit | Role::PoolLimit => {
            if let Some(limits) = pod.limit(one.limited, room) {
                match one.role {
                    Role::CpuLimit => limits.cpu = value,
                    Role::MemoryLimit => limits.memory = value,
                    Role::DiskLimit => limits.disk = value,
                    _ => limits.pool = value,
                }
            }
            return;
        }
        Role::Memory | Role::Disk => {
            let limits = pod.limits(one.limited);
            let is_memory = one.role == Role::Memory;
            let limit = if is_memory {
                limits.memory
            } else {
                limits.disk
            };
            if limit > 0.0 {
                let (value, limit) = weighed(value, limit, span);
                for tally in [all, own] {
                    let (used, most) = if is_memory {
                        (&mut tally.memory, &mut tally.memory_limit)
                    } else {
                        (&mut tally.disk, &mut tally.disk_limit)
                    };
                    *used += value;
                    // Containers share the disk, but not their memory.
                    *most = if is_memory {
                        *most + limit
                    } else {
                        most.max(limit)
                    };
                }
            }
            return;
        }
        _ => {}
    }
    let Some(rise) = rise(pod, one, value, (at, span), room) else {
        return;
    };
    if one.role == Role::Cpu {
        let limit = pod.limits(one.limited).cpu;
        if limit > 0.0 {
            for tally in [all, own] {
                tally.cpu += rise.by;
                tally.cpu_limit += limit * rise.seconds;
            }
        }
        return;
    }
    if matches!(one.role, Role::Requests { .. }) {
        all.span = span;
        own.span = span;
    }
    count(all, one.role, rise.by);
    // Which pod stands out is told by its sums; quantiles and peers are the workload's.
    if !matches!(
        one.role,
        Role::Bucket { .. } | Role::Calls { .. } | Role::CallSum { .. } | Role::CallCount { .. }
    ) {
        count(own, one.role, rise.by);
    }
}

fn count(tally: &mut Tally, role: Role<'_>, by: f64) {
    match role {
        Role::Requests { error } => {
            tally.requests += by;
            if error {
                tally.errors += by;
            }
        }
        Role::Bucket { le } => tally.bucket(le, by),
        Role::Packets => tally.packets += by,
        Role::Dropped => tally.dropped += by,
        Role::LatencySum => tally.latency += by,
        Role::LatencyCount => tally.timed += by,
        Role::Calls { peer, error } => {
            if let Some(calls) = tally.peer(peer) {
                calls.calls += by;
                if error {
                    calls.errors += by;
                }
            }
        }
        Role::CallSum { peer } => {
            if let Some(calls) = tally.peer(peer) {
                calls.seconds += by;
            }
        }
        Role::CallCount { peer } => {
            if let Some(calls) = tally.peer(peer) {
                calls.timed += by;
            }
        }
        Role::Cpu
        | Role::Memory
        | Role::Disk
        | Role::CpuLimit
        | Role::MemoryLimit
        | Role::DiskLimit
        | Role::Pool
        | Role::PoolLimit
        | Role::Certificate(_)
        | Role::Lines { .. } => {}
    }
}

#[cfg(test)]
#[path = "features_tests.rs"]
mod tests;
