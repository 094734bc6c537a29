//! The floor of the gateway's benchmark: the same queries and the same messages, with nothing around them.
//! Nobody is asked who they are, nothing is counted, logged or kept.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use aegis_nats::{Bus, Publisher};
use aegis_schemas::header::Meta;
use aegis_schemas::{Event, EventId, Kind, MetricBatch, Subject};
use axum::extract::{Path as Named, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::Error;
use crate::access::now;
use crate::problem::Problem;
use crate::routes::{INCIDENT, INCIDENTS};
use crate::store::{Found, Store, array};

/// Rows of a list, one more than is answered.
const ROWS: i64 = 51;

struct Bare {
    store: Store,
    publisher: Publisher,
}

/// Serves three routes of the API at `listen` until `stop`, bare.
///
/// # Errors
///
/// When the database does not answer, or it cannot listen.
pub async fn serve_bare(
    bus: &Bus,
    database_url_file: &Path,
    listen: SocketAddr,
    stop: CancellationToken,
) -> Result<(), Error> {
    let bare = Arc::new(Bare {
        store: Store::connect(database_url_file).await?,
        publisher: bus.publisher(),
    });
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|error| Error::Listen(listen, error))?;
    let routes = Router::new()
        .route("/api/v1/incidents", get(list))
        .route("/api/v1/incidents/{id}", get(one))
        .route("/api/v1/metrics", post(publish))
        .with_state(bare);
    axum::serve(listener, routes)
        .with_graceful_shutdown(stop.cancelled_owned())
        .await?;
    Ok(())
}

async fn list(State(bare): State<Arc<Bare>>) -> Result<Response, Problem> {
    let filters: [Option<String>; 8] = Default::default();
    let mut rows = bare.store.fresh(INCIDENTS, &filters, ROWS).await?;
    rows.pop();
    Ok(array(&rows))
}

async fn one(State(bare): State<Arc<Bare>>, Named(id): Named<String>) -> Result<Found, Problem> {
    let mut found = bare.store.fresh(INCIDENT, &[Some(id)], 1).await?;
    found.pop().ok_or_else(|| Problem::not_found("incident"))
}

async fn publish(
    State(bare): State<Arc<Bare>>,
    Json(batch): Json<MetricBatch>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let body = Event::Metric(batch)
        .encode()
        .map_err(|error| Problem::too_large(error.to_string()))?;
    let id = EventId::of_content("gateway/bare", &body);
    let meta = Meta {
        id,
        kind: Kind::Metric.as_str().to_owned(),
        source: "gateway/bare".to_owned(),
        time: now(),
        cause: None,
        origin: None,
        traceparent: None,
    };
    let subject = Subject::intake("gateway", "metrics").expect("constant tokens are valid");
    let stored = bare
        .publisher
        .publish(&subject, &meta, body.into(), None)
        .await?;
    let taken = json!({"event": id, "sequence": stored.seq, "duplicate": stored.duplicate});
    Ok((StatusCode::ACCEPTED, Json(taken)))
}
