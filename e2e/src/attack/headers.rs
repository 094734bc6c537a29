//! Headers by which a publisher would make JetStream do more than store the message.

use std::time::Duration;

use aegis_nats::Service;
use aegis_schemas::header::Meta;
use aegis_schemas::{Entity, EventId, Subject, Timestamp};
use anyhow::Result;

use super::Finding;
use super::reply::FORGED;
use crate::broker::Broker;
use crate::broker::wire::Message;

/// A header, and the code that JetStream refuses it with.
const ABUSE: [(&str, &str, u64); 6] = [
    ("Nats-TTL", "1s", 10_166),
    ("Nats-Rollup", "all", 10_111),
    ("Nats-Rollup", "sub", 10_111),
    ("Nats-Schedule", "@at 2030-01-01T00:00:00Z", 10_188),
    ("Nats-Incr", "+1", 10_168),
    ("Nats-Expected-Stream", "AEGIS_METRICS", 10_060),
];

/// Who publishes where: one user of each stream that somebody writes.
const PLACES: [(Service, &str, bool); 4] = [
    (
        Service::Policy,
        "aegis.v1.decision.deny.demo.shop.cart",
        true,
    ),
    (Service::Ingest, "aegis.v1.signal.pod.demo.shop.cart", true),
    (Service::Gateway, "aegis.v1.intake.gateway.signals", false),
    (
        Service::Detector,
        "aegis.v1.dlq.detector.aegis_events",
        false,
    ),
];

pub(super) async fn run() -> Result<Vec<Finding>> {
    let broker = Broker::start().await?;
    let mut findings = Vec::new();
    for (user, subject, atomic) in &PLACES {
        for (name, value, code) in ABUSE {
            findings.push(refused(&broker, user, subject, &[(name, value)], code).await?);
        }
        if !atomic {
            let batch = [("Nats-Batch-Id", "x"), ("Nats-Batch-Sequence", "1")];
            findings.push(refused(&broker, user, subject, &batch, 10_174).await?);
        }
        findings.push(traced(&broker, user, subject).await?);
    }
    findings.push(line_break(&broker).await?);
    Ok(findings)
}

async fn refused(
    broker: &Broker,
    user: &Service,
    subject: &str,
    headers: &[(&str, &str)],
    code: u64,
) -> Result<Finding> {
    let mut wire = broker.wire(user).await?;
    let message = Message {
        subject,
        headers,
        body: b"{",
        ..Message::default()
    };
    let answer = wire.send_and_hear(message).await?;
    let seen = match answer["error"]["err_code"].as_u64() {
        Some(code) => format!("code {code}"),
        None => format!("stored: {answer}"),
    };
    let (name, value) = headers[0];
    Ok(Finding::of(
        format!("{user} on {subject}: {name}: {value}"),
        format!("code {code}"),
        seen,
    ))
}

/// The server would say where the message went, on a subject of the sender's choice.
async fn traced(broker: &Broker, user: &Service, subject: &str) -> Result<Finding> {
    let target = match user {
        Service::Policy => "aegis.v1.command.approve.demo.shop.cart",
        _ => FORGED,
    };
    let mut wire = broker.wire(user).await?;
    let headers = [("Nats-Trace-Dest", target)];
    let message = Message {
        subject,
        headers: &headers,
        body: b"{",
        ..Message::default()
    };
    wire.publish(message).await?;
    let refused = wire.settle().await?;
    let refused = refused
        .iter()
        .any(|text| text.contains("Permissions Violation"));
    let stored = broker.events_on(target).await?;
    Ok(Finding::of(
        format!("{user} on {subject}: Nats-Trace-Dest: {target}"),
        "refused, 0 stored there",
        format!(
            "{}, {stored} stored there",
            if refused { "refused" } else { "allowed" }
        ),
    ))
}

/// A line break in what a message says of itself would begin another header.
async fn line_break(broker: &Broker) -> Result<Finding> {
    let ingest = broker.bus(Service::Ingest).await?;
    let entity: Entity = "demo/shop/deployment/cart".parse()?;
    let meta = Meta {
        id: EventId::of_content("attack", b"line break"),
        kind: "aegis.signal.v1\r\nNats-Rollup: all".to_owned(),
        source: "ingest\r\nNats-TTL: 1s".to_owned(),
        time: Timestamp::EPOCH,
        cause: None,
        origin: None,
        traceparent: Some("00\r\n\r\n".to_owned()),
    };
    let subject = Subject::signal("change", &entity);
    let within = Some(Duration::from_secs(10));
    let stored = ingest
        .publisher()
        .publish(&subject, &meta, "x".into(), within)
        .await;
    Ok(Finding::of(
        "ingest: line breaks in kind, source and trace of a message",
        "stored with none of the headers behind them",
        match stored {
            Ok(_) => "stored with none of the headers behind them".to_owned(),
            Err(error) => error.to_string(),
        },
    ))
}
