//! What a stream lost. The record remembers how far each stream went and what stood where; a stream that
//! contradicts it is damaged until it is made anew.
//!
//! nats-server cuts a stream at a damaged message when it starts after a crash, says nothing, and gives the
//! sequences behind it to new messages. After a stop in order it notices nothing until the message is read.
//! So looks at the state of a stream find the one, a position whose bytes differ from the record finds it
//! as well when the sequences are used again, and reading finds the other.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use aegis_nats::{Bus, StreamInfo};
use aegis_schemas::Stream;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::health::Progress;

/// The most messages of a stream that are read, the newest ones: they are what a crash damages.
const MAX_READ: u64 = 20_000;
/// So many are read between two pauses: what is read may be much, and nothing waits for it.
const PAGE: u64 = 100;
const PAUSE: Duration = Duration::from_millis(20);
/// How often all of it is read again while the server is the same.
const READ_EVERY: Duration = Duration::from_secs(3_600);
/// How often is looked whether the server was started again.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// What is wrong with a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Damage {
    /// It is of an earlier epoch than the record.
    OlderCopy,
    /// It ends before what is on record.
    Cut {
        /// The last sequence on record.
        recorded: u64,
        /// The last sequence of the stream.
        last: u64,
    },
    /// So many messages between its first and its last are gone.
    Holes(u64),
    /// A message cannot be read.
    Unreadable(u64),
    /// The record has other bytes where a message stands.
    Reused,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OlderCopy => f.write_str("it is an older copy"),
            Self::Cut { recorded, last } => {
                write!(f, "it ends at {last}, and {recorded} is on record")
            }
            Self::Holes(lost) => write!(f, "{lost} messages in it are gone"),
            Self::Unreadable(seq) => write!(f, "message {seq} cannot be read"),
            Self::Reused => f.write_str("sequences that are on record stand for other messages"),
        }
    }
}

/// What the state of a stream shows of damage. `recorded` is the highest epoch and sequence on record, as
/// they were known before the stream was asked.
pub(crate) fn of_state(recorded: Option<(u16, u64)>, info: &StreamInfo) -> Option<Damage> {
    if let Some((epoch, seq)) = recorded {
        if epoch > info.epoch {
            return Some(Damage::OlderCopy);
        }
        if epoch == info.epoch && seq > info.last_seq {
            return Some(Damage::Cut {
                recorded: seq,
                last: info.last_seq,
            });
        }
    }
    // Nobody may delete, and age takes the oldest.
    let span = (info.last_seq + 1).saturating_sub(info.first_seq);
    let lost = span.saturating_sub(info.messages);
    (info.messages > 0 && lost > 0).then_some(Damage::Holes(lost))
}

/// Reads the streams whenever the server was started, until `stop`; takes note of what cannot be read.
pub(crate) async fn scrub(bus: &Bus, progress: &Progress, stop: CancellationToken) {
    let mut done: Option<(String, Instant)> = None;
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        let server = bus.server_id();
        let due = done
            .as_ref()
            .is_none_or(|(of, at)| *of != server || at.elapsed() >= READ_EVERY);
        if !due {
            continue;
        }
        match stop.run_until_cancelled(read_all(bus, progress)).await {
            Some(Ok(read)) => {
                tracing::debug!(read, "the streams can be read");
                done = Some((server, Instant::now()));
            }
            Some(Err(error)) => tracing::warn!(%error, "cannot read the streams yet"),
            None => return,
        }
    }
}

async fn read_all(bus: &Bus, progress: &Progress) -> Result<u64, aegis_nats::Error> {
    let mut read = 0;
    for stream in Stream::ALL {
        let info = bus.stream_info(stream).await?;
        let oldest = info
            .first_seq
            .max(info.last_seq.saturating_sub(MAX_READ) + 1);
        if info.messages == 0 {
            continue;
        }
        for seq in (oldest..=info.last_seq).rev() {
            if !bus.has(stream, seq).await? {
                // What became too old, or of a stream that was made anew, is no damage.
                let now = bus.stream_info(stream).await?;
                if now.epoch == info.epoch && now.first_seq <= seq {
                    progress.note_damage(stream, info.epoch, Damage::Unreadable(seq));
                }
                break;
            }
            read += 1;
            if seq.is_multiple_of(PAGE) {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    Ok(read)
}

/// Damage that was found otherwise than in a stream's state, by stream, with the epoch that it is of.
pub(crate) type Found = BTreeMap<Stream, (u16, Damage)>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_that_contradicts_the_record_is_damaged_until_its_next_epoch() {
        let state = |epoch, first_seq, last_seq, messages| StreamInfo {
            epoch,
            first_seq,
            last_seq,
            messages,
            bytes: 0,
            max_bytes: 0,
        };
        let cut = Damage::Cut {
            recorded: 10,
            last: 9,
        };
        let table = [
            (None, state(1, 0, 0, 0), None),
            (None, state(1, 1, 10, 10), None),
            (Some((1, 10)), state(1, 1, 10, 10), None),
            (Some((1, 10)), state(1, 1, 12, 12), None),
            (Some((1, 10)), state(1, 1, 9, 9), Some(cut)),
            // All of it is too old; the next message has sequence 11.
            (Some((1, 10)), state(1, 11, 10, 0), None),
            (Some((1, 10)), state(1, 4, 12, 9), None),
            (Some((1, 10)), state(1, 4, 12, 7), Some(Damage::Holes(2))),
            (Some((2, 1)), state(1, 1, 10, 10), Some(Damage::OlderCopy)),
            (Some((1, 10)), state(2, 1, 2, 2), None),
            (Some((1, 10)), state(2, 0, 0, 0), None),
        ];
        for (recorded, info, expected) in table {
            assert_eq!(of_state(recorded, &info), expected, "{recorded:?} {info:?}");
        }
    }
}
