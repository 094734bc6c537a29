//! What other systems and the gateway hand in on AEGIS_INTAKE, checked: a message is taken as it is or
//! refused with a reason that its sender understands.

use aegis_nats::{Delivery, Failure};
use aegis_schemas::header::{CE_ID, CE_TYPE, CONTENT_TYPE};
use aegis_schemas::{
    Entity, EntityKind, Event, EventId, Kind, MetricBatch, Signal, SignalBody, codec,
};

use crate::Config;
use crate::metrics::{self, From};

/// The most callees that one message may name.
const MAX_CALLEES: usize = 256;
/// The longest text of a change.
const MAX_TEXT: usize = 1_024;

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
            check_signal(&signal)?;
            Ok(Event::Signal(signal))
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
    if let Some(fault) = batch.fault() {
        return Err(Failure::reject(fault));
    }
    check_entity(&batch.entity)?;
    if batch.backfill {
        return Err(Failure::reject(
            "history cannot be handed in; ingest reads it with `ingest.backfill`",
        ));
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

/// What decides about objects and time comes from Kubernetes and ingest alone.
fn check_signal(signal: &Signal) -> Result<(), Failure> {
    let open = matches!(
        signal.body,
        SignalBody::Alert(_)
            | SignalBody::Change(_)
            | SignalBody::Calls(_)
            | SignalBody::LogRates(_)
    );
    if !open {
        return Err(Failure::reject(format!(
            "a signal of kind `{}` cannot be handed in; alert, change, calls and log_rates can",
            signal.body.token()
        )));
    }
    check_entity(&signal.entity)?;
    match &signal.body {
        SignalBody::Change(change) => {
            check_workload(&signal.entity)?;
            if change.by.starts_with("aegis-") {
                return Err(Failure::reject(
                    "a change by Aegis is seen at the API server and cannot be handed in",
                ));
            }
            let texts = [&change.what, &change.by, &change.from, &change.to];
            if texts.iter().any(|text| text.len() > MAX_TEXT) {
                return Err(Failure::reject(format!(
                    "a text of the change is longer than {MAX_TEXT} bytes; shorten it"
                )));
            }
        }
        SignalBody::Calls(calls) => {
            check_workload(&signal.entity)?;
            if calls.callees.len() > MAX_CALLEES {
                return Err(Failure::reject(format!(
                    "{} callees are named, at most {MAX_CALLEES} are taken",
                    calls.callees.len()
                )));
            }
            for callee in &calls.callees {
                check_entity(callee)?;
                check_workload(callee)?;
                if callee.cluster != signal.entity.cluster {
                    return Err(Failure::reject(format!(
                        "`{callee}` is in another cluster than its caller `{}`",
                        signal.entity
                    )));
                }
            }
        }
        _ => {}
    }
    Ok(())
}

/// An entity that cannot exist would be remembered for ever: nobody ever says that it is gone.
fn check_entity(entity: &Entity) -> Result<(), Failure> {
    let global = matches!(
        entity.kind,
        EntityKind::Node | EntityKind::Namespace | EntityKind::Cluster
    );
    match &entity.namespace {
        None if !global => Err(Failure::reject(format!("`{entity}` needs a namespace"))),
        Some(_) if global => Err(Failure::reject(format!(
            "`{entity}` names a namespace, which a {} has not",
            entity.kind
        ))),
        _ => Ok(()),
    }
}

fn check_workload(entity: &Entity) -> Result<(), Failure> {
    if entity.kind.is_workload() {
        Ok(())
    } else {
        Err(Failure::reject(format!(
            "`{entity}` is no workload; only workloads change and call"
        )))
    }
}

#[cfg(test)]
mod tests {
    use aegis_schemas::Timestamp;
    use aegis_schemas::signal::{Alert, Calls, Change, Gone};

    use super::*;

    fn change(what: &str, by: &str) -> SignalBody {
        SignalBody::Change(Change {
            what: what.to_owned(),
            by: by.to_owned(),
            ..Change::default()
        })
    }

    fn calls(callees: &[&str]) -> SignalBody {
        SignalBody::Calls(Calls {
            callees: callees.iter().map(|text| entity(text)).collect(),
        })
    }

    fn entity(text: &str) -> Entity {
        text.parse().expect("the table names entities")
    }

    #[test]
    fn only_what_can_be_and_is_for_others_to_say_is_taken() {
        let cart = "demo/shop/deployment/cart";
        let callee = "demo/shop/service/pay";
        let table = [
            (cart, change("template", "ci"), true),
            (cart, change("template", "aegis-executor"), false),
            (cart, change(&"x".repeat(MAX_TEXT + 1), "ci"), false),
            ("demo/shop/pod/cart-1", change("template", "ci"), false),
            ("demo/deployment/cart", change("template", "ci"), false),
            (cart, calls(&[callee]), true),
            (cart, calls(&[callee; MAX_CALLEES]), true),
            (cart, calls(&[callee; MAX_CALLEES + 1]), false),
            (cart, calls(&["demo/shop/configmap/pay"]), false),
            (cart, calls(&["other/shop/service/pay"]), false),
            (cart, calls(&["demo/service/pay"]), false),
            ("demo/node/n1", SignalBody::Alert(Alert::default()), true),
            (
                "demo/shop/node/n1",
                SignalBody::Alert(Alert::default()),
                false,
            ),
            (cart, SignalBody::Gone(Gone::default()), false),
        ];
        for (about, body, taken) in table {
            let signal = Signal {
                entity: entity(about),
                observed: Timestamp::EPOCH,
                source: "intake/ci".to_owned(),
                body,
            };
            assert_eq!(check_signal(&signal).is_ok(), taken, "{signal:?}");
        }
    }
}
