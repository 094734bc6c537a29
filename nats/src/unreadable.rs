//! Messages that never arrive, because the client cannot read their headers. The server stores any bytes
//! as headers. Over some of them the client ends the connection, others it takes for the server's own word;
//! either way the message is never acknowledged and comes again. One stranger with one message could keep
//! a service busy with reconnecting for ever, so what stands still is looked at in another way: as JSON.

use std::collections::{BTreeMap, VecDeque};
use std::str::FromStr;
use std::time::Duration;

use async_nats::HeaderName;
use async_nats::jetstream;
use bytes::Bytes;
use data_encoding::BASE64;
use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;

use crate::api::Stored;
use crate::receive::Received;
use crate::topology::Durable;
use crate::{Bus, Delivery, Error};

/// The header under which headers that nobody can read are kept, in base64.
pub const UNREADABLE_HEADERS: &str = "aegis-unreadable-headers";

/// How often a consumer is asked whether it stands still.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How many are taken at once.
const MOST: usize = 64;

/// Finds them for one consumer.
pub(crate) struct Unreadable {
    look_at: Instant,
    /// Everything up to here was acknowledged when it was last asked.
    floor: Option<u64>,
    found: VecDeque<Received>,
}

/// What the server says of the consumer.
#[derive(Deserialize)]
struct Info {
    ack_floor: Place,
    delivered: Place,
    num_ack_pending: u64,
}

#[derive(Deserialize)]
struct Place {
    stream_seq: u64,
}

impl Unreadable {
    pub(crate) fn new() -> Self {
        Self {
            look_at: Instant::now() + LOOK_EVERY,
            floor: None,
            found: VecDeque::new(),
        }
    }

    /// The next one that was found.
    pub(crate) fn take(&mut self) -> Option<Received> {
        self.found.pop_front()
    }

    /// When to look again.
    pub(crate) const fn due(&self) -> Instant {
        self.look_at
    }

    /// Looks at what is delivered and never acknowledged. Whoever reads only some subjects of a stream may
    /// not look: they would see what is not theirs.
    pub(crate) async fn look(&mut self, bus: &Bus, durable: &Durable) {
        self.look_at = Instant::now() + LOOK_EVERY;
        if !durable.filters.is_empty() {
            return;
        }
        if let Err(error) = self.search(bus, durable).await {
            tracing::debug!(%error, consumer = durable.name, "cannot look for what stands still");
        }
    }

    async fn search(&mut self, bus: &Bus, durable: &Durable) -> Result<(), Error> {
        let endpoint = format!("CONSUMER.INFO.{}.{}", durable.stream, durable.name);
        let info: Info = bus.call(&endpoint, &json!({})).await?;
        let floor = info.ack_floor.stream_seq;
        let stands = self.floor.replace(floor) == Some(floor);
        if !stands || info.num_ack_pending == 0 {
            return Ok(());
        }
        let mut seq = floor;
        while self.found.len() < MOST && seq < info.delivered.stream_seq {
            let query = json!({ "seq": seq + 1, "next_by_subj": ">" });
            let next = bus.stored(durable.stream.name(), &query).await?;
            // One that can be read is in somebody's hands.
            let Some(message) = next.filter(|next| {
                next.seq <= info.delivered.stream_seq && !is_readable(&next.subject, &next.headers)
            }) else {
                break;
            };
            seq = message.seq;
            tracing::warn!(
                consumer = durable.name,
                stream = %durable.stream,
                seq,
                subject = message.subject,
                "a message has headers that nobody can read"
            );
            self.found.push_back(received(bus, durable, message));
        }
        Ok(())
    }
}

/// The message without its headers, which are kept as one.
fn received(bus: &Bus, durable: &Durable, message: Stored) -> Received {
    let (stream, seq, time) = (durable.stream, message.seq, message.time);
    // The server goes by the stream's sequence when a message is acknowledged by itself.
    let reply = format!(
        "$JS.ACK.{stream}.{}.1.{seq}.1.{}.0",
        durable.name,
        time.as_nanos()
    );
    let (_, acker) = jetstream::Message {
        message: async_nats::Message {
            subject: reply.as_str().into(),
            reply: Some(reply.into()),
            payload: Bytes::new(),
            headers: None,
            status: None,
            description: None,
            length: 0,
        },
        context: bus.jetstream().clone(),
    }
    .split();
    let headers = BASE64.encode(&message.headers);
    Received {
        delivery: Delivery {
            stream,
            seq,
            time,
            subject: message.subject,
            headers: BTreeMap::from([(UNREADABLE_HEADERS.to_owned(), headers)]),
            body: message.body.into(),
            attempt: 1,
        },
        acker,
        consumer_seq: 0,
    }
}

/// Whether the client makes of a message what its sender wrote: a subject of one word of text, and
/// headers that are a version without a status, then names and values.
fn is_readable(subject: &str, headers: &[u8]) -> bool {
    // JSON has this character in the place of what is no text.
    let word = |c: char| c != char::REPLACEMENT_CHARACTER && !c.is_whitespace();
    subject.chars().all(word) && (headers.is_empty() || are_headers(headers))
}

fn are_headers(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let mut lines = text.lines().peekable();
    let version = lines.next().and_then(|line| line.strip_prefix("NATS/1.0"));
    if version.is_none_or(|status| !status.trim().is_empty()) {
        return false;
    }
    while let Some(line) = lines.next() {
        let name = line.split_once(':').map(|(name, _)| name);
        if !line.is_empty() && name.is_none_or(|name| HeaderName::from_str(name).is_err()) {
            return false;
        }
        // A value may go on in the next line.
        if !line.is_empty() {
            while lines
                .next_if(|next| next.starts_with(char::is_whitespace))
                .is_some()
            {}
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_says_what_its_sender_wrote_can_be_read() {
        let plain = "aegis.v1.intake.ci.signals";
        let table: [(&str, &[u8], bool); 13] = [
            (plain, b"", true),
            (plain, b"NATS/1.0\r\n\r\n", true),
            (plain, b"NATS/1.0\r\nce-type: aegis.signal.v1\r\n\r\n", true),
            (plain, b"NATS/1.0\r\na: one\r\n  and more\r\n\r\n", true),
            (plain, b"garbage", false),
            (plain, b"NATS/1.0\r\nno colon\r\n\r\n", false),
            (plain, b"NATS/1.0\r\na: \xff\xfe\r\n\r\n", false),
            (plain, b"NATS/1.0\r\nno name: 1\r\n\r\n", false),
            (plain, b"NATS/1.0 100 Idle Heartbeat\r\n\r\n", false),
            (plain, b"NATS/1.0 409 Consumer Deleted\r\n\r\n", false),
            (plain, b"NATS/1.0 abc\r\n\r\n", false),
            ("aegis.v1.intake.ci.\u{fffd}", b"", false),
            ("aegis.v1.intake.ci.two\u{2003}words", b"", false),
        ];
        for (subject, headers, readable) in table {
            let shown = String::from_utf8_lossy(headers);
            assert_eq!(is_readable(subject, headers), readable, "{subject} {shown}");
        }
    }
}
