//! One trace through the bus. Handling a message is a span in the message's trace, linked to the span in
//! which it was published; what is published meanwhile belongs to the same trace.
//!
//! Spans are those of the `tracing` facade. Whatever carries `trace_id` and `span_id` is exported, if
//! somebody collects traces; nothing here depends on it.

use std::future::Future;

use aegis_schemas::header::{CE_ID, CE_TYPE, TRACEPARENT};
use aegis_schemas::{About, Event, EventId, Kind, Place, TraceContext};
use tracing::{Instrument as _, Level, Span};

use crate::{Bus, Delivery, metrics};

tokio::task_local! {
    /// The context of the message in hand.
    static IN_HAND: TraceContext;
}

/// The context of a message that is published now.
pub(crate) fn context_of(event: EventId) -> TraceContext {
    IN_HAND
        .try_with(|in_hand| in_hand.answer(event))
        .unwrap_or_else(|_| TraceContext::root(event))
}

/// Handles a message within its trace, and counts how long that takes.
pub(crate) async fn process<F: Future>(
    bus: &Bus,
    consumer: &str,
    delivery: &Delivery,
    work: F,
) -> F::Output {
    let _timer = metrics::handling(consumer);
    let Some(context) = delivery.trace() else {
        return work.await;
    };
    let about = about(delivery);
    let place = Place::of(&delivery.subject);
    let span = tracing::info_span!(
        "process",
        trace_id = context.trace_id(),
        span_id = handling(consumer, delivery).span_id(),
        linked_span_id = context.span_id(),
        stage = bus.service().as_str(),
        subject = delivery.subject,
        message = delivery.headers.get(CE_ID),
        consumer,
        cluster = place.map(|place| place.cluster),
        namespace = place.and_then(|place| place.namespace),
        incident = about.incident.map(tracing::field::display),
        decision = about.decision.map(tracing::field::display),
        error = tracing::field::Empty,
    );
    IN_HAND.scope(context, work).instrument(span).await
}

/// Says in the span in hand why its message was refused.
pub(crate) fn refused(reason: &str) {
    Span::current().record("error", reason);
}

/// The spans of messages that are stored together; each ends when it is dropped.
pub(crate) fn batch(bus: &Bus, consumer: &str, deliveries: &[Delivery]) -> Vec<Span> {
    // A sink handles every message there is: only for who collects traces.
    if !tracing::span_enabled!(Level::TRACE, trace_id, span_id) {
        return Vec::new();
    }
    let span = |delivery: &Delivery| {
        let context = delivery.trace()?;
        let about = about(delivery);
        Some(tracing::trace_span!(
            "process",
            trace_id = context.trace_id(),
            span_id = handling(consumer, delivery).span_id(),
            linked_span_id = context.span_id(),
            stage = bus.service().as_str(),
            subject = delivery.subject,
            message = delivery.headers.get(CE_ID),
            consumer,
            incident = about.incident.map(tracing::field::display),
            decision = about.decision.map(tracing::field::display),
        ))
    };
    deliveries.iter().filter_map(span).collect()
}

/// The span in which a message is published; it ends when it is dropped.
pub(crate) fn publishing(bus: &Bus, context: &TraceContext, subject: &str, event: EventId) -> Span {
    let place = Place::of(subject);
    tracing::trace_span!(
        "publish",
        trace_id = context.trace_id(),
        span_id = context.span_id(),
        stage = bus.service().as_str(),
        subject,
        message = %event,
        cluster = place.map(|place| place.cluster),
        namespace = place.and_then(|place| place.namespace),
    )
}

/// Names the span of this delivery to this consumer.
fn handling(consumer: &str, delivery: &Delivery) -> TraceContext {
    let named = format!(
        "{consumer}/{}/{}/{}",
        delivery.stream, delivery.seq, delivery.attempt
    );
    TraceContext::root(EventId::of_content("process", named.as_bytes()))
}

/// What a message speaks of. Only those are decoded for it that can: not samples, of which there are many.
fn about(delivery: &Delivery) -> About {
    let kind = delivery
        .headers
        .get(CE_TYPE)
        .and_then(|raw| Kind::parse(raw));
    let speaks = kind.filter(|kind| {
        matches!(
            kind,
            Kind::Incident
                | Kind::Assessment
                | Kind::Warrant
                | Kind::Decision
                | Kind::Outcome
                | Kind::Command
        )
    });
    speaks
        .and_then(|kind| Event::decode(kind.as_str(), &delivery.body).ok())
        .map_or_else(About::default, |event| event.about())
}

impl Delivery {
    /// Where it stands in a trace: as its header says, else it begins one. `None` for what has no id.
    #[must_use]
    pub fn trace(&self) -> Option<TraceContext> {
        let said = self.headers.get(TRACEPARENT);
        said.and_then(|raw| TraceContext::parse(raw)).or_else(|| {
            let id = self.headers.get(CE_ID)?.parse().ok()?;
            Some(TraceContext::root(id))
        })
    }
}
