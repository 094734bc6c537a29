//! The dashboard: pages made on the server from the views, kept live by one small script.
//!
//! Every page can be read without scripts. No page holds a business rule: what a visitor asks for becomes
//! a command on the log, as it does over the API.

mod acts;
mod admin;
mod approvals;
mod assets;
mod audit;
mod chart;
mod charts;
mod different;
mod facts;
mod frame;
mod incident;
mod incidents;
mod oops;
mod overview;
mod owners;
mod past;
mod people;
mod policies;
mod regroup;
mod rows;
mod session;
mod timeline;
mod triage;
mod visitor;
mod words;

use std::sync::Arc;

use aegis_schemas::{CommandBody, Entity};
use askama::Template;
use axum::Router;
use axum::http::HeaderValue;
use axum::middleware;
use axum::response::{Html, Redirect, Response};
use axum::routing::{get, post};

use self::oops::Oops;
pub(crate) use self::visitor::Visitor;
use crate::app::App;
use crate::problem::Problem;

/// Nothing of another host, no script or style in the page itself.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// How long a page waits for what policy says to a command before it shows how things stand.
const ANSWER_WITHIN: std::time::Duration = std::time::Duration::from_secs(8);

type Page = Result<Html<String>, Oops>;
type Done = Result<Redirect, Oops>;

/// All pages.
pub(crate) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/", get(overview::page))
        .route("/sign-in", get(session::page).post(session::sign_in))
        .route("/sign-in/{link}", get(session::link).post(session::follow))
        .route("/sign-out", post(session::sign_out))
        .route("/incidents", get(incidents::page))
        .route("/incidents/{id}", get(incident::page))
        .route("/incidents/{id}/json", get(incident::json))
        .route("/incidents/{id}/charts", get(charts::page))
        .route("/incidents/{id}/feedback", post(incident::feedback))
        .route(
            "/incidents/{id}/merge",
            get(regroup::page).post(regroup::merge),
        )
        .route("/incidents/{id}/split", post(regroup::split))
        .route("/approvals", get(approvals::page))
        .route(
            "/approvals/{digest}",
            get(approvals::one).post(approvals::answer),
        )
        .route("/acts", get(acts::page))
        .route("/acts/{decision}/undo", post(acts::undo))
        .route("/audit", get(audit::page))
        .route("/audit/{idx}", get(audit::entry))
        .route("/policies", get(policies::page).post(policies::check))
        .route("/people", get(people::page))
        .route("/people/{deed}", post(people::deed))
        .route("/admin", get(admin::page))
        .route("/admin/{order}", post(admin::order))
        .route("/live", get(crate::live::for_pages))
        .layer(middleware::map_response(with_policy))
        .route("/assets/{file}", get(assets::file))
}

async fn with_policy(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert("content-security-policy", HeaderValue::from_static(POLICY));
    headers.insert("referrer-policy", HeaderValue::from_static("same-origin"));
    response
}

/// A page from its template.
fn show(page: &impl Template) -> Page {
    match page.render() {
        Ok(text) => Ok(Html(text)),
        Err(error) => {
            tracing::error!(%error, "a page cannot be made");
            Err(Problem::unavailable("this page cannot be made; look in the gateway's log").into())
        }
    }
}

/// Puts what a visitor asks for on the log and waits a little for what policy says to it.
async fn ask(
    app: &App,
    visitor: &Visitor,
    about: Option<&Entity>,
    reason: String,
    body: CommandBody,
) -> Result<(), Problem> {
    let (command, _) = app.command(&visitor.who, about, reason, body, None).await?;
    app.decision_within(command, ANSWER_WITHIN).await?;
    Ok(())
}

/// A path as a part of a query.
fn encoded(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' => {
                text.push(char::from(byte));
            }
            _ => {
                use std::fmt::Write as _;
                let _ = write!(text, "%{byte:02X}");
            }
        }
    }
    text
}
