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
use futures::{StreamExt as _, stream};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The largest body that it passes on.
const MAX_BODY: usize = 3 << 20;
/// After how many seconds a busy server lets one come again.
const AGAIN: u64 = 1;

/// How the server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    /// As it should be.
    Fair,
    /// It looks at each request so much later, if somebody still waits.
    Slow(Duration),
    /// Nothing is done; this is the answer.
    Refusing(StatusCode),
    /// Every write is done so much later, whoever waits, and the connection breaks before its answer.
    Forgetful(Duration),
    /// Whoever goes on with a watch is told that it was too long ago.
    Expired,
}

/// The proxy; it ends with this value.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    weather: watch::Sender<Weather>,
    met: Arc<Mutex<Vec<Weather>>>,
    serving: JoinHandle<()>,
}

#[derive(Clone)]
struct Server {
    upstream: String,
    client: reqwest::Client,
    weather: watch::Receiver<Weather>,
    /// For each request that was not answered as in fair weather: which weather.
    met: Arc<Mutex<Vec<Weather>>>,
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

    /// How many requests were not answered as in fair weather, in that weather.
    #[must_use]
    pub fn met(&self, weather: Weather) -> usize {
        let met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        met.iter().filter(|seen| **seen == weather).count()
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
        Weather::Forgetful(_) => !writes(&head, &body),
    };
    if spared {
        return server.pass_on(head, body).await;
    }
    server.note(weather);
    match weather {
        Weather::Fair => server.pass_on(head, body).await,
        Weather::Slow(by) => {
            tokio::time::sleep(by).await;
            server.pass_on(head, body).await
        }
        Weather::Refusing(code) => status(code, "the weather is bad"),
        Weather::Forgetful(by) => {
            // A task of its own: it goes on when whoever asked has gone.
            let done = tokio::spawn(async move {
                tokio::time::sleep(by).await;
                server.pass_on(head, body).await;
            });
            let _ = done.await;
            cut_off()
        }
        Weather::Expired => status(StatusCode::GONE, "too old resource version"),
    }
}

fn resumes_a_watch(head: &Parts) -> bool {
    let query = head.uri.query().unwrap_or_default();
    query.contains("watch=true") && query.contains("resourceVersion=")
}

/// Dry runs write nothing, events are not acts.
fn writes(head: &Parts, body: &Bytes) -> bool {
    let query = head.uri.query().unwrap_or_default();
    let dry = query.contains("dryRun") || String::from_utf8_lossy(body).contains("dryRun");
    head.method != Method::GET && !dry && !head.uri.path().ends_with("/events")
}

impl Server {
    fn note(&self, weather: Weather) {
        let mut met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        met.push(weather);
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
        let body = answer.bytes_stream().take_until(Box::pin(changed));
        response
            .body(Body::from_stream(body))
            .unwrap_or_else(|error| status(StatusCode::BAD_GATEWAY, &error.to_string()))
    }
}

/// An answer that never comes: the connection breaks.
fn cut_off() -> Response<Body> {
    let broken = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    Response::new(Body::from_stream(stream::iter([Err::<Bytes, _>(broken)])))
}

/// An answer as Kubernetes gives it.
fn status(code: StatusCode, message: &str) -> Response<Body> {
    let (reason, details) = match code {
        StatusCode::GONE => ("Expired", json!({})),
        StatusCode::TOO_MANY_REQUESTS => ("TooManyRequests", json!({ "retryAfterSeconds": AGAIN })),
        _ => ("InternalError", json!({})),
    };
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "code": code.as_u16(), "reason": reason, "message": message, "details": details,
    });
    let mut response = (code, axum::Json(body)).into_response();
    if code == StatusCode::TOO_MANY_REQUESTS {
        let headers = response.headers_mut();
        headers.insert(header::RETRY_AFTER, AGAIN.into());
    }
    response
}
