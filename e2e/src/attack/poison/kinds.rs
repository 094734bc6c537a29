//! What poison there is, and where it is put.

use aegis_nats::Service;
use aegis_schemas::{Access, AccessOutcome, Event, Kind, Stream, Timestamp, codec};

/// Where poison is put: by whom, on which subject, as what it passes itself off, and who reads it there.
pub(super) struct Place {
    pub(super) user: Service,
    pub(super) subject: &'static str,
    pub(super) kind: Kind,
    pub(super) stream: Stream,
    pub(super) readers: &'static [(&'static str, &'static str)],
}

const DETECTOR: (&str, &str) = ("detector", "incidents-demo");
const POLICY: (&str, &str) = ("policy", "policy-demo");

pub(super) const PLACES: [Place; 6] = [
    Place {
        user: Service::Ingest,
        subject: "aegis.v1.metric.0.demo.shop.poison",
        kind: Kind::Metric,
        stream: Stream::Metrics,
        readers: &[("detector", "scorer-0")],
    },
    Place {
        user: Service::Ingest,
        subject: "aegis.v1.signal.pod.demo.shop.poison",
        kind: Kind::Signal,
        stream: Stream::Events,
        readers: &[DETECTOR, POLICY],
    },
    Place {
        user: Service::Policy,
        subject: "aegis.v1.decision.allow.demo.shop.poison",
        kind: Kind::Warrant,
        stream: Stream::Events,
        readers: &[DETECTOR, POLICY, ("executor", "executor-demo")],
    },
    Place {
        user: Service::Gateway,
        subject: "aegis.v1.command.mode.demo._.demo",
        kind: Kind::Command,
        stream: Stream::Events,
        readers: &[POLICY],
    },
    Place {
        user: Service::Gateway,
        subject: "aegis.v1.intake.gateway.signals",
        kind: Kind::Signal,
        stream: Stream::Intake,
        readers: &[("ingest", "ingest")],
    },
    // Only the record reads it.
    Place {
        user: Service::Detector,
        subject: "aegis.v1.dlq.detector.aegis_events",
        kind: Kind::DeadLetter,
        stream: Stream::Dlq,
        readers: &[],
    },
];

/// What is wrong with a message.
pub(super) struct Poison {
    pub(super) name: &'static str,
    pub(super) kind: Option<&'static str>,
    pub(super) content: &'static str,
    /// Bytes in the place of the headers.
    pub(super) block: Option<&'static [u8]>,
    pub(super) body: Vec<u8>,
}

impl Poison {
    const fn body(name: &'static str, body: Vec<u8>) -> Self {
        Self {
            name,
            kind: None,
            content: "application/msgpack",
            block: None,
            body,
        }
    }

    fn block(name: &'static str, block: &'static [u8]) -> Self {
        Self {
            block: Some(block),
            ..Self::body(name, access())
        }
    }
}

/// Bytes of a message that is sound and belongs elsewhere.
fn access() -> Vec<u8> {
    let access = Event::Access(Access {
        actor: None,
        outcome: AccessOutcome::Forbidden,
        operation: "poison".to_owned(),
        reason: String::new(),
        address: String::new(),
        count: 1,
        since: Timestamp::EPOCH,
    });
    access.encode().expect("a few words fit into a message")
}

/// Every kind of poison that a client can send and its reader's client can receive.
pub(super) fn kinds() -> Vec<Poison> {
    let sound = access();
    let half = sound[..sound.len() / 2].to_vec();
    let behind = [sound.as_slice(), b"\x00"].concat();
    vec![
        Poison::block("no headers", b""),
        Poison::body("no MessagePack", vec![0xc1; 64]),
        Poison::body("a text in the place of a message", b"\xa6poison".to_vec()),
        Poison::body(
            "a hundred thousand lists in each other",
            vec![0x91; 100_000],
        ),
        Poison::body(
            "a list of four thousand million",
            b"\xdd\xff\xff\xff\xff".to_vec(),
        ),
        Poison::body("cut off", half),
        Poison::body("more behind the end", behind),
        Poison::body("another kind's bytes", sound.clone()),
        Poison::body("larger than any body", vec![0x00; codec::MAX_BODY + 1024]),
        Poison::body("zstd, cut off", b"\x28\xb5\x2f\xfd\x24\x00".to_vec()),
        Poison::body(
            "snappy, cut off",
            b"\xff\x06\x00\x00sNaPpY\x00\x10".to_vec(),
        ),
        Poison {
            content: "application/json",
            ..Poison::body(
                "JSON, a hundred thousand lists in each other",
                vec![b'['; 100_000],
            )
        },
        Poison {
            kind: Some("aegis.signal.v9"),
            ..Poison::body("a version that is not known", sound.clone())
        },
        Poison {
            kind: Some(Kind::Access.as_str()),
            ..Poison::body("a sound message on a subject that is not its own", sound)
        },
    ]
}

/// What the reader's client cannot even receive. Outsiders can send it to AEGIS_INTAKE.
pub(super) fn unreadable() -> Vec<Poison> {
    vec![
        Poison::block("headers that are none", b"garbage"),
        Poison::block(
            "a header that is no text",
            b"NATS/1.0\r\na: \xff\xfe\r\n\r\n",
        ),
        Poison::block("a header without a colon", b"NATS/1.0\r\npoison\r\n\r\n"),
        Poison::block(
            "the server's own word",
            b"NATS/1.0 409 Consumer Deleted\r\n\r\n",
        ),
        Poison::block(
            "the server's heartbeat",
            b"NATS/1.0 100 Idle Heartbeat\r\n\r\n",
        ),
    ]
}
