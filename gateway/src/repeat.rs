//! `Idempotency-Key`: a write that is sent again with the same key is done once and answered alike, for
//! 24 hours.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use crate::app::App;
use crate::problem::Problem;
use crate::routes::MAX_BODY;
use crate::store::Claim;

const HEADER: &str = "idempotency-key";
const MAX_KEY: usize = 255;

/// Marks an answer with a secret, which is never stored: who asks again learns that it was given once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Secret;

/// The key that a request carries.
pub(crate) fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(HEADER) else {
        return Ok(None);
    };
    let key = value.to_str().unwrap_or_default();
    let visible = key.bytes().all(|byte| byte.is_ascii_graphic());
    if !visible || !(1..=MAX_KEY).contains(&key.len()) {
        return Err(Problem::invalid(format!(
            "`{HEADER}` is 1 to {MAX_KEY} visible ASCII characters"
        )));
    }
    Ok(Some(key.to_owned()))
}

/// Does a request of `who` once for a key.
pub(crate) async fn once(
    app: &App,
    who: &str,
    key: &str,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, MAX_BODY)
        .await
        .map_err(|_| Problem::body_too_large(MAX_BODY))?;
    let mut print = Sha256::new();
    for part in [parts.method.as_str(), &parts.uri.to_string()] {
        print.update(part);
        print.update([0]);
    }
    print.update(&body);
    match app.store.claim(who, key, &print.finalize()).await? {
        Claim::Answered { status, body } => Ok(answer(status, body)),
        Claim::Another => Err(Problem::unprocessable(
            "the `idempotency-key` was used for another request; take a new one",
        )),
        Claim::UnderWay => Err(Problem::conflict(
            "a request with this `idempotency-key` is under way; ask again",
        )),
        Claim::Ours => {
            let response = next.run(Request::from_parts(parts, Body::from(body))).await;
            keep(app, who, key, response).await
        }
    }
}

/// Keeps what was done. What was refused or failed may be tried again: a command that reached the log all
/// the same is the same command then, by its key.
async fn keep(app: &App, who: &str, key: &str, response: Response) -> Result<Response, Problem> {
    if !response.status().is_success() {
        app.store.give_up(who, key).await?;
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX)
        .await
        .map_err(|error| Problem::unavailable(error.to_string()))?;
    let status = parts.status.as_u16();
    let kept = if parts.extensions.get::<Secret>().is_some() {
        None
    } else {
        Some(body.as_ref())
    };
    app.store.answered(who, key, status, kept).await?;
    Ok(Response::from_parts(parts, Body::from(body)))
}

/// The answer of before.
fn answer(status: u16, body: Option<Vec<u8>>) -> Response {
    let Some(body) = body else {
        return Problem::conflict(
            "this was done before with the same `idempotency-key`, and its secret is shown once",
        )
        .into_response();
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let mut response = (status, Body::from(body)).into_response();
    if status != StatusCode::NO_CONTENT {
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
    }
    response
}
