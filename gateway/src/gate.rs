//! What stands before every operation of the API: who asks, whether they may, and whether they asked the
//! same before. No handler is reached around it, so none can forget to look.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{Method, header, request::Parts};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::auth::Origin;
use crate::problem::Problem;
use crate::repeat;
use crate::trace;

/// Who was let in, for the request log.
#[derive(Clone, Debug)]
pub(crate) struct Caller(pub(crate) String);

pub(crate) async fn gate(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    pass(&app, request, next)
        .await
        .unwrap_or_else(IntoResponse::into_response)
}

async fn pass(app: &Arc<App>, request: Request, next: Next) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    let origin = Origin::of(&parts);
    // What is not in the document has no handler, and would be open to anybody if it had.
    let Some(operation) = app.document.operation(&origin.operation) else {
        return Err(Problem::method_not_allowed());
    };
    if operation.public {
        app.welcome(&origin)?;
        return Ok(next.run(Request::from_parts(parts, body)).await);
    }
    let who = app.admit(&origin, bearer(&parts)).await?;
    who.demand(app, &operation.id)?;
    parts.extensions.insert(who.clone());
    let key = repeat::key(&parts.headers)?.filter(|_| parts.method != Method::GET);
    let request = Request::from_parts(parts, body);
    let mut response = match key {
        Some(key) => {
            // Whoever hangs up does not leave it half done: what was done must be kept.
            let (app, name) = (Arc::clone(app), who.name.clone());
            let trace = trace::current().unwrap_or_default();
            let once = async move { repeat::once(&app, &name, &key, request, next).await };
            tokio::spawn(trace::within(trace, once))
                .await
                .map_err(|_| Problem::unavailable("the request ended without an answer"))??
        }
        None => next.run(request).await,
    };
    response.extensions_mut().insert(Caller(who.name));
    Ok(response)
}

/// The token that a request carries.
fn bearer(parts: &Parts) -> Option<&str> {
    let value = parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}
