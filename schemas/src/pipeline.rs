//! What a pure core is: one ordered log in, messages out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{Event, EventId, Subject, Timestamp, Warrant, codec, header::Meta};

/// Where an output of a core stands in all that this core ever said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The core, such as `scorer/0` or `policy/demo`.
    pub producer: String,
    /// The epoch of the stream that the core reads: made anew, it counts from 1 again. `None` in messages
    /// of versions that did not say it: then it is the epoch that the producer was last seen in.
    pub epoch: Option<u16>,
    /// The stream sequence of the input that caused it, in the log which that core reads.
    pub cause_seq: u64,
    /// Its number among the outputs of that input, from 0.
    pub ordinal: u32,
}

/// A message as a core receives it.
#[derive(Clone, Debug)]
pub struct Input {
    /// The epoch of the stream.
    pub epoch: u16,
    /// Its sequence in the stream.
    pub seq: u64,
    /// JetStream's time of it: the core's `now`. The shell never lets it fall.
    pub time: Timestamp,
    /// The event's id.
    pub id: EventId,
    /// The event that it answers.
    pub cause: Option<EventId>,
    /// Where it stands in its producer's output, if a core made it.
    pub origin: Option<Origin>,
    /// What it says.
    pub event: Event,
}

/// A message that a core wants published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The event's id, derived from the input's.
    pub id: EventId,
    /// Where it is published.
    pub subject: Subject,
    /// The type of the body.
    pub kind: crate::Kind,
    /// Its bytes.
    pub body: Vec<u8>,
    /// The event that it answers.
    pub cause: EventId,
    /// Where it stands in the core's output.
    pub origin: Origin,
    /// Stream time of the cause.
    pub time: Timestamp,
}

impl Output {
    /// The envelope to publish it with.
    #[must_use]
    pub fn meta(&self) -> Meta {
        Meta {
            id: self.id,
            kind: self.kind.as_str().to_owned(),
            source: self.origin.producer.clone(),
            time: self.time,
            cause: Some(self.cause),
            origin: Some(self.origin.clone()),
            traceparent: None,
        }
    }
}

/// A pure core: a function of the events of one ordered log, its state and its configuration.
///
/// It reads no clock, no socket, no environment and no random number; the same inputs in the same
/// order give the same bytes, however they are batched and wherever a snapshot was taken.
pub trait Core: Clone + Send + 'static {
    /// What a snapshot keeps.
    type State: Serialize + DeserializeOwned;

    /// The producer's name in [`Origin`], also the key of its lease and snapshot, such as `policy/demo`.
    fn producer(&self) -> String;

    /// Takes one event and says what follows from it.
    fn handle(&mut self, input: &Input) -> Vec<Output>;

    /// All that the core remembers.
    fn state(&self) -> Self::State;

    /// Goes on from `state`; configuration stays.
    fn restore(&mut self, state: Self::State);
}

/// Collects the outputs that one input causes and numbers them.
#[derive(Debug)]
pub struct Emitter<'a> {
    producer: &'a str,
    input: &'a Input,
    outputs: Vec<Output>,
}

impl<'a> Emitter<'a> {
    /// Nothing said yet in answer to `input`.
    #[must_use]
    pub const fn new(producer: &'a str, input: &'a Input) -> Self {
        Self {
            producer,
            input,
            outputs: Vec::new(),
        }
    }

    /// The id that the next output will have: for messages that carry their own id.
    #[must_use]
    pub fn next_id(&self) -> EventId {
        EventId::derive(self.producer, self.input.id, self.ordinal())
    }

    /// An id for what begins with the input and is told from others by `what`, however much else is said.
    #[must_use]
    pub fn id_of(&self, what: &str) -> EventId {
        EventId::derive(&format!("{}/{what}", self.producer), self.input.id, 0)
    }

    /// Adds an output.
    ///
    /// # Errors
    ///
    /// When its body is larger than [`codec::MAX_BODY`].
    pub fn emit(&mut self, subject: Subject, event: &Event) -> Result<EventId, codec::Error> {
        let id = self.next_id();
        let body = event.encode()?;
        let ordinal = self.ordinal();
        self.outputs.push(Output {
            id,
            subject,
            kind: event.kind(),
            body,
            cause: self.input.id,
            origin: Origin {
                producer: self.producer.to_owned(),
                epoch: Some(self.input.epoch),
                cause_seq: self.input.seq,
                ordinal,
            },
            time: self.input.time,
        });
        Ok(id)
    }

    /// All outputs, in the order of their ordinals.
    #[must_use]
    pub fn finish(self) -> Vec<Output> {
        self.outputs
    }

    fn ordinal(&self) -> u32 {
        u32::try_from(self.outputs.len()).unwrap_or(u32::MAX)
    }
}

/// What a reader has seen of each producer: two holders of a lease say the same thing twice, and
/// beyond the stream's dedupe window both copies are kept, so readers drop what is not above the last.
///
/// What was seen of a producer whose stream was made anew since is no measure of what it says now: a
/// later epoch is above everything of an earlier one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seen(BTreeMap<String, Place>);

/// The last thing seen of a producer: the epoch in the top 16 bits over the sequence of the cause, as in a
/// fence, and the ordinal. In snapshots of versions that knew no epochs it is 0, before every epoch.
type Place = (u64, u32);

impl Seen {
    /// Whether `origin` is new; what has no origin always is. Remembers it.
    pub fn is_new(&mut self, origin: Option<&Origin>) -> bool {
        let Some(origin) = origin else { return true };
        let last = self.0.get(&origin.producer).copied();
        let position = match (origin.epoch, last) {
            (Some(epoch), _) => Warrant::fence(epoch, origin.cause_seq),
            (None, Some((last, _))) => Warrant::fence((last >> 48) as u16, origin.cause_seq),
            (None, None) => origin.cause_seq,
        };
        let place = (position, origin.ordinal);
        if last.is_some_and(|last| last >= place) {
            return false;
        }
        self.0.insert(origin.producer.clone(), place);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(epoch: Option<u16>, cause_seq: u64, ordinal: u32) -> Origin {
        Origin {
            producer: "scorer/0".to_owned(),
            epoch,
            cause_seq,
            ordinal,
        }
    }

    #[test]
    fn what_is_new_is_above_the_last_and_a_later_epoch_is_above_all_of_an_earlier_one() {
        let table = [
            // Versions that did not say the epoch.
            (None, 5, 0, true),
            (None, 5, 0, false),
            (None, 5, 1, true),
            // Such a version is replaced.
            (Some(1), 4, 0, true),
            (Some(1), 900, 0, true),
            (Some(1), 900, 0, false),
            // And comes back.
            (None, 899, 0, false),
            (None, 901, 0, true),
            // The stream is made anew; a last word from before comes late.
            (Some(2), 1, 0, true),
            (Some(1), 902, 0, false),
            (Some(2), 1, 0, false),
            (None, 2, 0, true),
            (Some(2), 2, 0, false),
        ];
        let mut seen = Seen::default();
        for (row, (epoch, cause_seq, ordinal, new)) in table.into_iter().enumerate() {
            let origin = origin(epoch, cause_seq, ordinal);
            assert_eq!(seen.is_new(Some(&origin)), new, "row {row}");
        }
    }

    #[test]
    fn what_an_older_version_kept_is_before_every_epoch() {
        let kept = rmp_serde::to_vec_named(&BTreeMap::from([("scorer/0", (900_u64, 3_u32))]));
        let mut seen: Seen = codec::decode(&kept.expect("plain data")).expect("the same form");
        assert!(!seen.is_new(Some(&origin(None, 900, 3))));
        assert!(seen.is_new(Some(&origin(Some(1), 2, 0))));
    }
}
