//! What other systems and the gateway hand in on AEGIS_INTAKE, checked: a message is taken as it is or
//! refused with a reason that its sender understands.

use aegis_nats::{Delivery, Failure};
use aegis_schemas::header::{CE_ID, CE_TYPE, CONTENT_TYPE};
use aegis_schemas::{Event, EventId, Kind, MetricBatch, Signal, codec};

use crate::Config;
use crate::metrics::{self, From};

/// The event that is handed in, as from its publisher.
///
/// # Errors
///
/// A rejection that says what is wrong with it: its type, its body, or what it claims.
pub fn read(delivery: &Delivery, config: &Config) -> Result<Event, Failure> {
    let header = |name: &str| delivery.headers.get(name).map(String::as_str);
    let topic = delivery.subject.split('.').nth(4);
    let kind = match (header(CE_TYPE), topic) {
        (Some(raw), _) => Kind::parse(raw),
        (None, Some("metrics")) => Some(Kind::Metric),
        (None, Some("signals")) => Some(Kind::Signal),
        (None, _) => None,
    };
    let json = header(CONTENT_TYPE)
        .is_some_and(|content| content.trim_start().starts_with("application/json"));
    let source = format!("intake/{}", publisher(delivery));
    match kind {
        Some(Kind::Metric) => {
            let mut batch: MetricBatch = body(delivery, json)?;
            batch.source = source;
            check_batch(&batch, delivery, config)?;
            Ok(Event::Metric(batch))
        }
        Some(Kind::Signal) => {
            let mut signal: Signal = body(delivery, json)?;
            signal.source = source;
            match signal.refused_from_outside() {
                Some(why) => Err(Failure::reject(why)),
                None => Ok(Event::Signal(signal)),
            }
        }
        _ => Err(Failure::reject(format!(
            "header `{CE_TYPE}` must be `{}` or `{}`",
            Kind::Metric,
            Kind::Signal
        ))),
    }
}

/// Who handed it in: NATS lets each publisher use its own subjects only.
pub(crate) fn publisher(delivery: &Delivery) -> &str {
    delivery.subject.split('.').nth(3).unwrap_or("unknown")
}

/// The same for every delivery and for every try of the sender.
pub(crate) fn id(delivery: &Delivery) -> EventId {
    let key = delivery.headers.get(CE_ID).map(String::as_bytes);
    EventId::of_content(
        &format!("intake/{}", publisher(delivery)),
        key.unwrap_or(&delivery.body),
    )
}

fn body<T: serde::de::DeserializeOwned>(delivery: &Delivery, json: bool) -> Result<T, Failure> {
    if json {
        serde_json::from_slice(&delivery.body)
            .map_err(|error| Failure::reject(format!("malformed JSON body: {error}")))
    } else {
        codec::decode(&delivery.body).map_err(|error| Failure::reject(error.to_string()))
    }
}

fn check_batch(batch: &MetricBatch, delivery: &Delivery, config: &Config) -> Result<(), Failure> {
    if let Some(why) = batch.refused_from_outside() {
        return Err(Failure::reject(why));
    }
    // Measured against when it was handed in: it is not the sender's fault when it waited here.
    let oldest = delivery.time - config.max_sample_age;
    let newest = delivery.time + config.max_sample_ahead;
    let span = batch.times.first().zip(batch.times.last());
    if let Some((first, last)) = span
        && (*first < oldest || *last > newest)
    {
        metrics::samples(From::Intake, "stale", batch.samples());
        return Err(Failure::reject(format!(
            "samples from {first} to {last} are too old or in the future"
        )));
    }
    Ok(())
}
