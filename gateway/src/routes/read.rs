//! What people read: the views that the audit sink keeps. Times are RFC 3339, ids as everywhere.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::app::App;
use crate::auth::{ADMIN, AUDITOR, OPERATOR, Origin, Principal};
use crate::problem::Problem;

/// Who may read.
const READERS: [&str; 3] = [ADMIN, OPERATOR, AUDITOR];
/// How many rows are answered unless said otherwise.
const PAGE: i64 = 50;

/// Which rows are wanted.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Wanted {
    state: Option<String>,
    incident: Option<String>,
    /// Only rows before this audit index.
    before: Option<i64>,
    limit: i64,
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            state: None,
            incident: None,
            before: None,
            limit: PAGE,
        }
    }
}

type Rows = Result<Json<Vec<Value>>, Problem>;

async fn rows(
    app: &App,
    who: &Principal,
    query: &'static str,
    filters: &[Option<String>],
    limit: i64,
) -> Rows {
    who.demand(app, &READERS)?;
    Ok(Json(app.store.rows(query, filters, limit).await?))
}

pub(crate) async fn incidents(
    State(app): State<Arc<App>>,
    who: Principal,
    Query(wanted): Query<Wanted>,
) -> Rows {
    let query = "SELECT * FROM views.incident
        WHERE ($1::text IS NULL OR state = $1) ORDER BY opened_at DESC";
    rows(&app, &who, query, &[wanted.state], wanted.limit).await
}

pub(crate) async fn incident(
    State(app): State<Arc<App>>,
    who: Principal,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let query = "SELECT * FROM views.incident WHERE incident = $1";
    let Json(found) = rows(&app, &who, query, &[Some(id)], 1).await?;
    let first = found.into_iter().next();
    first
        .map(Json)
        .ok_or_else(|| Problem::not_found("incident"))
}

pub(crate) async fn decisions(
    State(app): State<Arc<App>>,
    who: Principal,
    Query(wanted): Query<Wanted>,
) -> Rows {
    let query = "SELECT * FROM views.decision
        WHERE ($1::text IS NULL OR incident = $1) ORDER BY idx DESC";
    rows(&app, &who, query, &[wanted.incident], wanted.limit).await
}

pub(crate) async fn approvals(
    State(app): State<Arc<App>>,
    who: Principal,
    Query(wanted): Query<Wanted>,
) -> Rows {
    let query = "SELECT * FROM views.approval
        WHERE ($1::text IS NULL OR state = $1) ORDER BY asked_at DESC";
    rows(&app, &who, query, &[wanted.state], wanted.limit).await
}

pub(crate) async fn audit(
    State(app): State<Arc<App>>,
    who: Principal,
    Query(wanted): Query<Wanted>,
) -> Rows {
    let query = "SELECT idx, event_id, stream, stream_seq, stream_time, kind, encode(leaf_hash, 'hex') AS leaf_hash
        FROM audit.audit_entry WHERE ($1::bigint IS NULL OR idx < $1::bigint) ORDER BY idx DESC";
    let before = wanted.before.map(|before| before.to_string());
    rows(&app, &who, query, &[before], wanted.limit).await
}

/// Whether the gateway can do its work.
#[derive(Serialize)]
pub(crate) struct Health {
    database: bool,
    bus: bool,
}

pub(crate) async fn health(
    State(app): State<Arc<App>>,
    _origin: Origin,
) -> (StatusCode, Json<Health>) {
    let health = Health {
        database: app.store.answers().await,
        bus: aegis_nats::kv::HealthBoard::new(&app.bus)
            .audit()
            .await
            .is_ok(),
    };
    let status = if health.database && health.bus {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(health))
}
