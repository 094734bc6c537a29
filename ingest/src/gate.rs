//! Whether samples are taken at this moment: no audit, no intake; no room, no intake.

use std::time::Duration;

use aegis_nats::kv::{HealthBoard, Seen};
use aegis_nats::{Bus, StreamInfo};
use aegis_schemas::Stream;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::metrics;

/// How full a stream may be; above it commands, outcomes and undo must still fit.
const MAX_FILL: f64 = 0.8;
/// How far behind the audit log may be, in seconds.
const MAX_LAG_S: f64 = 3_600.0;
/// How much of a stream the audit log may have before it.
const MAX_BACKLOG: f64 = 0.25;
/// How old the audit sink's word may be.
const MAX_SILENCE: Duration = Duration::from_secs(30);
/// How often is looked.
const EVERY: Duration = Duration::from_secs(1);

/// What was last seen.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sight {
    /// Why nothing is taken; `None` when it is.
    closed: Option<String>,
    /// How full AEGIS_EVENTS is, from 0 to 1; `None` before the first look.
    fill: Option<f64>,
    /// The epoch of AEGIS_EVENTS; `None` before the first look.
    epoch: Option<u16>,
}

/// Tells whether samples are taken.
#[derive(Clone, Debug)]
pub(crate) struct Gate(watch::Receiver<Sight>);

impl Gate {
    /// A gate that is closed until [`keep`] has looked.
    pub(crate) fn new() -> (watch::Sender<Sight>, Self) {
        let (sender, receiver) = watch::channel(Sight {
            closed: Some("ingest is starting".to_owned()),
            fill: None,
            epoch: None,
        });
        (sender, Self(receiver))
    }

    /// Why nothing is taken; `None` when it is.
    pub(crate) fn closed(&self) -> Option<String> {
        self.0.borrow().closed.clone()
    }

    /// How full AEGIS_EVENTS is, from 0 to 1.
    pub(crate) fn fill(&self) -> f64 {
        self.0.borrow().fill.unwrap_or(0.0)
    }

    /// Waits until samples are taken.
    pub(crate) async fn opened(&self) {
        self.wait_for(|sight| sight.closed.is_none()).await;
    }

    /// Waits until it is known how full AEGIS_EVENTS is.
    pub(crate) async fn looked(&self) {
        self.wait_for(|sight| sight.fill.is_some()).await;
    }

    /// Waits until AEGIS_EVENTS is another one than that of `epoch`, and keeps its epoch there.
    pub(crate) async fn made_anew(&self, epoch: &mut Option<u16>) {
        let mut now = None;
        self.wait_for(|sight| {
            now = sight.epoch;
            let first = epoch.is_none();
            if first {
                *epoch = now;
            }
            *epoch != now
        })
        .await;
        *epoch = now;
    }

    async fn wait_for(&self, seen: impl FnMut(&Sight) -> bool) {
        let mut gate = self.0.clone();
        if gate.wait_for(seen).await.is_err() {
            // Nobody looks any more: the process is stopping.
            std::future::pending::<()>().await;
        }
    }
}

/// Looks every second until `stop`.
pub(crate) async fn keep(bus: Bus, gate: watch::Sender<Sight>, stop: CancellationToken) {
    let board = HealthBoard::new(&bus);
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = every.tick() => {}
        }
        let seen = look(&bus, &board).await;
        metrics::open(seen.closed.is_none());
        gate.send_if_modified(|last| {
            match (&last.closed, &seen.closed) {
                (None, Some(reason)) => tracing::warn!(reason, "nothing is taken for now"),
                (Some(_), None) => tracing::info!("samples are taken"),
                _ => {}
            }
            let next = Sight {
                fill: seen.fill.or(last.fill),
                epoch: seen.epoch.or(last.epoch),
                ..seen
            };
            let changed = *last != next;
            *last = next;
            changed
        });
    }
}

async fn look(bus: &Bus, board: &HealthBoard) -> Sight {
    let (mut fill, mut epoch) = (None, None);
    let asked = async {
        let events = bus.stream_info(Stream::Events).await?;
        (fill, epoch) = (Some(events.fill()), Some(events.epoch));
        let audit = board.audit().await?;
        let metrics = bus.stream_info(Stream::Metrics).await?;
        Ok::<_, aegis_nats::Error>(reason(
            audit,
            &[(Stream::Metrics, metrics), (Stream::Events, events)],
        ))
    };
    let closed = asked.await.unwrap_or_else(|error| Some(error.to_string()));
    Sight {
        closed,
        fill,
        epoch,
    }
}

/// Why nothing may be taken.
fn reason(audit: Option<Seen>, streams: &[(Stream, StreamInfo)]) -> Option<String> {
    let Some(audit) = audit else {
        return Some("the audit sink has not reported yet".to_owned());
    };
    if audit.age > MAX_SILENCE {
        return Some(format!(
            "the audit sink was last heard {} s ago",
            audit.age.as_secs()
        ));
    }
    if audit.health.is_damaged() {
        return Some("a stream lost messages, the audit sink says which".to_owned());
    }
    // Asked this way round, what is not a number is no health.
    let keeps_up = audit.health.lag_seconds <= MAX_LAG_S && audit.health.fill <= MAX_BACKLOG;
    if !keeps_up {
        return Some(format!(
            "the audit sink is {:.0} s behind",
            audit.health.lag_seconds
        ));
    }
    streams
        .iter()
        .find(|(_, info)| info.fill() >= MAX_FILL)
        .map(|(stream, info)| format!("{stream} is {:.0} % full", info.fill() * 100.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aegis_nats::kv::Health;

    fn seen(lag_seconds: f64, fill: f64, age: u64) -> Option<Seen> {
        Some(Seen {
            health: Health {
                lag_seconds,
                fill,
                ..Health::default()
            },
            age: Duration::from_secs(age),
        })
    }

    fn stream(bytes: u64) -> [(Stream, StreamInfo); 1] {
        let info = StreamInfo {
            epoch: 1,
            first_seq: 1,
            last_seq: 1,
            messages: 1,
            bytes,
            max_bytes: 100,
        };
        [(Stream::Metrics, info)]
    }

    #[test]
    fn nothing_is_taken_without_audit_or_room() {
        for (audit, bytes, open) in [
            (seen(1.0, 0.0, 5), 10, true),
            (None, 10, false),
            (seen(1.0, 0.0, 31), 10, false),
            (seen(3_601.0, 0.0, 5), 10, false),
            (seen(1.0, 0.26, 5), 10, false),
            (seen(f64::NAN, 0.0, 5), 10, false),
            (seen(1.0, f64::NAN, 5), 10, false),
            (seen(1.0, 0.0, 5), 79, true),
            (seen(1.0, 0.0, 5), 80, false),
        ] {
            let reason = reason(audit, &stream(bytes));
            assert_eq!(reason.is_none(), open, "{audit:?} {bytes} {reason:?}");
        }
    }
}
