//! Messages as the bus delivers them, with subject and headers.
//!
//! The bytes are a line with the subject, a line `name: value` for each header, an empty line and the
//! body.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use aegis_ingest::Config;
use aegis_nats::{Delivery, letter};
use aegis_schemas::{Entity, Event, Kind, Stream, Subject, Timestamp, codec};

use super::wire::steady;

/// Metrics in the seeds are of about this time.
pub const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

static CONFIG: LazyLock<Config> = LazyLock::new(Config::default);

/// A message for a core, and the dead letter that it becomes when it is refused.
pub fn delivery(data: &[u8]) {
    let delivery = read(data);
    if let Ok(input) = delivery.input(1) {
        steady(&input.event);
    }
    let _ = delivery.subject.parse::<Entity>();
    let bytes = letter("ingest", &delivery, &delivery.subject);
    assert!(bytes.len() <= codec::MAX_LETTER);
    match Event::decode(Kind::DeadLetter.as_str(), &bytes) {
        Ok(Event::DeadLetter(kept)) => assert_eq!(kept.body, delivery.body),
        other => panic!("{other:?}"),
    }
}

/// What others hand in, JSON or MessagePack.
pub fn intake(data: &[u8]) {
    let Ok(event) = aegis_ingest::intake::read(&read(data), &CONFIG) else {
        return;
    };
    assert!(matches!(event.kind(), Kind::Metric | Kind::Signal));
    steady(&event);
}

fn read(data: &[u8]) -> Delivery {
    let end = data.windows(2).position(|pair| pair == b"\n\n");
    let (head, body) = match end {
        Some(end) => (&data[..end], &data[end + 2..]),
        None => (data, &[][..]),
    };
    let head = String::from_utf8_lossy(head);
    let mut lines = head.lines();
    let subject = lines.next().unwrap_or_default().to_owned();
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let stream = Subject::parse(&subject).and_then(|subject| subject.stream());
    Delivery {
        stream: stream.unwrap_or(Stream::Intake),
        seq: 1,
        time: NOW,
        subject,
        headers,
        body: body.to_vec().into(),
        attempt: 1,
    }
}
