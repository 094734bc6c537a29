//! Every route, and what is done around each request.

mod commands;
mod docs;
pub(crate) mod invitations;
pub(crate) mod keys;
mod page;
mod parts;
mod publish;
mod read;
mod session;
pub(crate) mod users;
mod what_if;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use tower_http::timeout::TimeoutLayer;
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::auth::Origin;
use crate::document::BASE;
use crate::gate::{Caller, gate};
use crate::problem::Problem;
use crate::trace;

pub(crate) use self::commands::halt::{engage, release};
pub(crate) use self::parts::{Body, Id, Sought};
pub(crate) use self::read::incidents::{INCIDENT, INCIDENTS};

/// The largest body of a request, bytes.
pub(crate) const MAX_BODY: usize = 256 * 1024;
/// How long a request may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The decision that answers an event.
pub(crate) const DECISION_OF: &str = "SELECT * FROM views.decision WHERE cause = $1 ORDER BY idx";

/// What the document says of the API as a whole.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Aegis",
        description = "The autopilot for Kubernetes over NATS JetStream. Errors are problem documents (RFC 9457) that say what to do next. Lists answer an array; the header `Link` (RFC 8288) with `rel=\"next\"` leads to the rest."
    ),
    security(("bearer" = [])),
    tags(
        (name = "access", description = "Sign-in, users, invitations, API keys."),
        (name = "incidents", description = "What is wrong, why, and what came of it."),
        (name = "acts", description = "Asking for acts, and answering what Aegis asks."),
        (name = "orders", description = "Modes, freezes, the kill switch, configurations."),
        (name = "publish", description = "Metrics and signals of other systems."),
        (name = "audit", description = "The record that can be proven."),
    )
)]
struct About;

/// The operations with what the document says of them.
fn operations() -> OpenApiRouter<Arc<App>> {
    let api = OpenApiRouter::new()
        .routes(routes!(session::sign_in, session::sign_out))
        .routes(routes!(session::refresh))
        .routes(routes!(session::me))
        .routes(routes!(users::list, users::add))
        .routes(routes!(users::change))
        .routes(routes!(invitations::list, invitations::invite))
        .routes(routes!(invitations::revoke))
        .routes(routes!(invitations::accept))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::revoke))
        .routes(routes!(read::incidents::list))
        .routes(routes!(read::incidents::one_of_them))
        .routes(routes!(read::incidents::story))
        .routes(routes!(commands::acts::feedback))
        .routes(routes!(commands::regroup::merge))
        .routes(routes!(commands::regroup::split))
        .routes(routes!(read::acts::decisions))
        .routes(routes!(read::acts::decision))
        .routes(routes!(commands::acts::undo))
        .routes(routes!(read::acts::acts))
        .routes(routes!(read::acts::approvals))
        .routes(routes!(commands::proposals::approve))
        .routes(routes!(commands::proposals::reject))
        .routes(routes!(commands::acts::request))
        .routes(routes!(what_if::evaluate))
        .routes(routes!(what_if::check_policies))
        .routes(routes!(what_if::detect))
        .routes(routes!(read::audit::orders))
        .routes(routes!(commands::orders::mode))
        .routes(routes!(
            commands::orders::freeze,
            commands::orders::unfreeze
        ))
        .routes(routes!(commands::halt::stop, commands::halt::resume))
        .routes(routes!(commands::orders::activate))
        .routes(routes!(publish::metrics))
        .routes(routes!(publish::signals))
        .routes(routes!(read::audit::search))
        .routes(routes!(read::audit::entry))
        .routes(routes!(read::audit::proof))
        .routes(routes!(read::audit::accesses))
        .routes(routes!(read::audit::statistics))
        .routes(routes!(crate::live::events))
        .routes(routes!(read::audit::health))
        .routes(routes!(docs::document));
    OpenApiRouter::with_openapi(About::openapi()).nest(BASE, api)
}

/// What the routes say of themselves.
pub(crate) fn document() -> OpenApi {
    operations().split_for_parts().1
}

/// All routes.
pub(crate) fn router(app: Arc<App>) -> Router {
    let (api, _) = operations()
        .layer(middleware::from_fn_with_state(Arc::clone(&app), gate))
        .split_for_parts();
    api.merge(docs::pages())
        .merge(crate::pages::router())
        .fallback(|| async { Problem::not_found("route") })
        .method_not_allowed_fallback(|| async { Problem::method_not_allowed() })
        .layer(TimeoutLayer::with_status_code(
            StatusCode::REQUEST_TIMEOUT,
            TIMEOUT,
        ))
        .layer(middleware::from_fn(observed))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(app)
}

/// Counts, times and logs a request, and keeps its answer out of caches and frames.
async fn observed(request: Request, next: Next) -> Response {
    let start = Instant::now();
    let (parts, body) = request.into_parts();
    let operation = Origin::of(&parts).operation;
    let trace = trace::of(&parts.headers);
    let request = Request::from_parts(parts, body);
    let mut response = trace::within(trace.clone(), async {
        let response = next.run(request).await;
        if response.status() == StatusCode::REQUEST_TIMEOUT {
            return Problem::timeout().into_response();
        }
        response
    })
    .await;
    let (status, took) = (response.status().as_u16(), start.elapsed());
    crate::metrics::answered(&operation, status, took);
    let caller = response.extensions().get::<Caller>();
    let principal = caller.map_or("-", |Caller(name)| name.as_str());
    tracing::info!(
        operation,
        status,
        took_ms = took.as_secs_f64() * 1e3,
        principal,
        trace_id = trace,
        "request"
    );
    let headers = response.headers_mut();
    for (name, value) in [
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        (
            "content-security-policy",
            "default-src 'none'; frame-ancestors 'none'",
        ),
    ] {
        // A page says itself what it may load.
        headers
            .entry(HeaderName::from_static(name))
            .or_insert(HeaderValue::from_static(value));
    }
    response
}
