//! How far the log is behind the streams, and whether these contradict it: others stop acting when it is
//! too far, or when one does.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aegis_nats::kv::{Health, HealthBoard};
use aegis_nats::lag::Behind;
use aegis_nats::{Bus, StreamInfo};
use aegis_schemas::{Stream, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::damage::{self, Damage, Found};
use crate::metrics;
use crate::sequencer::Newest;

/// What is known of each stream, shared between who writes, who reads again and who tells.
#[derive(Debug, Default)]
pub(crate) struct Progress(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// The newest entry.
    newest: BTreeMap<Stream, Newest>,
    damage: Found,
}

impl Progress {
    /// Takes note of an entry.
    pub(crate) fn note(&self, newest: Newest) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = known.newest.entry(newest.stream).or_insert(newest);
        if (newest.epoch, newest.seq) > (kept.epoch, kept.seq) {
            *kept = newest;
        }
    }

    /// The newest entry of `stream`.
    pub(crate) fn of(&self, stream: Stream) -> Option<Newest> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.newest.get(&stream).copied()
    }

    /// Takes note of damage to a stream. Of an epoch the first is kept: others follow from it.
    pub(crate) fn note_damage(&self, stream: Stream, epoch: u16, damage: Damage) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = known.damage.get(&stream);
        if kept.is_some_and(|(of, _)| *of >= epoch) {
            return;
        }
        known.damage.insert(stream, (epoch, damage));
        tracing::error!(
            %stream,
            epoch,
            %damage,
            "the stream is damaged, nothing acts until it is made anew: `aegis provision --new-epoch {stream}`"
        );
    }

    /// Whether the stream was found damaged in that epoch.
    fn is_damaged(&self, stream: Stream, epoch: u16) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .damage
            .get(&stream)
            .is_some_and(|(of, _)| *of == epoch)
    }
}

/// The epoch and the last sequence of each stream, as they were last seen.
type Marks = BTreeMap<Stream, (u16, u64)>;

/// Says every `every` how far the log is behind, until `stop`.
pub(crate) async fn run(bus: &Bus, progress: &Progress, every: Duration, stop: CancellationToken) {
    let board = HealthBoard::new(bus);
    let mut behind: BTreeMap<Stream, Behind> = BTreeMap::new();
    let mut marks = Marks::new();
    let mut suspects = Found::new();
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        let measured = measure(bus, progress, &mut behind, &mut marks, &mut suspects).await;
        let said = match measured {
            Ok(health) => board.write(health).await,
            Err(error) => Err(error),
        };
        if let Err(error) = said {
            tracing::warn!(%error, "cannot say how far the audit log is behind");
        }
    }
}

async fn measure(
    bus: &Bus,
    progress: &Progress,
    behind: &mut BTreeMap<Stream, Behind>,
    marks: &mut Marks,
    suspects: &mut Found,
) -> Result<Health, aegis_nats::Error> {
    let mut health = Health {
        lag_seconds: 0.0,
        fill: 0.0,
        ..Health::default()
    };
    let mut damaged = false;
    for stream in Stream::ALL {
        // Before the stream is asked: the log may go on meanwhile.
        let recorded = progress.of(stream).map(|newest| (newest.epoch, newest.seq));
        let mark = recorded.max(marks.get(&stream).copied());
        let info = bus.stream_info(stream).await?;
        // One look may be at a server that has not caught up.
        let seen = damage::of_state(mark, &info).map(|damage| (info.epoch, damage));
        let before = seen.and_then(|seen| suspects.insert(stream, seen));
        match (seen, before) {
            (Some((epoch, damage)), Some((again, _))) if epoch == again => {
                progress.note_damage(stream, epoch, damage);
            }
            (None, _) => {
                suspects.remove(&stream);
                marks.insert(stream, (info.epoch, info.last_seq));
            }
            _ => {}
        }
        let is_damaged = progress.is_damaged(stream, info.epoch);
        metrics::damaged(stream, is_damaged);
        damaged |= is_damaged;
        let newest = progress
            .of(stream)
            .filter(|newest| newest.epoch == info.epoch);
        let stored = newest.map_or(0, |newest| newest.seq);
        let mut lag = behind
            .entry(stream)
            .or_default()
            .lag(Instant::now(), info.last_seq, stored);
        // These two never rest, so that the newest entry's age is the lag, also after an outage.
        let steady = matches!(stream, Stream::Metrics | Stream::Events);
        if let (true, false, Some(newest)) = (steady, lag.is_zero(), newest) {
            lag = lag.max(wall_clock().since(newest.time));
        }
        metrics::lag(stream, lag);
        metrics::fill(stream, info.fill());
        health.lag_seconds = health.lag_seconds.max(lag.as_secs_f64());
        health.fill = health.fill.max(unstored_share(&info, stored));
    }
    Ok(if damaged { Health::DAMAGED } else { health })
}

/// What is not stored as a share of what the stream may hold.
fn unstored_share(info: &StreamInfo, stored: u64) -> f64 {
    if info.messages == 0 {
        return 0.0;
    }
    let unstored = info.last_seq.saturating_sub(stored).min(info.messages);
    info.fill() * unstored as f64 / info.messages as f64
}

/// What time it is; only to say how old something is.
pub(crate) fn wall_clock() -> Timestamp {
    Timestamp::EPOCH
        + SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
}
