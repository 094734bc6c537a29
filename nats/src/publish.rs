//! Messages out: stored, or it is said why not.
//!
//! A message's id stays the same however often it is sent, so JetStream keeps one copy; `duplicate`
//! therefore counts as stored.

mod atomic;

use std::time::Duration;

use aegis_schemas::header::{EXPECTED_STREAM, MSG_ID, Meta, TRACEPARENT};
use aegis_schemas::pipeline::Output;
use aegis_schemas::{EventId, InvalidSubject, Stream, Subject, TraceContext, codec};
use async_nats::HeaderMap;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha2::Sha256;
use tokio::time::Instant;
use tracing::{Instrument as _, Span};

use crate::retry::Backoff;
use crate::topology::MAX_MESSAGE;
use crate::{Bus, Error, metrics, trace};

/// Why a message was not stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The stream is full and refuses more.
    #[error("stream {0} is full")]
    Full(Stream),
    /// The message is larger than any stream takes.
    #[error("message of {0} bytes is too large")]
    TooLarge(usize),
    /// The server does not answer, or this user may not publish there.
    #[error("the bus is unavailable")]
    Unavailable,
    /// No stream keeps that subject.
    #[error(transparent)]
    InvalidSubject(#[from] InvalidSubject),
    /// The messages of one batch belong to different streams.
    #[error("messages of one batch belong to one stream")]
    MixedStreams,
    /// The server will never take it.
    #[error("refused: {text} (code {code})")]
    Refused {
        /// JetStream's error code.
        code: u64,
        /// Its description.
        text: String,
    },
}

/// Where a message was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its sequence in the stream.
    pub seq: u64,
    /// Whether it was there already.
    pub duplicate: bool,
}

/// Publishes; clones share the connection.
#[derive(Clone, Debug)]
pub struct Publisher {
    bus: Bus,
}

/// A message with everything that it is sent with.
pub(crate) struct Prepared {
    stream: Stream,
    subject: String,
    headers: HeaderMap,
    body: Bytes,
    event: EventId,
    trace: TraceContext,
}

#[derive(Deserialize)]
struct Ack {
    seq: u64,
    #[serde(default)]
    duplicate: bool,
}

impl Publisher {
    pub(crate) const fn new(bus: Bus) -> Self {
        Self { bus }
    }

    /// Publishes one message and tries the same id again (100 ms to 10 s apart) until it is stored or
    /// `within` is over; `None` means for ever. A full stream is said at once when there is a `within`,
    /// so that a sender can be told to come back later.
    ///
    /// # Errors
    ///
    /// When the time is over, or the message can never be stored.
    pub async fn publish(
        &self,
        subject: &Subject,
        meta: &Meta,
        body: Bytes,
        within: Option<Duration>,
    ) -> Result<Stored, PublishError> {
        let message = self.prepare(subject, meta, body)?;
        let span = self.span(&message);
        self.store(&message, deadline(within))
            .instrument(span)
            .await
    }

    /// Publishes all outputs of a core, in order, and waits until they are stored, however long that
    /// takes: several of one stream as an atomic batch.
    ///
    /// # Errors
    ///
    /// Only when an output can never be stored.
    pub async fn publish_outputs(&self, outputs: &[Output]) -> Result<(), PublishError> {
        let mut messages = Vec::with_capacity(outputs.len());
        for output in outputs {
            let body = Bytes::copy_from_slice(&output.body);
            messages.push(self.prepare(&output.subject, &output.meta(), body)?);
        }
        for run in messages.chunk_by(|left, right| left.stream == right.stream) {
            self.store_all(run, None).await?;
        }
        Ok(())
    }

    /// Publishes several messages of one stream, in order, as atomic batches.
    ///
    /// # Errors
    ///
    /// As [`Publisher::publish`]; some of the messages may be stored then, and sending all of them
    /// again does no harm.
    pub async fn publish_batch(
        &self,
        messages: Vec<(Subject, Meta, Bytes)>,
        within: Option<Duration>,
    ) -> Result<(), PublishError> {
        let mut prepared: Vec<Prepared> = Vec::with_capacity(messages.len());
        for (subject, meta, body) in messages {
            let message = self.prepare(&subject, &meta, body)?;
            if prepared
                .first()
                .is_some_and(|first| first.stream != message.stream)
            {
                return Err(PublishError::MixedStreams);
            }
            prepared.push(message);
        }
        self.store_all(&prepared, deadline(within)).await
    }

    /// The id under which the stream knows the message.
    fn message_id(&self, producer: &str, event: EventId) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.bus.id_key())
            .expect("HMAC takes a key of any length");
        mac.update(event.as_bytes());
        let digest = data_encoding::BASE32_NOPAD.encode(&mac.finalize().into_bytes());
        format!("{producer}:{}", digest[..26].to_ascii_lowercase())
    }

    fn prepare(
        &self,
        subject: &Subject,
        meta: &Meta,
        body: Bytes,
    ) -> Result<Prepared, PublishError> {
        let stream = subject.stream()?;
        // A dead letter carries a whole body with its reason, so it alone may be larger.
        let limit = if stream == Stream::Dlq {
            MAX_MESSAGE
        } else {
            codec::MAX_BODY
        };
        let mut headers = HeaderMap::new();
        let mut size = body.len();
        let said = meta.traceparent.as_deref().and_then(TraceContext::parse);
        let trace = said.unwrap_or_else(|| trace::context_of(meta.id));
        let traced = (TRACEPARENT, trace.to_string());
        for (name, value) in meta.to_pairs().into_iter().chain([traced]) {
            size += name.len() + value.len() + 4;
            headers.insert(name, line(&value));
        }
        headers.insert(MSG_ID, line(&self.message_id(&meta.source, meta.id)));
        headers.insert(EXPECTED_STREAM, stream.name());
        if body.len() > limit || size + 256 > MAX_MESSAGE {
            return Err(PublishError::TooLarge(size));
        }
        Ok(Prepared {
            stream,
            subject: subject.as_str().to_owned(),
            headers,
            body,
            event: meta.id,
            trace,
        })
    }

    /// The span in which a message is published; it ends when it is dropped.
    fn span(&self, message: &Prepared) -> Span {
        trace::publishing(&self.bus, &message.trace, &message.subject, message.event)
    }

    /// One message until it is stored.
    async fn store(
        &self,
        message: &Prepared,
        deadline: Option<Instant>,
    ) -> Result<Stored, PublishError> {
        let begun = Instant::now();
        let mut backoff = Backoff::standard();
        loop {
            let attempt = self.send(message);
            let result = match deadline {
                Some(deadline) => tokio::time::timeout_at(deadline, attempt)
                    .await
                    .unwrap_or(Err(PublishError::Unavailable)),
                None => attempt.await,
            };
            let error = match result {
                Ok(stored) => {
                    let seconds = begun.elapsed().as_secs_f64();
                    metrics::published(message.stream, stored.duplicate, seconds);
                    return Ok(stored);
                }
                Err(error) => error,
            };
            wait_after(&error, &message.subject, deadline, &mut backoff).await?;
        }
    }

    async fn send(&self, message: &Prepared) -> Result<Stored, PublishError> {
        let answer: Result<Ack, Error> = self
            .bus
            .ask(
                &message.subject,
                message.headers.clone(),
                message.body.clone(),
            )
            .await;
        match answer {
            Ok(ack) => Ok(Stored {
                seq: ack.seq,
                duplicate: ack.duplicate,
            }),
            Err(error) => Err(classify(&error, message)),
        }
    }
}

/// What the server's refusal means for the sender.
fn classify(error: &Error, message: &Prepared) -> PublishError {
    match error {
        Error::Refused { code, text, .. } => match *code {
            // Store failed: full when it says so, else something that may pass.
            10077 if text.contains("maximum") => PublishError::Full(message.stream),
            10023 | 10047 => PublishError::Full(message.stream),
            10054 => PublishError::TooLarge(message.body.len()),
            10060 | 10052 | 10109 => PublishError::Refused {
                code: *code,
                text: text.clone(),
            },
            _ => PublishError::Unavailable,
        },
        _ => PublishError::Unavailable,
    }
}

/// Waits before the next try, or says that there is none.
async fn wait_after(
    error: &PublishError,
    subject: &str,
    deadline: Option<Instant>,
    backoff: &mut Backoff,
) -> Result<(), PublishError> {
    let reason = match error {
        PublishError::Full(_) if deadline.is_none() => "full",
        PublishError::Unavailable => "unavailable",
        _ => return Err(error.clone()),
    };
    let next = Instant::now() + backoff.delay();
    if deadline.is_some_and(|deadline| next >= deadline) {
        return Err(error.clone());
    }
    metrics::publish_retried(reason);
    tracing::warn!(%error, subject, "publish failed, trying again");
    tokio::time::sleep_until(next).await;
    Ok(())
}

fn deadline(within: Option<Duration>) -> Option<Instant> {
    within.map(|within| Instant::now() + within)
}

/// A header's value on one line: a line break would begin another header.
fn line(value: &str) -> String {
    value.replace(['\r', '\n'], " ")
}
