//! A receiver on this host: it keeps every request, and answers as it is told.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Value,
}

/// How one request is answered.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reply {
    /// With that status, and how many seconds to wait.
    Status(u16, Option<u64>),
    /// Never.
    Silence,
}

#[derive(Default)]
struct Inner {
    requests: Vec<Request>,
    /// What is answered first on paths that begin like that; then all is taken.
    replies: BTreeMap<&'static str, VecDeque<Reply>>,
}

/// A receiver.
#[derive(Clone, Default)]
pub(crate) struct Hook {
    inner: Arc<Mutex<Inner>>,
    pub(crate) base: String,
}

impl Hook {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let hook = Self {
            base: format!("http://{}", listener.local_addr().unwrap()),
            ..Self::default()
        };
        let app = Router::new().fallback(take).with_state(hook.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        hook
    }

    /// What the next requests to paths that begin like that are answered.
    pub(crate) fn answer(&self, path: &'static str, replies: &[Reply]) {
        let mut inner = self.inner.lock().unwrap();
        inner.replies.entry(path).or_default().extend(replies);
    }

    /// The requests so far to paths that begin like that.
    pub(crate) fn on(&self, path: &str) -> Vec<Request> {
        let inner = self.inner.lock().unwrap();
        let on = |request: &&Request| request.path.starts_with(path);
        inner.requests.iter().filter(on).cloned().collect()
    }

    /// Waits until the requests to such paths are as wanted.
    pub(crate) async fn until(
        &self,
        path: &str,
        wanted: impl Fn(&[Request]) -> bool,
    ) -> Vec<Request> {
        for _ in 0..1_500 {
            let found = self.on(path);
            if wanted(&found) {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("waited 30 s, on {path} came {:#?}", self.on(path));
    }
}

async fn take(State(hook): State<Hook>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let path = uri.path().to_owned();
    let reply = {
        let mut inner = hook.inner.lock().unwrap();
        let headers = headers.iter();
        let headers = headers.map(|(name, value)| {
            (
                name.to_string(),
                value.to_str().unwrap_or_default().to_owned(),
            )
        });
        inner.requests.push(Request {
            path: path.clone(),
            headers: headers.collect(),
            body: serde_json::from_slice(&body).unwrap_or_default(),
        });
        let mut scripts = inner.replies.iter_mut();
        let script = scripts.find(|(prefix, _)| path.starts_with(**prefix));
        script.and_then(|(_, replies)| replies.pop_front())
    };
    match reply {
        Some(Reply::Silence) => std::future::pending().await,
        Some(Reply::Status(status, retry_after)) => {
            let status = axum::http::StatusCode::from_u16(status).unwrap();
            let retry_after = retry_after.map(|seconds| [("retry-after", seconds.to_string())]);
            match retry_after {
                Some(header) => (status, header).into_response(),
                None => status.into_response(),
            }
        }
        None if path.starts_with("/slack") => {
            let said = json!({ "ok": true, "channel": "C0123456789", "ts": "1772366400.000100" });
            axum::Json(said).into_response()
        }
        None => axum::http::StatusCode::ACCEPTED.into_response(),
    }
}
