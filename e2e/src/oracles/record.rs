//! The record against the streams and against what was accepted: O1.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aegis_audit_sink::read::{Entry, Reader};
use aegis_nats::{Bus, StreamInfo};
use aegis_schemas::{Event, EventId, OutcomePhase, Stream, Timestamp, Warrant};
use anyhow::{Result, bail, ensure};
use tokio::time::Instant;

use super::acts::{Applied, Decided};
use crate::Stack;
use crate::witness::Accepted;

/// How long the last message of a pipeline at rest may take to be on record.
const WHOLE_WITHIN: Duration = Duration::from_secs(30);
const PAGE: u32 = 1_000;
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The whole record.
pub(super) struct Record {
    entries: Vec<Entry>,
}

impl Record {
    /// Waits until everything that the streams hold now, and all that was accepted, is on record.
    pub(super) async fn whole(stack: &Stack, bus: &Bus, accepted: &[Accepted]) -> Result<Self> {
        let mut streams = BTreeMap::new();
        for stream in Stream::ALL {
            streams.insert(stream, bus.stream_info(stream).await?);
        }
        let reader = stack.reader().await?;
        let mut record = Self {
            entries: Vec::new(),
        };
        let begun = Instant::now();
        loop {
            record.read(&reader).await?;
            let missing = record.missing(&streams, accepted)?;
            match missing.first() {
                None => return Ok(record),
                Some(first) if begun.elapsed() > WHOLE_WITHIN => bail!(
                    "{} messages are not on record after {} s, such as {first}",
                    missing.len(),
                    WHOLE_WITHIN.as_secs()
                ),
                Some(_) => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Every signed decision.
    pub(super) fn decided(&self) -> Vec<Decided> {
        let warrants = self.events().filter_map(|(seq, event)| match event {
            Event::Warrant(envelope) => Some((seq, envelope.peek().ok()?)),
            _ => None,
        });
        warrants
            .map(|(seq, warrant)| {
                let entity = &warrant.target.object.entity;
                let namespace = entity.namespace.as_ref().map_or("", |one| one.as_str());
                Decided {
                    id: warrant.decision_id.to_string(),
                    seq,
                    object: format!("{namespace}/{}", entity.name),
                    from: wall(warrant.nbf),
                    until: wall(warrant.exp),
                    fence: warrant.fence,
                }
            })
            .collect()
    }

    /// Every act that the executor says was carried out.
    pub(super) fn applied(&self) -> Vec<Applied> {
        let outcomes = self.events().filter_map(|(seq, event)| match event {
            Event::Outcome(outcome) if outcome.phase == OutcomePhase::Applied => Some(Applied {
                decision: outcome.decision.to_string(),
                seq,
            }),
            _ => None,
        });
        outcomes.collect()
    }

    /// What can be read of AEGIS_EVENTS, with where it stands: a place in a later epoch is a later one.
    fn events(&self) -> impl Iterator<Item = (u64, Event)> {
        let records = self.entries.iter().map(|entry| &entry.record);
        records
            .filter(|record| record.stream == Stream::Events)
            .filter_map(|record| {
                Some((
                    Warrant::fence(record.epoch, record.seq),
                    record.event().ok()?,
                ))
            })
    }

    async fn read(&mut self, reader: &Reader) -> Result<()> {
        loop {
            let next = self.entries.last().map_or(0, |last| last.idx + 1);
            let page = reader.entries(next, PAGE).await?;
            if page.is_empty() {
                return Ok(());
            }
            self.entries.extend(page);
        }
    }

    /// What is not on record yet.
    ///
    /// # Errors
    ///
    /// When something is there twice, or is there and was never stored.
    fn missing(
        &self,
        streams: &BTreeMap<Stream, StreamInfo>,
        accepted: &[Accepted],
    ) -> Result<Vec<String>> {
        let mut missing = Vec::new();
        for (stream, info) in streams {
            let mut there: BTreeMap<u16, BTreeSet<u64>> =
                BTreeMap::from([(info.epoch, BTreeSet::new())]);
            let records = self.entries.iter().map(|entry| &entry.record);
            for record in records.filter(|record| record.stream == *stream) {
                let (epoch, seq) = (record.epoch, record.seq);
                let place = format!("{stream} {seq} of epoch {epoch}");
                ensure!(
                    epoch <= info.epoch,
                    "{place}: the stream is in {}",
                    info.epoch
                );
                let stored = epoch < info.epoch || seq >= info.first_seq;
                ensure!(stored, "{place} was never stored");
                ensure!(
                    there.entry(epoch).or_default().insert(seq),
                    "{place} is there twice"
                );
            }
            for (epoch, there) in there {
                // An empty stream ends at 0; the first message has sequence 1. One that was made anew since
                // is whole without gaps up to its end, which nobody but the record knows any more.
                let stored = match epoch == info.epoch {
                    true => info.first_seq.max(1)..=info.last_seq,
                    false => 1..=there.last().copied().unwrap_or(0),
                };
                let absent = stored.filter(|seq| !there.contains(seq));
                missing.extend(absent.map(|seq| format!("{stream} {seq} of epoch {epoch}")));
            }
        }
        let seen = self.places_of(accepted);
        for event in accepted {
            let places = |id: EventId, stream| {
                let places = seen.get(&(stream, id)).map_or(&[][..], Vec::as_slice);
                ensure!(places.len() <= 1, "{id} is in {stream} twice: {places:?}");
                Ok(places.first().copied())
            };
            match places(event.id, Stream::Intake)? {
                Some(seq) => ensure!(
                    seq == event.seq,
                    "{event:?} is at {seq} of {}",
                    Stream::Intake
                ),
                None => missing.push(format!("{event:?}")),
            }
            if places(event.becomes(), Stream::Events)?.is_none() {
                missing.push(format!("what {event:?} becomes"));
            }
        }
        Ok(missing)
    }

    /// Where the accepted events stand, and what they become.
    fn places_of(&self, accepted: &[Accepted]) -> BTreeMap<(Stream, EventId), Vec<u64>> {
        let wanted: BTreeSet<EventId> = accepted
            .iter()
            .flat_map(|event| [event.id, event.becomes()])
            .collect();
        let mut places: BTreeMap<(Stream, EventId), Vec<u64>> = BTreeMap::new();
        for record in self.entries.iter().map(|entry| &entry.record) {
            if let Some(id) = record.event_id()
                && wanted.contains(&id)
            {
                places
                    .entry((record.stream, id))
                    .or_default()
                    .push(record.seq);
            }
        }
        places
    }
}

fn wall(time: Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_nanosecond(time.as_nanos().into()).unwrap_or_default()
}
