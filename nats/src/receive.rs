//! Reading a durable consumer. A stream error is an event: it is counted, waited out, and reading is
//! set up anew.

use std::collections::BTreeMap;
use std::time::Duration;

use aegis_schemas::{Stream, Timestamp};
use async_nats::jetstream::consumer::pull::{self, MessagesErrorKind};
use async_nats::jetstream::message::{Acker, Message};
use futures::StreamExt;

use crate::bus::describe;
use crate::retry::Backoff;
use crate::topology::Durable;
use crate::unreadable::Unreadable;
use crate::{Bus, Delivery, Error, metrics};

/// Shorter than it takes until a lease is stale, so that the open request of a former holder is over when the
/// next one begins: while it is open, the server gives it every other message.
const PULL_EXPIRES: Duration = Duration::from_secs(3);
const HEARTBEAT: Duration = Duration::from_secs(1);

/// A message with what acknowledges it.
pub(crate) struct Received {
    pub(crate) delivery: Delivery,
    pub(crate) acker: Acker,
    /// Which delivery of the consumer this is, counted from its last reset.
    pub(crate) consumer_seq: u64,
}

/// Reads one durable consumer.
pub(crate) struct Receiver {
    bus: Bus,
    durable: Durable,
    open: Option<pull::Stream>,
    backoff: Backoff,
    missed_heartbeat: bool,
    unreadable: Unreadable,
}

impl Receiver {
    pub(crate) fn new(bus: Bus, durable: Durable) -> Self {
        metrics::reading(&durable.name);
        Self {
            bus,
            durable,
            open: None,
            backoff: Backoff::standard(),
            missed_heartbeat: false,
            unreadable: Unreadable::new(),
        }
    }

    /// Stops reading; what was received and not taken comes again later.
    pub(crate) fn close(&mut self) {
        self.open = None;
    }

    /// The next message, however often reading has to be set up anew. Cancellable.
    pub(crate) async fn next(&mut self) -> Received {
        loop {
            match self.try_next().await {
                Ok(received) => return received,
                Err(reason) => self.recover(&reason).await,
            }
        }
    }

    /// Counts a failure of reading and waits before the next try.
    pub(crate) async fn recover(&mut self, reason: &str) {
        self.close();
        metrics::rebuilt(&self.durable.name);
        tracing::warn!(
            consumer = self.durable.name,
            reason,
            "reading is set up anew"
        );
        tokio::time::sleep(self.backoff.delay()).await;
    }

    /// The next message, or why there is none. Cancellable.
    pub(crate) async fn try_next(&mut self) -> Result<Received, String> {
        if self.open.is_none() {
            self.open = Some(self.open().await.map_err(|error| describe(&error))?);
            self.missed_heartbeat = false;
        }
        loop {
            if let Some(found) = self.unreadable.take() {
                return Ok(found);
            }
            let open = self.open.as_mut().ok_or("not reading")?;
            let next = tokio::select! {
                biased;
                next = open.next() => next,
                () = tokio::time::sleep_until(self.unreadable.due()) => {
                    self.unreadable.look(&self.bus, &self.durable).await;
                    continue;
                }
            };
            match next {
                None => return Err("the stream of messages ended".to_owned()),
                Some(Ok(message)) => {
                    self.backoff.reset();
                    self.missed_heartbeat = false;
                    return receive(message);
                }
                Some(Err(error)) => {
                    // One can be lost on the way; two mean that nobody is there.
                    let heartbeat = error.kind() == MessagesErrorKind::MissingHeartbeat;
                    if !heartbeat || self.missed_heartbeat {
                        return Err(describe(&error));
                    }
                    self.missed_heartbeat = true;
                }
            }
        }
    }

    async fn open(&self) -> Result<pull::Stream, Error> {
        let subject = format!("{}.{}", self.durable.stream, self.durable.name);
        let failed = |reason: String| Error::NoAnswer {
            subject: subject.clone(),
            reason,
        };
        let consumer = self
            .bus
            .jetstream()
            .get_consumer_from_stream::<pull::Config, _, _>(
                &self.durable.name,
                self.durable.stream.name(),
            )
            .await
            .map_err(|error| failed(describe(&error)))?;
        consumer
            .stream()
            .max_messages_per_batch(self.durable.max_ack_pending.min(500))
            .expires(PULL_EXPIRES)
            .heartbeat(HEARTBEAT)
            .messages()
            .await
            .map_err(|error| failed(describe(&error)))
    }
}

fn receive(message: Message) -> Result<Received, String> {
    let info = message.info().map_err(|error| error.to_string())?;
    let stream = Stream::from_name(info.stream)
        .ok_or_else(|| format!("`{}` is not a stream of Aegis", info.stream))?;
    let nanos = info.published.unix_timestamp_nanos();
    let (seq, attempt, consumer_seq) = (
        info.stream_sequence,
        u64::try_from(info.delivered).unwrap_or(1),
        info.consumer_sequence,
    );
    let (message, acker) = message.split();
    let headers = message.headers.as_ref().map_or_else(BTreeMap::new, |map| {
        map.iter()
            .filter_map(|(name, values)| {
                let value = values.last()?;
                Some((name.to_string(), value.as_str().to_owned()))
            })
            .collect()
    });
    Ok(Received {
        delivery: Delivery {
            stream,
            seq,
            time: Timestamp::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX)),
            subject: message.subject.to_string(),
            headers,
            body: message.payload,
            attempt,
        },
        acker,
        consumer_seq,
    })
}
