//! Prometheus remote write 1.0 over HTTP: `204` means stored.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use axum::routing::post;
use axum::{Router, middleware};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower_http::timeout::TimeoutLayer;

use super::problem::Problem;
use crate::metrics::{self, From};
use crate::shared::{Shared, now};
use crate::{Error, remote_write};

const SOURCE: &str = "remote-write";
/// How long a sender waits for the bus; Prometheus gives up after 30 s.
const WITHIN: Duration = Duration::from_secs(10);
/// A request that trickles in holds no memory longer than this.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(25);
/// Requests that are decoded at the same time: each may take many times its size.
const AT_ONCE: usize = 4;

#[derive(Clone)]
struct App {
    shared: Shared,
    permits: std::sync::Arc<Semaphore>,
}

/// Takes requests until `stop`.
pub(crate) async fn run(
    shared: Shared,
    listener: TcpListener,
    stop: CancellationToken,
) -> Result<(), Error> {
    let most = shared.config.max_decoded_bytes;
    let app = App {
        shared,
        permits: std::sync::Arc::new(Semaphore::new(AT_ONCE)),
    };
    let timeout = TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, REQUEST_TIMEOUT);
    let router = Router::new()
        .route("/api/v1/write", post(write))
        .layer(DefaultBodyLimit::max(most))
        .layer(timeout)
        .layer(middleware::map_response(count))
        .with_state(app);
    axum::serve(listener, router)
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
        .map_err(Error::Serve)
}

async fn count(response: Response) -> Response {
    metrics::answered(response.status().as_u16());
    response
}

async fn write(
    State(app): State<App>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<StatusCode, Problem> {
    understood(&headers)?;
    let shared = &app.shared;
    if let Some(reason) = shared.refuses() {
        return Err(Problem::later(format!("nothing is taken: {reason}")));
    }
    let body = body.map_err(|rejection| Problem::new(rejection.status(), rejection.body_text()))?;
    let permit = app.permits.acquire().await;
    let decoded = remote_write::decode(&body, shared.config.max_decoded_bytes);
    let samples = decoded.map_err(|error| {
        let status = match error {
            remote_write::Error::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            remote_write::Error::Malformed(_) => StatusCode::BAD_REQUEST,
        };
        Problem::new(status, error.to_string())
    })?;
    let at = now();
    let oldest = at - shared.config.max_sample_age;
    let newest = at + shared.config.max_sample_ahead;
    let all = samples.len();
    let (samples, refused): (Vec<_>, Vec<_>) = samples
        .into_iter()
        .partition(|sample| (oldest..=newest).contains(&sample.time));
    metrics::samples(From::RemoteWrite, "stale", refused.len());
    let count = samples.len();
    let (batches, calls) = shared.map(From::RemoteWrite, SOURCE, samples, at);
    drop(permit);
    let stored = async {
        shared.outbox.batches(batches, at, Some(WITHIN)).await?;
        shared.outbox.signals(&calls, Some(WITHIN)).await
    };
    stored
        .await
        .map_err(|error| Problem::later(format!("not stored: {error}")))?;
    shared.lives.delivered(SOURCE, at);
    metrics::samples(From::RemoteWrite, "taken", count);
    match refused.first() {
        None => Ok(StatusCode::NO_CONTENT),
        Some(sample) => Err(Problem::new(
            StatusCode::BAD_REQUEST,
            format!(
                "{} of {all} samples are too old or in the future and were left out, such as `{}` at {}; the others are stored",
                refused.len(),
                sample.name.chars().take(80).collect::<String>(),
                sample.time,
            ),
        )),
    }
}

/// Whether the headers say remote write 1.0.
fn understood(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or("").to_ascii_lowercase()
    };
    let refuse = |detail: &str| Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail);
    let content = text(header::CONTENT_TYPE);
    let mut parts = content.split(';').map(str::trim);
    let protobuf = parts.next() == Some("application/x-protobuf");
    let first = parts.all(|part| {
        part.strip_prefix("proto=")
            .is_none_or(|proto| proto == "prometheus.writerequest")
    });
    if !protobuf || !first {
        return Err(refuse(
            "the content type must be `application/x-protobuf` with `prometheus.WriteRequest` (remote write 1.0)",
        ));
    }
    if text(header::CONTENT_ENCODING) != "snappy" {
        return Err(refuse("the content encoding must be `snappy`"));
    }
    Ok(())
}
