//! What a service could not take is kept with its reason before the service lets go of it.

use aegis_schemas::header::Meta;
use aegis_schemas::{DeadLetter, EventId, Kind, Subject, codec};

use crate::{Bus, Delivery, PublishError, metrics};

/// Stores `delivery` and why it was refused, however long that takes.
pub(crate) async fn write(
    bus: &Bus,
    consumer: &str,
    delivery: &Delivery,
    reason: &str,
) -> Result<(), PublishError> {
    let service = bus.service().as_str();
    let subject = Subject::dlq(service, delivery.stream);
    let meta = Meta {
        id: id(service, delivery),
        kind: Kind::DeadLetter.as_str().to_owned(),
        source: service.to_owned(),
        time: delivery.time,
        cause: delivery.meta().ok().map(|meta| meta.id),
        origin: None,
        traceparent: None,
    };
    let body = letter(service, delivery, reason);
    bus.publisher()
        .publish(&subject, &meta, body.into(), None)
        .await?;
    metrics::dead_letter(consumer);
    tracing::warn!(
        consumer,
        stream = %delivery.stream,
        seq = delivery.seq,
        subject = delivery.subject,
        reason,
        "message refused to the dead letters"
    );
    Ok(())
}

/// The same refusal of the same message is one dead letter.
fn id(service: &str, delivery: &Delivery) -> EventId {
    let place = format!(
        "{}/{}/{}",
        delivery.stream,
        delivery.seq,
        delivery.time.as_nanos()
    );
    EventId::of_content(&format!("dlq/{service}"), place.as_bytes())
}

/// The bytes of the dead letter with which `service` keeps `delivery`: always small enough to be stored,
/// for which a large original may be left out.
#[must_use]
pub fn letter(service: &str, delivery: &Delivery, reason: &str) -> Vec<u8> {
    let mut letter = DeadLetter {
        service: service.to_owned(),
        reason: reason.chars().take(500).collect(),
        stream: delivery.stream.name().to_owned(),
        stream_seq: delivery.seq,
        subject: delivery.subject.clone(),
        headers: delivery.headers.clone(),
        body: delivery.body.to_vec(),
    };
    let bytes = encode(&letter);
    if bytes.len() <= codec::MAX_LETTER {
        return bytes;
    }
    // A foreign message may fill the stream's limit by itself; the original stays where it is.
    letter.reason += " (body and headers are left out: together they are too large)";
    letter.body.clear();
    letter.headers.clear();
    encode(&letter)
}

fn encode(letter: &DeadLetter) -> Vec<u8> {
    rmp_serde::to_vec_named(letter).expect("text, numbers and bytes can always be written")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use aegis_schemas::{Event, Stream, Timestamp};

    use super::*;

    #[test]
    fn a_letter_can_be_read_whatever_was_refused() {
        // The largest that is published by Aegis, a larger one of others, and more than a letter holds.
        for (size, kept) in [
            (0, true),
            (codec::MAX_BODY, true),
            (250 * 1024, true),
            (256 * 1024, false),
        ] {
            let delivery = Delivery {
                stream: Stream::Intake,
                seq: 7,
                time: Timestamp::EPOCH,
                subject: "aegis.v1.intake.ci.signals".to_owned(),
                headers: BTreeMap::from([("ce-id".to_owned(), "1".to_owned())]),
                body: vec![0; size].into(),
                attempt: 1,
            };
            let bytes = letter("ingest", &delivery, "not a signal");
            let read = Event::decode(Kind::DeadLetter.as_str(), &bytes);
            let Ok(Event::DeadLetter(read)) = read else {
                panic!("{size} bytes: {read:?}");
            };
            let expected = if kept { delivery.body.as_ref() } else { &[] };
            assert_eq!(read.body, expected, "{size} bytes");
            assert!(read.reason.starts_with("not a signal"));
        }
    }
}
