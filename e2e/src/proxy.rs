//! An API server that has a bad day: a proxy in front of a good one.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{Method, Response, StatusCode, header};
use axum::response::IntoResponse;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The largest body that it passes on.
const MAX_BODY: usize = 3 << 20;

/// How the server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    /// As it should be.
    Fair,
    /// Every answer takes that long.
    Slow(Duration),
    /// Nothing is done; this is the answer.
    Refusing(StatusCode),
    /// Every write is done, and its answer is lost.
    Forgetful,
    /// Whoever watched is told that it was too long ago.
    Expired,
}

/// The proxy; it ends with this value.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    weather: watch::Sender<Weather>,
    met: Arc<Mutex<Vec<(Weather, String)>>>,
    serving: JoinHandle<()>,
}

#[derive(Clone)]
struct Server {
    upstream: String,
    client: reqwest::Client,
    weather: watch::Receiver<Weather>,
    /// Who met which weather.
    met: Arc<Mutex<Vec<(Weather, String)>>>,
}

impl Proxy {
    /// Begins in front of the server at `upstream`, in fair weather.
    ///
    /// # Errors
    ///
    /// When there is no free port.
    pub async fn start(upstream: SocketAddr) -> Result<Self> {
        let (weather, seen) = watch::channel(Weather::Fair);
        let met = Arc::default();
        let server = Server {
            met: Arc::clone(&met),
            upstream: format!("http://{upstream}"),
            client: reqwest::Client::new(),
            weather: seen,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let router = Router::new().fallback(answer).with_state(server);
        let serving = tokio::spawn(async move {
            // It never ends by itself.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self {
            address,
            weather,
            met,
            serving,
        })
    }

    /// Where it answers.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on. Every watch ends.
    pub fn turn(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }

    /// Whether a request of `user` was not answered as in fair weather, in that weather.
    #[must_use]
    pub fn was_met(&self, weather: Weather, user: &str) -> bool {
        let met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        met.iter().any(|(seen, by)| *seen == weather && by == user)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(State(server): State<Server>, request: Request) -> Response<Body> {
    let weather = *server.weather.borrow();
    let (head, body) = request.into_parts();
    let body = match to_bytes(body, MAX_BODY).await {
        Ok(body) => body,
        Err(error) => return status(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let spared = match weather {
        Weather::Fair => true,
        Weather::Slow(_) | Weather::Refusing(_) => false,
        Weather::Expired => !resumes_a_watch(&head),
        Weather::Forgetful => !writes(&head, &body),
    };
    if spared {
        return server.pass_on(head, body).await;
    }
    server.note(weather, &head);
    match weather {
        Weather::Refusing(code) => return status(code, "the weather is bad"),
        Weather::Expired => return status(StatusCode::GONE, "too old resource version"),
        Weather::Slow(by) => tokio::time::sleep(by).await,
        Weather::Fair | Weather::Forgetful => {}
    }
    let answer = server.pass_on(head, body).await;
    if weather == Weather::Forgetful {
        return status(StatusCode::INTERNAL_SERVER_ERROR, "the answer was lost");
    }
    answer
}

fn resumes_a_watch(head: &Parts) -> bool {
    let query = head.uri.query().unwrap_or_default();
    query.contains("watch=true") && query.contains("resourceVersion=")
}

/// Dry runs write nothing, events are not acts.
fn writes(head: &Parts, body: &Bytes) -> bool {
    let dry = head
        .uri
        .query()
        .is_some_and(|query| query.contains("dryRun"))
        || String::from_utf8_lossy(body).contains("dryRun");
    head.method != Method::GET && !dry && !head.uri.path().ends_with("/events")
}

impl Server {
    fn note(&self, weather: Weather, head: &Parts) {
        let token = head.headers.get(header::AUTHORIZATION);
        let user = token.and_then(|token| token.to_str().ok()?.strip_prefix("Bearer "));
        let mut met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        met.push((weather, user.unwrap_or_default().to_owned()));
    }

    async fn pass_on(&self, head: Parts, body: Bytes) -> Response<Body> {
        let mut weather = self.weather.clone();
        weather.mark_unchanged();
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let sent = self
            .client
            .request(head.method, format!("{}{path}", self.upstream))
            .headers(head.headers)
            .body(body)
            .send();
        let answer = match sent.await {
            Ok(answer) => answer,
            Err(error) => return status(StatusCode::BAD_GATEWAY, &error.to_string()),
        };
        let mut response = Response::builder().status(answer.status());
        if let Some(content) = answer.headers().get(header::CONTENT_TYPE) {
            response = response.header(header::CONTENT_TYPE, content);
        }
        // A watch is an answer without an end.
        let changed = async move {
            let _ = weather.changed().await;
        };
        let body = futures::StreamExt::take_until(answer.bytes_stream(), Box::pin(changed));
        response
            .body(Body::from_stream(body))
            .unwrap_or_else(|error| status(StatusCode::BAD_GATEWAY, &error.to_string()))
    }
}

/// An answer as Kubernetes gives it.
fn status(code: StatusCode, message: &str) -> Response<Body> {
    let reason = match code {
        StatusCode::GONE => "Expired",
        StatusCode::TOO_MANY_REQUESTS => "TooManyRequests",
        _ => "InternalError",
    };
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure",
        "code": code.as_u16(), "reason": reason, "message": message,
    });
    (code, axum::Json(body)).into_response()
}
