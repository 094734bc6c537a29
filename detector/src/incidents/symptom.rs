//! What is wrong with one workload at this moment: from the state of its objects and from the
//! episodes that the scorer holds open.

use std::collections::BTreeSet;

use aegis_schemas::{Anomaly, Blame, Entity, EventId, Evidence, EvidenceSource, Name, Timestamp};
use serde::{Deserialize, Serialize};

use super::config::{Config, Materiality, seconds};
use super::foretold;
use super::logs;
use super::objects::{Pod, Workload};
use super::world::World;

/// The kinds of symptom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Kind {
    /// A container ends again and again.
    CrashLoop,
    /// A container was killed for its memory.
    OutOfMemory,
    /// An image cannot be pulled.
    ImagePull,
    /// A pod is not ready for too long.
    NotReady,
    /// A pod finds no node.
    Unschedulable,
    /// It has no replicas, but somebody calls it.
    ScaledToZero,
    /// CPU near or at the limit.
    Cpu,
    /// Memory near the limit.
    Memory,
    /// Pods were ended because their node is short of disk.
    Evicted,
    /// What it writes fills the disk.
    Disk,
    /// Nearly all connections of a pool are in use, so that who needs one waits.
    Pool,
    /// Memory comes to its limit if it goes on like this; no harm yet.
    MemoryForetold,
    /// The disk will be full if it goes on like this; no harm yet.
    DiskForetold,
    /// All connections of a pool will be in use if it goes on like this; no harm yet.
    PoolForetold,
    /// A certificate ends soon and has not been renewed in time; no harm yet.
    CertificateForetold,
    /// Packets are dropped.
    PacketLoss,
    /// Answers are errors.
    Errors,
    /// Answers are slow.
    Latency,
    /// Calls to another workload fail.
    CallErrors,
    /// Calls to another workload are slow.
    CallLatency,
    /// Far more errors in the log than usual; no harm by itself.
    LogErrors,
    /// More requests than usual; no harm by itself.
    LoadHigh,
    /// Fewer requests than usual.
    LoadLow,
}

impl Kind {
    /// Whether somebody is worse off because of it.
    pub(super) const fn is_harm(self) -> bool {
        !matches!(self, Self::LoadHigh | Self::LoadLow) && !self.is_told()
    }

    /// Whether it is a guess at what will be.
    pub(super) const fn is_foretold(self) -> bool {
        matches!(
            self,
            Self::MemoryForetold
                | Self::DiskForetold
                | Self::PoolForetold
                | Self::CertificateForetold
        )
    }

    /// Whether people are told of it though nobody is known to be worse off.
    pub(super) const fn is_told(self) -> bool {
        self.is_foretold() || matches!(self, Self::LogErrors)
    }

    /// Whether more requests than usual bring it about.
    pub(super) const fn comes_with_load(self) -> bool {
        matches!(
            self,
            Self::Cpu
                | Self::Pool
                | Self::Latency
                | Self::Errors
                | Self::CallErrors
                | Self::CallLatency
        )
    }

    /// Whether it is about what those who call get: how much of that is too much is a matter of opinion.
    pub(super) const fn is_about_answers(self) -> bool {
        matches!(
            self,
            Self::Errors | Self::Latency | Self::CallErrors | Self::CallLatency
        )
    }

    /// Whether the node that a pod is on can bring it about.
    pub(super) const fn may_be_its_nodes(self) -> bool {
        matches!(
            self,
            Self::NotReady | Self::PacketLoss | Self::Errors | Self::Latency
        )
    }

    /// Whether it has its origin in the workload itself rather than in what it calls.
    pub(super) const fn is_intrinsic(self) -> bool {
        matches!(
            self,
            Self::CrashLoop
                | Self::OutOfMemory
                | Self::ImagePull
                | Self::NotReady
                | Self::Unschedulable
                | Self::ScaledToZero
                | Self::Cpu
                | Self::Memory
                | Self::Evicted
                | Self::Disk
                | Self::PacketLoss
        )
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Symptom {
    /// What.
    pub(super) kind: Kind,
    /// The pods that show it; empty when it is the workload's.
    pub(super) pods: BTreeSet<Entity>,
    /// The workload called, for symptoms of calls.
    pub(super) peer: Option<Name>,
    /// The event that it rests on.
    pub(super) event: EventId,
    /// When it was last known to hold, stream time.
    pub(super) at: Timestamp,
    /// What is measured; a count for object states.
    pub(super) value: f64,
    /// What it used to be.
    pub(super) expected: f64,
    /// In words.
    pub(super) text: String,
}

impl Symptom {
    /// The symptom as evidence about `entity`.
    pub(super) fn evidence(&self, entity: &Entity) -> Evidence {
        Evidence {
            event: self.event,
            source: if matches!(
                self.kind,
                Kind::CrashLoop
                    | Kind::OutOfMemory
                    | Kind::ImagePull
                    | Kind::NotReady
                    | Kind::Unschedulable
                    | Kind::ScaledToZero
                    | Kind::Evicted
            ) {
                EvidenceSource::ObjectState
            } else {
                EvidenceSource::Metrics
            },
            entity: entity.clone(),
            at: self.at,
            text: self.text.clone(),
        }
    }
}

/// An open episode as last said, with when and in which event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Episode {
    /// The event that said it last.
    pub(super) event: EventId,
    /// Stream time of that event.
    pub(super) at: Timestamp,
    /// The epoch of the samples that it is about; 0 when nobody said it.
    #[serde(default)]
    pub(super) epoch: u16,
    /// What it said.
    pub(super) anomaly: Anomaly,
}

/// All symptoms of `entity` at `now`.
pub(super) fn symptoms(
    config: &Config,
    world: &World,
    now: Timestamp,
    entity: &Entity,
    episode: Option<&Episode>,
) -> Vec<Symptom> {
    let mut found = object_symptoms(config, world, now, entity);
    if let Some(episode) = episode {
        found.extend(metric_symptoms(&config.materiality, episode));
        found.extend(foretold::symptoms(config, episode));
        found.extend(logs::symptom(&config.materiality, episode));
    }
    found.sort_by(|a, b| a.kind.cmp(&b.kind).then_with(|| a.peer.cmp(&b.peer)));
    found.dedup_by(|a, b| a.kind == b.kind && a.peer == b.peer);
    found
}

fn object_symptoms(
    config: &Config,
    world: &World,
    now: Timestamp,
    entity: &Entity,
) -> Vec<Symptom> {
    let Some(workload) = world.workloads.get(entity) else {
        return Vec::new();
    };
    let pods: Vec<(&Entity, &Pod)> = world.pods_of(entity).collect();
    let ended: Vec<(&Entity, &Pod)> = world.ended_pods_of(entity).collect();
    // A state holds until the watch says otherwise, so it is as fresh as the watch is alive.
    let at = |pod: &Pod| {
        let stated = pod.unready_since.unwrap_or(pod.first_seen);
        stated.max(world.watch_alive)
    };
    let gather_from = |pods: &[(&Entity, &Pod)], kind, what: &str, of: &dyn Fn(&Pod) -> bool| {
        let hit: Vec<&(&Entity, &Pod)> = pods.iter().filter(|(_, pod)| of(pod)).collect();
        let newest = hit.iter().max_by_key(|(_, pod)| at(pod))?;
        let names: Vec<&str> = hit.iter().map(|(pod, _)| pod.name.as_str()).collect();
        Some(Symptom {
            kind,
            pods: hit.iter().map(|(pod, _)| (*pod).clone()).collect(),
            peer: None,
            event: newest.1.event,
            at: at(newest.1),
            value: hit.len() as f64,
            expected: 0.0,
            text: format!(
                "{} of {} pods {what}: {}",
                hit.len(),
                pods.len(),
                shorten(&names)
            ),
        })
    };
    let gather = |kind, what: &str, of: &dyn Fn(&Pod) -> bool| gather_from(&pods, kind, what, of);
    let evicted = |pod: &Pod| world.has_problem(entity, pod, "DiskPressure");
    let oom = |pod: &Pod| {
        pod.state
            .terminated
            .as_ref()
            .is_some_and(|end| end.reason == "OOMKilled")
            && (restarts_within(pod, now, config.restart_window_s) > 0
                // Killed a moment ago, and waits for its restart.
                || (!pod.state.ready && pod.state.waiting.is_some()))
    };
    let mut found: Vec<Symptom> = [
        gather_from(
            &ended,
            Kind::Evicted,
            "that failed are on a node under disk pressure",
            &evicted,
        ),
        gather(Kind::ImagePull, "cannot pull their image", &is_image_pull),
        gather(Kind::OutOfMemory, "were killed for their memory", &oom),
        gather(Kind::CrashLoop, "crash in a loop", &|pod| {
            is_crash_loop(config, now, pod)
        }),
        gather(Kind::Unschedulable, "find no node", &|pod| {
            pod.state.unschedulable.is_some() && unready_for(pod, now, config.not_ready_grace_s)
        }),
        gather(Kind::NotReady, "are not ready", &|pod| {
            unready_for(pod, now, config.not_ready_grace_s)
        }),
    ]
    .into_iter()
    .flatten()
    .collect();
    found.extend(scaled_to_zero(config, world, now, entity, workload));
    found
}

/// No replicas, a recent change to that, and somebody who calls it.
fn scaled_to_zero(
    config: &Config,
    world: &World,
    now: Timestamp,
    entity: &Entity,
    workload: &Workload,
) -> Option<Symptom> {
    if workload.state.replicas != 0 || workload.state.uid.is_empty() {
        return None;
    }
    world.callers(entity).next()?;
    let change = workload
        .changes
        .iter()
        .rev()
        .find(|seen| seen.change.what == "replicas")?;
    (now.since(change.at) <= seconds(config.change_window_s)).then(|| Symptom {
        kind: Kind::ScaledToZero,
        pods: BTreeSet::new(),
        peer: None,
        event: change.event,
        at: change.at.max(world.watch_alive),
        value: 0.0,
        expected: f64::from(workload.healthy_replicas),
        text: format!("scaled to 0 by `{}` while others call it", change.change.by),
    })
}

fn is_image_pull(pod: &Pod) -> bool {
    pod.state.waiting.as_deref().is_some_and(|why| {
        matches!(
            why,
            "ImagePullBackOff" | "ErrImagePull" | "InvalidImageName"
        )
    })
}

fn is_crash_loop(config: &Config, now: Timestamp, pod: &Pod) -> bool {
    let waiting = pod.state.waiting.as_deref().is_some_and(|why| {
        matches!(
            why,
            "CrashLoopBackOff" | "RunContainerError" | "StartError" | "CreateContainerConfigError"
        )
    });
    let restarts = restarts_within(pod, now, config.restart_window_s);
    waiting || (restarts >= config.crash_loop_restarts && !pod.state.ready)
}

/// How often the pod restarted within the last `window` seconds.
pub(super) fn restarts_within(pod: &Pod, now: Timestamp, window: u64) -> usize {
    pod.restarts
        .iter()
        .filter(|at| now.since(**at) <= seconds(window))
        .count()
}

fn unready_for(pod: &Pod, now: Timestamp, grace: u64) -> bool {
    pod.unready_since
        .is_some_and(|since| now.since(since) > seconds(grace))
}

/// What an episode's features mean, as far as their sizes matter to anybody.
pub(super) fn metric_symptoms(
    matters: &Materiality,
    episode: &Episode,
) -> impl Iterator<Item = Symptom> {
    let blamed = episode.anomaly.blame.iter();
    blamed.filter_map(|blame| metric_symptom(matters, episode, blame))
}

/// What one blamed feature means, if its size matters to anybody.
fn metric_symptom(m: &Materiality, episode: &Episode, blame: &Blame) -> Option<Symptom> {
    let (value, expected) = (blame.value, blame.expected);
    let up = blame.deviation >= m.deviation;
    let (feature, peer) = match blame.feature.split_once('.') {
        Some((feature, peer)) => (feature, Name::parse(peer).ok()),
        None => (blame.feature.as_str(), None),
    };
    let slow = up && value > expected * m.latency_factor && value > expected + m.latency_seconds;
    let failing = up && value >= m.error_ratio && value > expected * 2.0;
    let (kind, text) = match feature {
        "cpu_utilisation" if up && value >= m.cpu_utilisation => (
            Kind::Cpu,
            format!(
                "CPU at {} of its limit, usually {}",
                percent(value),
                percent(expected)
            ),
        ),
        "memory_utilisation" if up && value >= m.memory_utilisation => (
            Kind::Memory,
            format!(
                "memory at {} of its limit, usually {}",
                percent(value),
                percent(expected)
            ),
        ),
        "disk_utilisation" if up && value >= m.disk_utilisation => (
            Kind::Disk,
            format!(
                "its files are {} of the disk, usually {}",
                percent(value),
                percent(expected)
            ),
        ),
        "pool_utilisation" if up && value >= m.pool_utilisation => (
            Kind::Pool,
            format!(
                "{} of the connections of its pool are in use, usually {}",
                percent(value),
                percent(expected)
            ),
        ),
        "packet_loss" if up && value >= m.packet_loss => (
            Kind::PacketLoss,
            format!(
                "{} of packets are dropped, usually {}",
                percent(value),
                percent(expected)
            ),
        ),
        "error_ratio" if failing => (
            Kind::Errors,
            format!(
                "{} of answers are errors, usually {}",
                percent(value),
                percent(expected)
            ),
        ),
        "latency_p99" | "latency_mean" | "latency_p50" if slow => (
            Kind::Latency,
            format!("{feature} {}, usually {}", millis(value), millis(expected)),
        ),
        "call_error_ratio" if failing => (
            Kind::CallErrors,
            format!(
                "{} of calls to {} fail, usually {}",
                percent(value),
                peer.as_ref()?,
                percent(expected)
            ),
        ),
        "call_latency" if slow => (
            Kind::CallLatency,
            format!(
                "calls to {} take {}, usually {}",
                peer.as_ref()?,
                millis(value),
                millis(expected)
            ),
        ),
        "request_rate" if up && value > expected * m.load_factor => (
            Kind::LoadHigh,
            format!("{value:.1} requests/s, usually {expected:.1}"),
        ),
        "request_rate" if -blame.deviation >= m.deviation && value * m.load_factor < expected => (
            Kind::LoadLow,
            format!("{value:.1} requests/s, usually {expected:.1}"),
        ),
        _ => return None,
    };
    Some(Symptom {
        peer,
        ..measured(episode, blame, kind, text)
    })
}

/// A symptom that one blamed feature shows.
pub(super) fn measured(episode: &Episode, blame: &Blame, kind: Kind, text: String) -> Symptom {
    let pods = blame.pod.iter().map(|pod| Entity {
        kind: aegis_schemas::EntityKind::Pod,
        name: pod.clone(),
        ..episode.anomaly.entity.clone()
    });
    Symptom {
        kind,
        pods: pods.collect(),
        peer: None,
        event: episode.event,
        at: episode.at,
        value: blame.value,
        expected: blame.expected,
        text,
    }
}

pub(super) fn percent(ratio: f64) -> String {
    format!("{:.1} %", ratio * 100.0)
}

fn millis(seconds: f64) -> String {
    format!("{:.0} ms", seconds * 1000.0)
}

/// The first few names, so that a text about a thousand pods stays a text.
fn shorten(names: &[&str]) -> String {
    let shown = names.iter().take(5).copied().collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(6) {
        Some(_) => format!("{shown} and {} more", names.len() - 5),
        None => shown,
    }
}
