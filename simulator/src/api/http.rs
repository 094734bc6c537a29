//! HTTP in front of the cluster.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{HeaderMap, Request, Response, StatusCode, header};
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::error::Refusal;
use super::request::{Call, Verb};
use super::verbs::Sent;
use super::watch::Watch;
use super::{Api, discovery, wire};

/// The largest body that a real server takes.
const BODY: usize = 3 << 20;
const JSON: &str = "application/json";

/// Answers one request; a watch ends when `stop` does.
pub(crate) async fn answer(
    api: Api,
    request: Request<Body>,
    stop: CancellationToken,
) -> Response<Body> {
    match respond(api, request, stop).await {
        Ok(response) => response,
        Err(refusal) => write(refusal.code, &refusal.status()),
    }
}

async fn respond(
    api: Api,
    request: Request<Body>,
    stop: CancellationToken,
) -> Result<Response<Body>, Refusal> {
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    if matches!(path, "/livez" | "/readyz" | "/healthz") {
        return Ok(Response::new(Body::from("ok")));
    }
    let user = user(&head.headers).ok_or_else(Refusal::unauthorized)?;
    api.with(|cluster| cluster.count(user, head.method.as_str()));
    if head.method == http::Method::GET
        && let Some(document) = discovery::document(path)
    {
        return Ok(write(StatusCode::OK, &document));
    }
    let call = Call::parse(&head.method, &head.uri)?;
    let metadata_only = text(&head.headers, header::ACCEPT).contains("as=PartialObjectMetadata");
    if call.verb == Verb::Watch {
        let watch = Watch::new(&call, metadata_only)?;
        let timeout = call.number("timeoutSeconds")?;
        return Ok(watching(api, watch, timeout, stop));
    }
    let content_type = text(&head.headers, header::CONTENT_TYPE);
    let is_object = matches!(call.verb, Verb::Create | Verb::Update);
    if is_object && !content_type.is_empty() && !content_type.starts_with(JSON) {
        return Err(Refusal::media_type(JSON));
    }
    let body = to_bytes(body, BODY)
        .await
        .map_err(|_| Refusal::too_large(BODY))?;
    let sent = Sent {
        user,
        content_type,
        body: parse(&body)?,
    };
    let (code, answer) = api.with(|cluster| cluster.answer(&call, &sent))?;
    let answer = if metadata_only {
        partial(answer)
    } else {
        answer
    };
    Ok(write(code, &answer))
}

/// The bearer token is the user's name; what can be none is nobody's token.
fn user(headers: &HeaderMap) -> Option<&str> {
    let user = text(headers, header::AUTHORIZATION).strip_prefix("Bearer ")?;
    let in_name = |letter: char| letter.is_ascii_alphanumeric() || "-._:@".contains(letter);
    (!user.is_empty() && user.chars().all(in_name)).then_some(user)
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> &str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("")
}

fn parse(body: &Bytes) -> Result<Value, Refusal> {
    if body.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(body)
        .map_err(|error| Refusal::bad_request(format!("the body is not JSON: {error}")))
}

fn partial(mut answer: Value) -> Value {
    if answer["kind"] == "Status" {
        return answer;
    }
    match answer.get_mut("items").and_then(Value::as_array_mut) {
        None => wire::metadata_only(&answer),
        Some(items) => {
            let items: Vec<_> = items.iter().map(wire::metadata_only).collect();
            json!({
                "kind": "PartialObjectMetadataList",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": answer["metadata"],
                "items": items,
            })
        }
    }
}

fn write(code: StatusCode, body: &Value) -> Response<Body> {
    let body = serde_json::to_vec(body).expect("JSON values can be written to memory");
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = code;
    let json = header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

/// Never without an end.
async fn time_is_up(end: Option<Instant>) {
    match end {
        Some(end) => tokio::time::sleep_until(end).await,
        None => std::future::pending().await,
    }
}

fn watching(
    api: Api,
    watch: Watch,
    timeout: Option<u64>,
    stop: CancellationToken,
) -> Response<Body> {
    let end = timeout.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let changes = api.changes();
    let lines = stream::unfold(
        (api, watch, changes),
        move |(api, mut watch, mut changes)| async move {
            loop {
                if watch.ended() {
                    return None;
                }
                // Marked as seen before looking: a change in between wakes again.
                changes.borrow_and_update();
                let mut news = api.with(|cluster| cluster.news(&mut watch));
                if news.is_empty() {
                    tokio::select! {
                        biased;
                        () = time_is_up(end) => news = watch.farewell(),
                        changed = changes.changed() => {
                            changed.ok()?;
                            continue;
                        }
                    }
                }
                return Some((Ok::<_, Infallible>(news), (api, watch, changes)));
            }
        },
    );
    let over = async move { stop.cancelled().await };
    let mut response = Response::new(Body::from_stream(lines.take_until(Box::pin(over))));
    let json = header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}
