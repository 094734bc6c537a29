//! The record: its entries, who came in, how much there is, what stands, and how the services are.

use std::sync::Arc;

use aegis_schemas::{EventId, Stream};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::{by_index, one};
use crate::app::App;
use crate::document as shape;
use crate::problem::Problem;
use crate::routes::page::{Page, Part};
use crate::routes::{Id, Sought};
use crate::stages::{Stage, stages};
use crate::store::{Found, array};

/// Which entries are wanted.
#[derive(Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    /// Only those of that event.
    #[param(value_type = Option<shape::EventId>)]
    event: Option<EventId>,
    /// Only those of that kind, such as `aegis.decision.v1`.
    kind: Option<String>,
    /// Only those from that stream, such as `AEGIS_EVENTS`.
    stream: Option<String>,
    /// Only those that speak of that incident.
    #[param(value_type = Option<shape::EventId>)]
    incident: Option<EventId>,
}

/// Entries of the audit log, the newest first.
#[utoipa::path(
    get, path = "/audit", operation_id = "search_audit", tag = "audit",
    params(Wanted, Part),
    responses((status = 200, description = "The entries.", body = Vec<shape::AuditEntry>))
)]
pub(in crate::routes) async fn search(
    State(app): State<Arc<App>>,
    Sought(wanted): Sought<Wanted>,
    page: Page,
) -> Result<Response, Problem> {
    let query = "SELECT e.idx, e.event_id, e.stream, e.stream_epoch, e.stream_seq, e.stream_time, e.kind,
          encode(e.leaf_hash, 'hex') AS leaf_hash
        FROM audit.audit_entry e
        WHERE ($1::text IS NULL OR e.idx IN (SELECT idx FROM audit.audit_key WHERE event_id = $1))
          AND ($2::text IS NULL OR e.kind = $2) AND ($3::text IS NULL OR e.stream = $3)
          AND ($4::text IS NULL OR e.idx IN (SELECT idx FROM views.incident_entry WHERE incident = $4))
          AND ($5::text IS NULL OR e.idx < $5::bigint)
        ORDER BY e.idx DESC";
    let filters = vec![
        wanted.event.map(|event| event.to_string()),
        wanted.kind,
        wanted.stream,
        wanted.incident.map(|incident| incident.to_string()),
    ];
    by_index(&app, &page, query, filters).await
}

/// One entry with its bytes.
#[utoipa::path(
    get, path = "/audit/{idx}", operation_id = "get_entry", tag = "audit",
    params(("idx" = i64, Path, description = "Its index.", minimum = 0)),
    responses((status = 200, description = "The entry.", body = shape::RawEntry))
)]
pub(in crate::routes) async fn entry(
    State(app): State<Arc<App>>,
    id: Id,
) -> Result<Found, Problem> {
    let idx: i64 = id.parse()?;
    let query = "SELECT idx, event_id, stream, stream_epoch, stream_seq, stream_time, kind, recorded_at,
          encode(leaf_hash, 'hex') AS leaf_hash, translate(encode(leaf, 'base64'), E'\\n', '') AS leaf
        FROM audit.audit_entry WHERE idx = $1::bigint";
    one(&app, query, idx.to_string(), "entry").await
}

/// A proof that an entry is in the log, which holds without us. Of an event with two entries, the first.
#[utoipa::path(
    get, path = "/audit/{idx}/proof", operation_id = "get_proof", tag = "audit",
    params(("idx" = i64, Path, description = "Its index.", minimum = 0)),
    responses((status = 200, description = "The proof, checked before it is handed out.", body = shape::Proof))
)]
pub(in crate::routes) async fn proof(
    State(app): State<Arc<App>>,
    id: Id,
) -> Result<Json<Value>, Problem> {
    let idx: i64 = id.parse()?;
    // What has no event id has been recorded as it was and proves nothing that can be named.
    let query = "SELECT event_id FROM audit.audit_entry
        WHERE idx = $1::bigint AND event_id IS NOT NULL";
    let found = one(&app, query, idx.to_string(), "entry of an event").await?;
    let found: Value = found.read()?;
    let event: EventId = found["event_id"]
        .as_str()
        .and_then(|event| event.parse().ok())
        .ok_or_else(|| Problem::not_found("entry of an event"))?;
    Ok(Json(app.cores.prove(event).await?))
}

/// Who came in and who was refused, the newest first.
#[utoipa::path(
    get, path = "/accesses", operation_id = "list_accesses", tag = "audit",
    params(Part),
    responses((status = 200, description = "The accesses.", body = Vec<shape::Access>))
)]
pub(in crate::routes) async fn accesses(
    State(app): State<Arc<App>>,
    page: Page,
) -> Result<Response, Problem> {
    let query = "SELECT * FROM views.access WHERE ($1::text IS NULL OR idx < $1::bigint)
        ORDER BY idx DESC";
    by_index(&app, &page, query, Vec::new()).await
}

/// How many entries each hour of the last two days has, by stream and kind, the newest first.
#[utoipa::path(
    get, path = "/statistics", operation_id = "get_statistics", tag = "audit",
    responses((status = 200, description = "The hours.", body = Vec<shape::Statistic>))
)]
pub(in crate::routes) async fn statistics(
    State(app): State<Arc<App>>,
) -> Result<Response, Problem> {
    let query = "SELECT * FROM views.statistics WHERE hour > now() - interval '2 days'
        ORDER BY hour DESC, stream, kind";
    Ok(array(&app.store.rows(query, &[], 1_000).await?))
}

/// What stands: modes, freezes, the kill switch, the policy set in force.
#[utoipa::path(
    get, path = "/orders", operation_id = "get_orders", tag = "orders",
    responses((status = 200, description = "One for each cluster.", body = Vec<shape::Orders>))
)]
pub(in crate::routes) async fn orders(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let query = "SELECT * FROM views.standing ORDER BY source";
    Ok(array(&app.store.rows(query, &[], 1_000).await?))
}

/// Whether the gateway can do its work.
#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    /// Whether PostgreSQL answers.
    database: bool,
    /// Whether NATS answers.
    bus: bool,
    /// How far the audit log is behind, seconds; none while the audit sink has not said so.
    audit_lag_s: Option<f64>,
    /// How long ago the audit sink said so, seconds.
    audit_heard_s: Option<f64>,
    /// How every stage is; none while NATS does not answer.
    stages: Option<Vec<Stage>>,
    /// How full AEGIS_EVENTS is, 0 to 1; none while NATS does not say.
    events_fill: Option<f64>,
}

/// Whether NATS, PostgreSQL and the gateway are well, and how far every stage is behind.
#[utoipa::path(
    get, path = "/health", operation_id = "health", tag = "audit", security(()),
    responses(
        (status = 200, description = "The gateway can do its work.", body = Health),
        (status = 503, description = "It cannot.", body = Health),
    )
)]
pub(in crate::routes) async fn health(State(app): State<Arc<App>>) -> (StatusCode, Json<Health>) {
    let stages = stages(&app).await;
    let events = app.bus.stream_info(Stream::Events).await;
    let found = stages.as_deref().unwrap_or_default();
    let record = found.iter().find(|stage| stage.is_record());
    let health = Health {
        database: app.store.answers().await,
        bus: stages.is_ok(),
        audit_lag_s: record.and_then(Stage::lag_s),
        audit_heard_s: record.and_then(Stage::heard_s),
        stages: stages.ok(),
        events_fill: events.ok().map(|info| info.fill()),
    };
    let status = if health.database && health.bus {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(health))
}
