//! The API's document, a page to try it, and the page behind an invitation's link. Both pages load
//! nothing from elsewhere and hold no script of their own text.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::app::App;

/// What the pages may load: from here, nothing inline, in no frame.
const POLICY: &str =
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// The API as an OpenAPI 3.1 document.
#[utoipa::path(
    get, path = "/openapi.json", operation_id = "get_openapi", tag = "access", security(()),
    responses((status = 200, description = "This document.", body = serde_json::Value))
)]
pub(super) async fn document(State(app): State<Arc<App>>) -> Response {
    let json = [(header::CONTENT_TYPE, "application/json")];
    (json, app.document.text().to_owned()).into_response()
}

/// The pages and what they load.
pub(super) fn pages() -> Router<Arc<App>> {
    let file = |kind: &'static str, text: &'static str| {
        get(move || async move {
            let headers = [
                (header::CONTENT_TYPE, kind),
                (header::CONTENT_SECURITY_POLICY, POLICY),
            ];
            (headers, text)
        })
    };
    let html = "text/html; charset=utf-8";
    let script = "text/javascript; charset=utf-8";
    Router::new()
        .route("/api/docs", file(html, include_str!("docs.html")))
        .route("/api/docs.js", file(script, include_str!("docs.js")))
        .route(
            "/api/docs.css",
            file("text/css; charset=utf-8", include_str!("docs.css")),
        )
        .route("/invitation", file(html, include_str!("invitation.html")))
        .route(
            "/invitation.js",
            file(script, include_str!("invitation.js")),
        )
}
