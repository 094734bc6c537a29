//! Every route, and what is done around each request.

mod commands;
mod publish;
mod read;
mod session;
mod users;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRequest, Request};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{delete, get, post};
use serde::de::DeserializeOwned;
use tower_http::timeout::TimeoutLayer;

use crate::app::App;
use crate::auth::Origin;
use crate::problem::Problem;

/// The largest body of a request, bytes.
const MAX_BODY: usize = 256 * 1024;
/// How long a request may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The decision that answers an event.
pub(crate) const DECISION_OF: &str = "SELECT * FROM views.decision WHERE cause = $1 ORDER BY idx";

/// All routes.
pub(crate) fn router(app: Arc<App>) -> Router {
    let api = Router::new()
        .route("/session", post(session::sign_in).delete(session::sign_out))
        .route("/session/refresh", post(session::refresh))
        .route("/whoami", get(session::me))
        .route("/users", get(users::list).post(users::add))
        .route("/users/{name}", axum::routing::patch(users::change))
        .route("/incidents", get(read::incidents))
        .route("/incidents/{id}", get(read::incident))
        .route("/incidents/{id}/feedback", post(commands::feedback))
        .route("/decisions", get(read::decisions))
        .route("/decisions/{id}/undo", post(commands::undo))
        .route("/approvals", get(read::approvals))
        .route("/approvals/{digest}/approve", post(commands::approve))
        .route("/approvals/{digest}/reject", post(commands::reject))
        .route("/requests", post(commands::request))
        .route("/modes", post(commands::mode))
        .route("/freezes", post(commands::freeze))
        .route("/freezes", delete(commands::unfreeze))
        .route("/kill-switch", post(commands::kill_switch))
        .route("/kill-switch", delete(commands::resume))
        .route("/configurations", post(commands::activate))
        .route("/metrics", post(publish::metrics))
        .route("/signals", post(publish::signals))
        .route("/audit", get(read::audit))
        .route("/health", get(read::health));
    Router::new()
        .nest("/api/v1", api)
        .fallback(|| async { Problem::not_found("route") })
        .layer(middleware::from_fn(observed))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::REQUEST_TIMEOUT,
            TIMEOUT,
        ))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(app)
}

/// Counts and times a request, and keeps its answer out of caches and frames.
async fn observed(request: Request, next: Next) -> Response {
    let start = Instant::now();
    let (parts, body) = request.into_parts();
    let operation = Origin::of(&parts).operation;
    let mut response = next.run(Request::from_parts(parts, body)).await;
    crate::metrics::answered(&operation, response.status().as_u16(), start.elapsed());
    let headers = response.headers_mut();
    for (name, value) in [
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        (
            "content-security-policy",
            "default-src 'none'; frame-ancestors 'none'",
        ),
    ] {
        headers.insert(name, axum::http::HeaderValue::from_static(value));
    }
    response
}

/// A JSON body; what is wrong with it is said as a problem.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match axum::Json::<T>::from_request(request, state).await {
            Ok(axum::Json(body)) => Ok(Self(body)),
            Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => Err(
                Problem::too_large(format!("the body is larger than {MAX_BODY} bytes")),
            ),
            Err(rejection) => Err(Problem::invalid(rejection.body_text())),
        }
    }
}
