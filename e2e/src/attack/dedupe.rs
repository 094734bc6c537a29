//! JetStream forgets a message whose id it has seen, and says that it was stored. Whoever uses a victim's id
//! first silences the victim.

use std::time::Duration;

use aegis_nats::Service;
use aegis_schemas::header::{MSG_ID, Meta};
use aegis_schemas::{Entity, EventId, Subject, Timestamp};
use anyhow::Result;

use super::Finding;
use crate::broker::Broker;
use crate::broker::wire::Message;

pub(super) async fn run() -> Result<Vec<Finding>> {
    let broker = Broker::start().await?;
    let entity: Entity = "demo/shop/deployment/cart".parse()?;
    let subject = Subject::decision("deny", &entity);
    let id = EventId::of_content("victim", b"1");
    let policy = broker.bus(Service::Policy).await?;
    let meta = Meta {
        id,
        kind: "aegis.decision.v1".to_owned(),
        source: "policy/demo".to_owned(),
        time: Timestamp::EPOCH,
        cause: None,
        origin: None,
        traceparent: None,
    };
    let guesses = [
        id.to_string(),
        format!("policy:{id}"),
        format!("policy/demo:{id}"),
    ];
    let mut intruder = broker.wire(&Service::Ingest).await?;
    for guess in &guesses {
        let headers = [(MSG_ID, guess.as_str())];
        intruder
            .publish(Message {
                subject: "aegis.v1.signal.pod.demo.shop.cart",
                headers: &headers,
                body: b"{",
                ..Message::default()
            })
            .await?;
    }
    intruder.settle().await?;
    let within = Some(Duration::from_secs(10));
    let stored = policy
        .publisher()
        .publish(&subject, &meta, "x".into(), within)
        .await?;
    Ok(vec![Finding::of(
        format!("ingest uses {} ids first", guesses.len()),
        "stored as new",
        if stored.duplicate {
            "taken for a copy"
        } else {
            "stored as new"
        },
    )])
}
