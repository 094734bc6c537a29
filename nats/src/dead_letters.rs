//! What a service could not take is kept with its reason before the service lets go of it.

use aegis_schemas::header::Meta;
use aegis_schemas::{DeadLetter, EventId, Kind, Subject};

use crate::topology::MAX_MESSAGE;
use crate::{Bus, Delivery, PublishError, metrics};

/// Room for the envelope beside the body.
const MAX_BODY: usize = MAX_MESSAGE - 4 * 1024;

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
    let body = body(service, delivery, reason);
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

fn body(service: &str, delivery: &Delivery, reason: &str) -> Vec<u8> {
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
    if bytes.len() <= MAX_BODY {
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
