//! The server answers where the asker wants it. An asker who names the subject of decisions makes the server
//! itself publish there: outsiders are kept from it by their account, and what a service makes it store is
//! not believed.

use std::time::Duration;

use aegis_nats::Service;
use aegis_schemas::{OutcomePhase, Stream};
use anyhow::Result;

use super::Finding;
use crate::broker::wire::{Message, Wire};
use crate::broker::{Broker, matrix, stored};
use crate::{Options, Stack};

/// Where only policy may publish.
pub(super) const FORGED: &str = "aegis.v1.decision.allow.demo.shop.cart";

/// How long the executor may take to refuse all of it.
const REFUSED_WITHIN: Duration = Duration::from_secs(60);

/// What each service may publish on, and what it asks for: the next message of a consumer of its own.
const INSIDERS: [(Service, &str); 10] = [
    (Service::Ingest, "aegis.v1.metric.0.demo.shop.cart"),
    (Service::Detector, "aegis.v1.anomaly.demo.shop.cart"),
    (Service::Policy, "aegis.v1.decision.deny.demo.shop.cart"),
    (Service::Executor, "aegis.v1.action.applied.demo.shop.cart"),
    (Service::AuditSink, "aegis.v1.dlq.audit-sink.aegis_events"),
    (Service::Gateway, "aegis.v1.intake.gateway.signals"),
    (
        Service::Ingest,
        "$JS.API.CONSUMER.MSG.NEXT.AEGIS_INTAKE.ingest",
    ),
    (
        Service::Detector,
        "$JS.API.CONSUMER.MSG.NEXT.AEGIS_EVENTS.incidents-demo",
    ),
    (
        Service::Policy,
        "$JS.API.CONSUMER.MSG.NEXT.AEGIS_EVENTS.policy-demo",
    ),
    (
        Service::AuditSink,
        "$JS.API.CONSUMER.MSG.NEXT.AEGIS_METRICS.audit-sink",
    ),
];

pub(super) async fn run() -> Result<Vec<Finding>> {
    let mut findings = outsiders().await?;
    findings.push(insiders().await?);
    Ok(findings)
}

/// Publishes, or asks for a message, and has the answer sent to the subject of decisions.
async fn hijack(wire: &mut Wire, subject: &str) -> Result<Vec<String>> {
    let message = Message {
        subject,
        reply: Some(FORGED),
        body: br#"{"batch": 1, "no_wait": true}"#,
        ..Message::default()
    };
    wire.publish(message).await?;
    wire.settle().await
}

async fn outsiders() -> Result<Vec<Finding>> {
    let broker = Broker::start().await?;
    let mut findings = Vec::new();
    for name in matrix::PUBLISHERS {
        let mut wire = broker.wire(&Service::Publisher(name.to_owned())).await?;
        let subject = format!("aegis.v1.intake.{name}.signals");
        let refused = hijack(&mut wire, &subject).await?;
        // Its answer comes behind the one that was sent elsewhere.
        let message = Message {
            subject: &subject,
            body: b"{}",
            ..Message::default()
        };
        wire.send_and_hear(message).await?;
        let taken = broker.stored(Stream::Intake.name()).await?;
        let taken = taken.iter().find(|(on, _)| *on == subject);
        findings.push(Finding::of(
            format!("{name}: publishes and wants the answer on {FORGED}"),
            "2 taken, 0 refused, 0 stored as a decision",
            format!(
                "{} taken, {} refused, {} stored as a decision",
                taken.map_or(0, |(_, count)| *count),
                refused.len(),
                broker.events_on(FORGED).await?
            ),
        ));
    }
    Ok(findings)
}

async fn insiders() -> Result<Finding> {
    let stack = Stack::start(Options::scenario("healthy-day")).await?;
    let (home, bus) = (stack.installation(), &stack.config().bus);
    for (user, subject) in INSIDERS {
        let mut wire = Wire::of(&home, bus, &user).await?;
        hijack(&mut wire, subject).await?;
    }
    let mut doctor = Wire::of(&home, bus, &Service::Doctor).await?;
    let mut watch = stack.watch().await?;
    let (mut forged, mut refused) = (0, 0);
    let all = async {
        // Six answers to publishes come in any case.
        while forged < 6 || refused < forged {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let stored = stored(&mut doctor, Stream::Events.name()).await?;
            let on = stored.iter().find(|(subject, _)| subject == FORGED);
            forged = on.map_or(0, |(_, count)| *count);
            let entries = watch.all().await?.iter();
            refused = entries
                .filter_map(|entry| entry.outcome(OutcomePhase::Refused))
                .filter(|outcome| outcome.code.is_some())
                .count() as u64;
        }
        anyhow::Ok(())
    };
    if let Ok(failed) = tokio::time::timeout(REFUSED_WITHIN, all).await {
        failed?;
    }
    let writes = stack.writes().await?.len();
    stack.stop().await;
    Ok(Finding::of(
        format!("six services make the server store {forged} messages on {FORGED}"),
        format!("{forged} refused by the executor, 0 writes at the API server"),
        format!("{refused} refused by the executor, {writes} writes at the API server"),
    ))
}
