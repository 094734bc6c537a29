//! What an entry is in Loki: a pure function of the entry, so that sending it twice is sending the same.

use aegis_schemas::{About, Event, Kind, Place, Stream, Timestamp, Warrant};
use data_encoding::HEXLOWER;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::Record;
use crate::leaf::{self, Body};
use crate::merkle::{Hash, leaf_hash};

/// Loki takes lines of at most 256 KiB unless it is told otherwise.
const MAX_LINE: usize = 240 << 10;

/// One entry as Loki takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The labels, few and of few values: `{kind="aegis.incident.v1", …}`.
    pub labels: String,
    /// The stream's time of the message.
    pub at: Timestamp,
    /// One JSON object.
    pub text: String,
    /// Ids to search by; they are no labels, because each has its own value.
    pub metadata: Vec<(&'static str, String)>,
}

/// What a line says, in this order: its bytes are compared.
#[derive(Serialize)]
struct Text<'a> {
    idx: u64,
    leaf_hash: String,
    stream: &'a str,
    epoch: u16,
    seq: u64,
    subject: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    kind: &'a str,
    source: Option<&'a str>,
    #[serde(flatten)]
    body: Shown<'a>,
}

/// The body, as far as it is shown.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Shown<'a> {
    /// The message.
    Event(&'a Event),
    /// What a signed allow allows.
    Warrant(Box<Warrant>),
    /// What others wrote, if it is JSON.
    Json(Value),
    /// Samples are kept apart and may be erased: the copy must not outlive them.
    Sealed(String),
    /// Nobody can read it, or it is too large for a line.
    Opaque { bytes: usize, sha256: String },
}

/// The line of the entry at `idx` whose leaf is `bytes`; `log` is the log's name.
///
/// # Errors
///
/// When the bytes are not a leaf.
pub fn line(log: &str, idx: u64, bytes: &[u8]) -> Result<Line, String> {
    let leaf = leaf::decode(bytes)?;
    let record = &leaf.record;
    let event = record.event().ok();
    let hash = leaf_hash(bytes);
    let mut text = render(idx, &hash, record, shown(&leaf.body, event.as_ref()))?;
    if text.len() > MAX_LINE {
        text = render(idx, &hash, record, opaque(&record.body))?;
    }
    Ok(Line {
        labels: labels(log, record, event.as_ref()),
        at: record.time,
        text,
        metadata: metadata(idx, record, event.as_ref()),
    })
}

fn render(idx: u64, hash: &Hash, record: &Record, body: Shown<'_>) -> Result<String, String> {
    let text = Text {
        idx,
        leaf_hash: HEXLOWER.encode(hash),
        stream: record.stream.name(),
        epoch: record.epoch,
        seq: record.seq,
        subject: &record.subject,
        id: record.event_id().map(|id| id.to_string()),
        kind: kind(record),
        source: record.headers.get("ce-source").map(String::as_str),
        body,
    };
    serde_json::to_string(&text).map_err(|error| error.to_string())
}

fn shown<'a>(body: &Body, event: Option<&'a Event>) -> Shown<'a> {
    match (body, event) {
        (Body::Sealed(commitment), _) => Shown::Sealed(HEXLOWER.encode(commitment)),
        (Body::Open(body), Some(Event::Warrant(envelope))) => envelope.peek().map_or_else(
            |_| opaque(body),
            |warrant| Shown::Warrant(Box::new(warrant)),
        ),
        // Samples may be erased from the record, and a copy must not outlive them, wherever they came in.
        (Body::Open(body), Some(Event::Metric(_))) => opaque(body),
        (Body::Open(_), Some(event)) => Shown::Event(event),
        (Body::Open(body), None) => {
            serde_json::from_slice(body).map_or_else(|_| opaque(body), Shown::Json)
        }
    }
}

fn opaque(body: &[u8]) -> Shown<'static> {
    Shown::Opaque {
        bytes: body.len(),
        sha256: HEXLOWER.encode(&Sha256::digest(body)),
    }
}

/// The kind, if it is one of Aegis': a label must not take whatever others write.
fn kind(record: &Record) -> &'static str {
    Kind::parse(&record.kind()).map_or(
        match record.stream {
            Stream::Advisories => "advisory",
            Stream::Intake => "intake",
            Stream::Metrics | Stream::Events | Stream::Dlq => "unknown",
        },
        Kind::as_str,
    )
}

/// Who wrote it, as the bus checked by its subject.
fn stage(record: &Record) -> &'static str {
    match record.stream {
        Stream::Advisories => return "nats",
        Stream::Dlq => return "dead-letters",
        Stream::Intake => return "publisher",
        Stream::Metrics | Stream::Events => {}
    }
    match record.subject.split('.').nth(2) {
        Some("metric" | "signal") => "ingest",
        Some("anomaly" | "incident" | "assessment") => "detector",
        Some("decision") => "policy",
        Some("action") => "executor",
        Some("command" | "access") => "gateway",
        _ => "unknown",
    }
}

fn labels(log: &str, record: &Record, event: Option<&Event>) -> String {
    let mut labels = vec![
        ("service", "aegis".to_owned()),
        ("log", log.to_owned()),
        ("stage", stage(record).to_owned()),
        ("kind", kind(record).to_owned()),
    ];
    if let Some(place) = Place::of(&record.subject) {
        labels.push(("cluster", place.cluster.to_owned()));
    }
    if let Some(Event::Incident(incident)) = event {
        labels.push(("severity", incident.severity.to_string()));
    }
    let pairs: Vec<String> = labels
        .iter()
        .map(|(name, value)| format!("{name}={}", Value::from(value.as_str())))
        .collect();
    format!("{{{}}}", pairs.join(", "))
}

fn metadata(idx: u64, record: &Record, event: Option<&Event>) -> Vec<(&'static str, String)> {
    let mut metadata = vec![("idx", idx.to_string())];
    if let Some(id) = record.event_id() {
        metadata.push(("event", id.to_string()));
    }
    let about = event.map_or_else(About::default, Event::about);
    metadata.extend(about.incident.map(|id| ("incident", id.to_string())));
    metadata.extend(about.decision.map(|id| ("decision", id.to_string())));
    metadata
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use aegis_schemas::header::{CE_ID, CE_SOURCE, CE_TYPE};
    use aegis_schemas::{Access, AccessOutcome, EventId};
    use bytes::Bytes;

    use super::*;

    fn record(stream: Stream, subject: &str, kind: &str, body: Vec<u8>) -> Record {
        Record {
            stream,
            epoch: 1,
            seq: 7,
            time: Timestamp::from_nanos(1_700_000_000_123_456_789),
            subject: subject.to_owned(),
            headers: BTreeMap::from([
                (CE_ID.to_owned(), EventId::default().to_string()),
                (CE_SOURCE.to_owned(), "gateway".to_owned()),
                (CE_TYPE.to_owned(), kind.to_owned()),
            ]),
            body: Bytes::from(body),
        }
    }

    pub(crate) fn sign_in() -> Vec<u8> {
        let access = Event::Access(Access {
            actor: Some("amy".to_owned()),
            outcome: AccessOutcome::SignedIn,
            operation: "POST /api/v1/login".to_owned(),
            reason: String::new(),
            address: "127.0.0.1".to_owned(),
            count: 1,
            since: Timestamp::EPOCH,
        });
        let body = access.encode().unwrap();
        let subject = "aegis.v1.access.signed_in";
        let record = record(Stream::Events, subject, "aegis.access.v1", body);
        leaf::encode(&record, None)
    }

    #[test]
    fn a_line_keeps_its_bytes() {
        let line = line("example.org/audit", 42, &sign_in()).unwrap();
        assert_eq!(
            line.labels,
            r#"{service="aegis", log="example.org/audit", stage="gateway", kind="aegis.access.v1"}"#
        );
        assert_eq!(
            line.text,
            r#"{"idx":42,"leaf_hash":"HASH","stream":"AEGIS_EVENTS","epoch":1,"seq":7,"subject":"aegis.v1.access.signed_in","id":"aaaaaaaaaaaaaaaaaaaaaaaaaa","kind":"aegis.access.v1","source":"gateway","event":{"actor":"amy","outcome":"signed_in","operation":"POST /api/v1/login","reason":"","address":"127.0.0.1","count":1,"since":"1970-01-01T00:00:00Z"}}"#
                .replace("HASH", &HEXLOWER.encode(&leaf_hash(&sign_in())))
        );
        assert_eq!(
            line.metadata,
            [
                ("idx", "42".to_owned()),
                ("event", "aaaaaaaaaaaaaaaaaaaaaaaaaa".to_owned())
            ]
        );
    }

    #[test]
    fn no_sample_and_no_text_of_others_gets_further_than_it_may() {
        let large = format!("\"{}\"", "x".repeat(MAX_LINE));
        let (metric, signal) = (
            "aegis.v1.metric.0.demo.shop.cart",
            "aegis.v1.signal.pod.demo.shop.cart",
        );
        let deploy = "aegis.v1.intake.ci.deploy";
        let sealed = Some([9; 32]);
        for (stream, subject, kind, body, salt, shown) in [
            (
                Stream::Metrics,
                metric,
                "aegis.metric.v1",
                "cpu 0.7",
                sealed,
                "sealed",
            ),
            (
                Stream::Intake,
                deploy,
                "anything",
                "{\"v\":1}",
                None,
                "json",
            ),
            (Stream::Intake, deploy, "anything", "{", None, "opaque"),
            (Stream::Intake, deploy, "anything", &large, None, "opaque"),
            (Stream::Events, signal, "aegis.evil.v9", "", None, "opaque"),
        ] {
            let record = record(stream, subject, kind, body.into());
            let line = line("log", 1, &leaf::encode(&record, salt.as_ref())).unwrap();
            let said: Value = serde_json::from_str(&line.text).unwrap();
            assert!(said.get(shown).is_some(), "{shown}: {}", line.text);
            assert!(line.text.len() <= MAX_LINE && !line.text.contains("cpu 0.7"));
            assert!(
                !line.labels.contains(kind) || Kind::parse(kind).is_some(),
                "{}",
                line.labels
            );
            let placed = matches!(stream, Stream::Metrics | Stream::Events);
            assert_eq!(
                line.labels.contains(r#"cluster="demo""#),
                placed,
                "{}",
                line.labels
            );
        }
    }
}
