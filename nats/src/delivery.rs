//! A message as a stage receives it, and what the stage says of it.

use std::collections::BTreeMap;
use std::time::Duration;

use aegis_schemas::header::{InvalidHeader, Meta};
use aegis_schemas::pipeline::Input;
use aegis_schemas::{Event, Stream, Timestamp, placed};
use bytes::Bytes;

/// A message that was read from a stream.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The stream.
    pub stream: Stream,
    /// Its sequence there.
    pub seq: u64,
    /// When JetStream stored it.
    pub time: Timestamp,
    /// Its subject.
    pub subject: String,
    /// Its headers; of several values of one name the last.
    pub headers: BTreeMap<String, String>,
    /// Its body.
    pub body: Bytes,
    /// Which delivery of it this is, from 1.
    pub attempt: u64,
}

impl Delivery {
    /// The envelope.
    ///
    /// # Errors
    ///
    /// When a header is missing or malformed.
    pub fn meta(&self) -> Result<Meta, InvalidHeader> {
        Meta::read(|name| self.headers.get(name).map(String::as_str))
    }

    /// The message.
    ///
    /// # Errors
    ///
    /// As [`Delivery::input`].
    pub fn event(&self) -> Result<Event, String> {
        self.input(0).map(|input| input.event)
    }

    /// The message as a core takes it that reads the stream in that epoch.
    ///
    /// # Errors
    ///
    /// When headers or body are malformed, or the message may not stand on its subject: only there the
    /// server checked who published it.
    pub fn input(&self, epoch: u16) -> Result<Input, String> {
        let meta = self.meta().map_err(|error| error.to_string())?;
        let event = Event::decode(&meta.kind, &self.body).map_err(|error| error.to_string())?;
        placed(&self.subject, meta.origin.as_ref(), &event).map_err(|error| error.to_string())?;
        Ok(Input {
            epoch,
            seq: self.seq,
            time: self.time,
            id: meta.id,
            cause: meta.cause,
            origin: meta.origin,
            event,
        })
    }
}

/// Why a message was not handled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Something else failed: try again.
    #[error("{reason}")]
    Retry {
        /// How long to wait; without it the consumer's own delays.
        after: Option<Duration>,
        /// What failed.
        reason: String,
    },
    /// The message is at fault: it goes to the dead letters.
    #[error("{reason}")]
    Reject {
        /// What is wrong with it.
        reason: String,
    },
}

impl Failure {
    /// Try again after the consumer's own delay.
    #[must_use]
    pub fn retry(reason: impl Into<String>) -> Self {
        Self::Retry {
            after: None,
            reason: reason.into(),
        }
    }

    /// Never again.
    #[must_use]
    pub fn reject(reason: impl Into<String>) -> Self {
        Self::Reject {
            reason: reason.into(),
        }
    }
}
