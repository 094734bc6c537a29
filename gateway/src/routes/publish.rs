//! Metrics and signals of systems that are not Prometheus: checked, then handed to ingest through
//! AEGIS_INTAKE.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aegis_nats::kv::HealthBoard;
use aegis_schemas::header::Meta;
use aegis_schemas::{Event, EventId, MetricBatch, Signal, Stream, Subject};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::access::now;
use crate::app::App;
use crate::auth::Principal;
use crate::document as shape;
use crate::problem::Problem;
use crate::routes::Body;

/// How far behind the audit log may be before nothing is taken.
const MAX_LAG_S: f64 = 3_600.0;
/// How much of a stream the audit log may have before it before nothing is taken.
const MAX_BACKLOG: f64 = 0.25;
/// How full a stream may be before nothing is taken.
const MAX_FILL: f64 = 0.8;
/// How old the audit sink's word may be.
const MAX_AGE: Duration = Duration::from_secs(30);
/// How long a sender waits for the bus.
const WITHIN: Duration = Duration::from_secs(5);

/// What was taken.
#[derive(Serialize, ToSchema)]
pub(crate) struct Taken {
    /// The event.
    #[schema(value_type = shape::EventId)]
    event: EventId,
    /// Its sequence in AEGIS_INTAKE.
    sequence: u64,
    /// Whether it had been taken before.
    duplicate: bool,
}

type Answer = Result<(StatusCode, Json<Taken>), Problem>;

/// Samples of one workload that Prometheus does not have.
#[utoipa::path(
    post, path = "/metrics", operation_id = "publish_metrics", tag = "publish",
    request_body = shape::MetricBatch,
    responses((status = 202, description = "It is on the way to ingest.", body = Taken))
)]
pub(super) async fn metrics(
    State(app): State<Arc<App>>,
    who: Principal,
    Body(batch): Body<MetricBatch>,
) -> Answer {
    if let Some(why) = batch.refused_from_outside() {
        return Err(Problem::unprocessable(why));
    }
    take(&app, &who, "metrics", Event::Metric(batch)).await
}

/// What another system says of an object: an alert, a change, calls, log rates.
#[utoipa::path(
    post, path = "/signals", operation_id = "publish_signals", tag = "publish",
    request_body = shape::Signal,
    responses((status = 202, description = "It is on the way to ingest.", body = Taken))
)]
pub(super) async fn signals(
    State(app): State<Arc<App>>,
    who: Principal,
    Body(signal): Body<Signal>,
) -> Answer {
    if let Some(why) = signal.refused_from_outside() {
        return Err(Problem::unprocessable(why));
    }
    take(&app, &who, "signals", Event::Signal(signal)).await
}

async fn take(app: &App, who: &Principal, topic: &str, event: Event) -> Answer {
    healthy(app).await?;
    let body = event
        .encode()
        .map_err(|error| Problem::too_large(error.to_string()))?;
    let id = EventId::of_content(&format!("gateway/{}", who.name), &body);
    let meta = Meta {
        id,
        kind: event.kind().as_str().to_owned(),
        source: format!("gateway/{}", who.name),
        time: now(),
        cause: None,
        origin: None,
        traceparent: None,
    };
    let subject = Subject::intake("gateway", topic).expect("constant tokens are valid");
    let stored = app
        .publisher
        .publish(&subject, &meta, body.into(), Some(WITHIN))
        .await?;
    let taken = Taken {
        event: id,
        sequence: stored.seq,
        duplicate: stored.duplicate,
    };
    Ok((StatusCode::ACCEPTED, Json(taken)))
}

/// No audit, no intake: what cannot be recorded is not taken.
async fn healthy(app: &App) -> Result<(), Problem> {
    let now = Instant::now();
    if app.audit_is_well.get(&(), now).is_none() {
        look(app).await?;
        app.audit_is_well.put((), (), now);
    }
    Ok(())
}

async fn look(app: &App) -> Result<(), Problem> {
    let unavailable = |why: String| Problem::unavailable(format!("nothing is taken: {why}"));
    let seen = HealthBoard::new(&app.bus)
        .audit()
        .await
        .map_err(|error| unavailable(error.to_string()))?
        .ok_or_else(|| unavailable("the audit sink has not reported yet".to_owned()))?;
    if seen.age > MAX_AGE {
        return Err(unavailable(format!(
            "the audit sink was last heard {} s ago",
            seen.age.as_secs()
        )));
    }
    if seen.health.lag_seconds > MAX_LAG_S || seen.health.fill > MAX_BACKLOG {
        return Err(unavailable(format!(
            "the audit sink is {:.0} s behind",
            seen.health.lag_seconds
        )));
    }
    let intake = app.bus.stream_info(Stream::Intake).await;
    // Whoever cannot ask is told by the publish itself: a full stream refuses it.
    match intake {
        Ok(info) if info.bytes as f64 > info.max_bytes as f64 * MAX_FILL => {
            Err(unavailable("AEGIS_INTAKE is full".to_owned()))
        }
        _ => Ok(()),
    }
}
