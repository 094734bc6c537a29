//! The kubelet's side of a pod: its container starts, gets ready, ends, waits and starts again.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::scenario::Behaviour;

/// How long a container that crashes at its start lives.
const LIFE_OF_A_CRASH: Duration = Duration::from_secs(1);
const FIRST_BACKOFF: Duration = Duration::from_secs(10);
const LAST_BACKOFF: Duration = Duration::from_secs(300);
/// A container that has run for so long starts again without delay.
const GOOD_RUN: Duration = Duration::from_secs(600);

/// A pod's container.
#[derive(Clone, Debug)]
pub(crate) struct Container {
    phase: Phase,
    restarts: u32,
    backoff: Duration,
    started: Option<Timestamp>,
    last: Option<End>,
    /// When readiness last changed.
    turned: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    New,
    Unpullable,
    Starting {
        ready_at: Option<Timestamp>,
        crash_at: Option<Timestamp>,
    },
    Ready,
    BackOff {
        until: Timestamp,
    },
    Evicted,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct End {
    code: i32,
    reason: &'static str,
    started: Timestamp,
    at: Timestamp,
}

/// What a pod's container is subject to at this moment.
pub(crate) struct Fate<'a> {
    /// How its version behaves.
    pub(crate) behaviour: &'a Behaviour,
    /// With which code corrupt local state makes it end.
    pub(crate) corrupt: Option<i32>,
    /// Whether it needs more memory than it may have.
    pub(crate) out_of_memory: bool,
    /// How long it takes to get ready.
    pub(crate) start: Duration,
}

/// What happened to a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing.
    Same,
    /// A new container runs.
    Started,
    /// It is ready now.
    Ready,
    /// It ended.
    Ended(&'static str),
    /// Its image cannot be pulled.
    NotPulled,
}

impl Container {
    pub(crate) fn new() -> Self {
        Self {
            phase: Phase::New,
            restarts: 0,
            backoff: FIRST_BACKOFF,
            started: None,
            last: None,
            turned: None,
        }
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.phase == Phase::Ready
    }

    pub(crate) fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Ready | Phase::Starting { .. })
    }

    pub(crate) fn is_evicted(&self) -> bool {
        self.phase == Phase::Evicted
    }

    /// The kubelet ends it for good, to get its node's disk back.
    pub(crate) fn evict(&mut self, now: Timestamp) {
        self.end(now, 137, "Error");
        self.phase = Phase::Evicted;
    }

    /// What becomes of it at `now`.
    pub(crate) fn step(&mut self, now: Timestamp, fate: &Fate<'_>) -> Step {
        match self.phase {
            Phase::New if fate.behaviour.unpullable => {
                self.phase = Phase::Unpullable;
                self.turned = Some(now);
                Step::NotPulled
            }
            Phase::New => self.run(now, fate),
            Phase::BackOff { until } if now >= until => {
                self.restarts += 1;
                self.run(now, fate)
            }
            Phase::Unpullable | Phase::BackOff { .. } | Phase::Evicted => Step::Same,
            Phase::Starting { .. } | Phase::Ready if fate.out_of_memory => {
                self.end(now, 137, "OOMKilled")
            }
            Phase::Starting {
                crash_at: Some(at), ..
            } if now >= at => self.end(
                now,
                fate.corrupt.or(fate.behaviour.crash).unwrap_or(1),
                "Error",
            ),
            Phase::Starting {
                ready_at: Some(at), ..
            } if now >= at => {
                self.phase = Phase::Ready;
                self.turned = Some(now);
                Step::Ready
            }
            Phase::Ready if fate.corrupt.is_some() => {
                self.end(now, fate.corrupt.unwrap_or(1), "Error")
            }
            Phase::Starting { .. } | Phase::Ready => Step::Same,
        }
    }

    fn run(&mut self, now: Timestamp, fate: &Fate<'_>) -> Step {
        let crashes = fate.corrupt.is_some() || fate.behaviour.crash.is_some();
        let ready = !crashes && !fate.behaviour.never_ready;
        self.started = Some(now);
        self.turned.get_or_insert(now);
        self.phase = Phase::Starting {
            ready_at: ready.then(|| now + fate.start),
            crash_at: crashes.then(|| now + LIFE_OF_A_CRASH),
        };
        Step::Started
    }

    fn end(&mut self, now: Timestamp, code: i32, reason: &'static str) -> Step {
        let started = self.started.unwrap_or(now);
        if now.duration_since(started).unsigned_abs() >= GOOD_RUN {
            self.backoff = FIRST_BACKOFF;
        }
        if self.is_ready() {
            self.turned = Some(now);
        }
        self.last = Some(End {
            code,
            reason,
            started,
            at: now,
        });
        self.phase = Phase::BackOff {
            until: now + self.backoff,
        };
        self.backoff = (self.backoff * 2).min(LAST_BACKOFF);
        Step::Ended(reason)
    }

    /// The pod's status as the kubelet writes it; `containers` are those of its spec.
    pub(crate) fn status(
        &self,
        now: Timestamp,
        created: Timestamp,
        address: &str,
        containers: &[Value],
    ) -> Value {
        let ready = self.is_ready();
        let flag = if ready { "True" } else { "False" };
        let turned = stamp(self.turned.unwrap_or(created));
        let condition = |kind: &str, status: &str, at: &str| {
            let mut condition = json!({"type": kind, "status": status, "lastTransitionTime": at});
            if status == "False" {
                condition["reason"] = "ContainersNotReady".into();
                condition["message"] = "containers with unready status".into();
            } else {
                condition["reason"] = Value::Null;
                condition["message"] = Value::Null;
            }
            condition
        };
        let pulled = self.phase != Phase::Unpullable;
        let last = self.last.map_or_else(
            || json!({}),
            |end| {
                json!({"terminated": {"exitCode": end.code, "reason": end.reason,
                "startedAt": stamp(end.started), "finishedAt": stamp(end.at)}})
            },
        );
        let running = || json!({"running": {"startedAt": self.started.map(stamp)}});
        let state = match self.phase {
            Phase::New => json!({"waiting": {"reason": "ContainerCreating"}}),
            Phase::Unpullable => json!({"waiting": {"reason": "ImagePullBackOff",
                "message": "back-off pulling the image"}}),
            Phase::Starting { .. } | Phase::Ready => running(),
            Phase::BackOff { until } => {
                let wait = until.duration_since(now).as_secs().max(0);
                json!({"waiting": {"reason": "CrashLoopBackOff",
                    "message": format!("back-off {wait}s restarting failed container")}})
            }
            Phase::Evicted => last.clone(),
        };
        let statuses: Vec<Value> = containers
            .iter()
            .enumerate()
            .map(|(place, container)| {
                // The model is of the first container; what runs beside it runs well.
                let main = place == 0;
                json!({
                    "name": container["name"],
                    "image": container["image"],
                    "imageID": "",
                    "ready": if main { ready } else { pulled },
                    "started": if main { self.is_running() } else { pulled },
                    "restartCount": if main { self.restarts } else { 0 },
                    "state": if main { state.clone() } else { running() },
                    "lastState": if main { last.clone() } else { json!({}) },
                })
            })
            .collect();
        let phase = match self.phase {
            Phase::New | Phase::Unpullable => "Pending",
            Phase::Starting { .. } | Phase::Ready | Phase::BackOff { .. } => "Running",
            Phase::Evicted => "Failed",
        };
        let mut status = json!({"status": {
            "phase": phase,
            "startTime": stamp(created),
            "podIP": address,
            "podIPs": [{"ip": address}],
            "conditions": [
                condition("Initialized", "True", &stamp(created)),
                condition("ContainersReady", flag, &turned),
                condition("Ready", flag, &turned),
            ],
            "containerStatuses": statuses,
        }});
        if self.is_evicted() {
            status["status"]["reason"] = "Evicted".into();
            status["status"]["message"] = "The node was low on resource: ephemeral-storage.".into();
        }
        status
    }
}

/// A time as Kubernetes writes it: whole seconds.
pub(crate) fn stamp(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).expect("in range")
    }

    #[test]
    fn a_crash_loop_backs_off_twice_as_long_each_time() {
        let behaviour = Behaviour {
            crash: Some(3),
            ..Behaviour::default()
        };
        let fate = Fate {
            behaviour: &behaviour,
            corrupt: None,
            out_of_memory: false,
            start: Duration::from_secs(2),
        };
        let mut container = Container::new();
        let mut starts = Vec::new();
        for second in 0..100 {
            if container.step(at(second), &fate) == Step::Started {
                starts.push(second);
            }
        }
        assert_eq!(starts, [0, 11, 32, 73]);
        let status = container.status(at(99), at(0), "10.0.0.1", &[json!({"name": "app"})]);
        let main = &status["status"]["containerStatuses"][0];
        assert_eq!(main["restartCount"], 3);
        assert_eq!(main["state"]["waiting"]["reason"], "CrashLoopBackOff");
        assert_eq!(main["lastState"]["terminated"]["exitCode"], 3);
    }
}
