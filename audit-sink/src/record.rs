//! One message as a stream delivered it.

use std::collections::BTreeMap;

use aegis_schemas::header::{CE_ID, CE_TYPE, InvalidHeader, Meta};
use aegis_schemas::pipeline::Input;
use aegis_schemas::{Event, EventId, Stream, Timestamp, placed};
use bytes::Bytes;

/// One message of one stream: where it stands, and its bytes as received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The stream.
    pub stream: Stream,
    /// The stream's epoch: a stream that was made anew counts from 1 again.
    pub epoch: u16,
    /// The sequence in the stream.
    pub seq: u64,
    /// The stream's time of it.
    pub time: Timestamp,
    /// The subject that it was published on.
    pub subject: String,
    /// Its headers.
    pub headers: BTreeMap<String, String>,
    /// Its body, as received.
    pub body: Bytes,
}

/// Where a message stands in a stream: what exactly-once is counted by.
pub(crate) type Position = (Stream, u16, u64);

impl Record {
    /// The event's id, if it has one.
    #[must_use]
    pub fn event_id(&self) -> Option<EventId> {
        self.headers.get(CE_ID)?.parse().ok()
    }

    /// The type of the body; for streams that others write, the stream's name for it.
    #[must_use]
    pub fn kind(&self) -> String {
        let fallback = match self.stream {
            Stream::Advisories => "advisory",
            Stream::Intake => "intake",
            Stream::Metrics | Stream::Events | Stream::Dlq => "unknown",
        };
        self.headers.get(CE_TYPE).map_or_else(
            || fallback.to_owned(),
            // PostgreSQL has no text with the character 0.
            |kind| {
                kind.chars()
                    .take(80)
                    .map(|c| if c == '\0' { '\u{fffd}' } else { c })
                    .collect()
            },
        )
    }

    /// The envelope.
    ///
    /// # Errors
    ///
    /// When a header is missing or malformed.
    pub fn meta(&self) -> Result<Meta, InvalidHeader> {
        Meta::read(|name| self.headers.get(name).map(String::as_str))
    }

    /// The message in the body.
    ///
    /// # Errors
    ///
    /// When its type is unknown or the body is not of it.
    pub fn event(&self) -> Result<Event, String> {
        let kind = self
            .headers
            .get(CE_TYPE)
            .ok_or_else(|| InvalidHeader::Missing(CE_TYPE).to_string())?;
        Event::decode(kind, &self.body).map_err(|error| error.to_string())
    }

    /// The message as a core receives it: what a replay feeds.
    ///
    /// # Errors
    ///
    /// When the headers or the body cannot be read, or the message may not stand on its subject: the
    /// bus kept it from the core for the same reasons.
    pub fn input(&self) -> Result<Input, String> {
        let meta = self.meta().map_err(|error| error.to_string())?;
        let event = self.event()?;
        placed(&self.subject, meta.origin.as_ref(), &event).map_err(|error| error.to_string())?;
        Ok(Input {
            epoch: self.epoch,
            seq: self.seq,
            time: self.time,
            id: meta.id,
            cause: meta.cause,
            origin: meta.origin,
            event,
        })
    }

    /// Whether Aegis itself wrote the stream, so that bytes which nobody can read are a fault.
    pub(crate) const fn must_decode(&self) -> bool {
        matches!(self.stream, Stream::Metrics | Stream::Events | Stream::Dlq)
    }

    /// Whether the body is kept apart, behind a commitment, so that it can be erased.
    pub(crate) const fn is_sealed(&self) -> bool {
        matches!(self.stream, Stream::Metrics)
    }

    pub(crate) const fn position(&self) -> Position {
        (self.stream, self.epoch, self.seq)
    }
}
