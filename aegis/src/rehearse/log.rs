//! The two streams of a rehearsal: what is published gets the next sequence and the time of the moment,
//! and waits for its readers.

use std::collections::VecDeque;

use aegis_schemas::header::Meta;
use aegis_schemas::pipeline::{Input, Output};
use aegis_schemas::{Event, EventId, Stream, Subject, Timestamp};

/// A message on a stream.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) stream: Stream,
    pub(super) subject: Subject,
    /// The body's size; none for messages that never were bytes.
    pub(super) bytes: usize,
    pub(super) input: Input,
}

/// What is published and not read yet.
#[derive(Debug, Default)]
pub(super) struct Log {
    metrics: u64,
    events: u64,
    made: u64,
    queue: VecDeque<Message>,
}

impl Log {
    /// An event that no core made: its id is the next one of `source`.
    pub(super) fn say(
        &mut self,
        source: &str,
        now: Timestamp,
        stream: Stream,
        subject: Subject,
        event: Event,
    ) {
        self.made += 1;
        let id = EventId::of_content(source, &self.made.to_be_bytes());
        self.put(now, stream, subject, 0, (id, None, None), event);
    }

    /// A message with its envelope.
    pub(super) fn publish(&mut self, now: Timestamp, subject: Subject, meta: Meta, event: Event) {
        self.put(
            now,
            Stream::Events,
            subject,
            0,
            (meta.id, meta.cause, meta.origin),
            event,
        );
    }

    /// What a core said; false when its own bytes cannot be read back, which is a bug.
    pub(super) fn output(&mut self, now: Timestamp, output: Output) -> bool {
        let Ok(event) = Event::decode(output.kind.as_str(), &output.body) else {
            return false;
        };
        let bytes = output.body.len();
        let place = (output.id, Some(output.cause), Some(output.origin));
        self.put(now, Stream::Events, output.subject, bytes, place, event);
        true
    }

    /// The sequence of a message that is read without ever being queued.
    pub(super) const fn number_metrics(&mut self) -> u64 {
        self.metrics += 1;
        self.metrics
    }

    pub(super) fn next(&mut self) -> Option<Message> {
        self.queue.pop_front()
    }

    fn put(
        &mut self,
        now: Timestamp,
        stream: Stream,
        subject: Subject,
        bytes: usize,
        (id, cause, origin): (
            EventId,
            Option<EventId>,
            Option<aegis_schemas::pipeline::Origin>,
        ),
        event: Event,
    ) {
        let last = if stream == Stream::Metrics {
            &mut self.metrics
        } else {
            &mut self.events
        };
        *last += 1;
        let input = Input {
            epoch: super::EPOCH,
            seq: *last,
            time: now,
            id,
            cause,
            origin,
            event,
        };
        self.queue.push_back(Message {
            stream,
            subject,
            bytes,
            input,
        });
    }
}
