//! A Kubernetes API server in a process.
//!
//! Objects stay JSON from request to store. The controllers run when
//! [`Api::advance`] moves the clock and at no other time, so a cluster is a
//! function of its seed, its writes and its advances.
//!
//! What is absent: a clock, a scheduler of its own, network, Secrets, RBAC
//! (but for the fence of `aegis-executor`), control of HPAs, node life cycle.

mod admission;
mod apply;
mod cluster;
mod controllers;
mod create;
mod defaults;
mod deletion;
mod discovery;
mod error;
mod eviction;
mod feed;
mod http;
mod identity;
mod journal;
mod json;
mod list;
mod managed;
mod merge;
mod patch;
mod request;
mod resources;
mod selector;
mod store;
mod validate;
mod verbs;
mod watch;
mod wire;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use ::http::{HeaderValue, Request, Response, header};
use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::State;
use axum::serve::ListenerExt;
use bytes::Bytes;
use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::watch as channel;
use tokio_util::sync::CancellationToken;
use tower::{Service, ServiceExt};

pub use feed::{Changed, ResourceName};
pub use journal::{Entry, Requests};

use cluster::Cluster;

/// A Kubernetes API server; clones share one cluster.
#[derive(Clone, Debug)]
pub struct Api {
    cluster: Arc<Mutex<Cluster>>,
    /// The latest resource version, for those who wait for a change.
    version: Arc<channel::Sender<u64>>,
}

impl Api {
    /// An empty cluster (with the namespace `default`) whose clock says `now`
    /// and whose generated names and UIDs come from `seed`.
    #[must_use]
    pub fn new(seed: u64, now: Timestamp) -> Self {
        let mut cluster = Cluster::new(seed, now);
        cluster.bootstrap();
        let (version, _) = channel::channel(cluster.store.version());
        Self {
            cluster: Arc::new(Mutex::new(cluster)),
            version: Arc::new(version),
        }
    }

    /// Whether pods start, become ready after a second and stop by
    /// themselves (the default). Without it someone else writes pod status.
    #[must_use]
    pub fn with_kubelet(self, kubelet: bool) -> Self {
        self.with(|cluster| cluster.kubelet = kubelet);
        self
    }

    /// A client in this process that acts as `user`.
    ///
    /// # Panics
    /// Outside a tokio runtime, or when `user` cannot stand in a header.
    #[must_use]
    pub fn client(&self, user: &str) -> kube::Client {
        let token = HeaderValue::from_str(&format!("Bearer {user}"))
            .expect("user names are printable ASCII");
        let service = self
            .clone()
            .map_request(move |mut request: Request<kube::client::Body>| {
                let headers = request.headers_mut();
                headers.insert(header::AUTHORIZATION, token.clone());
                request
            });
        kube::Client::new(service, "default")
    }

    /// Serves HTTP/1.1 until `stop`. The bearer token is the user's name.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn serve(&self, listener: TcpListener, stop: CancellationToken) -> io::Result<()> {
        let state = (self.clone(), stop.clone());
        let router = Router::new()
            .fallback(
                |State((api, stop)): State<(Api, CancellationToken)>, request: Request<Body>| {
                    http::answer(api, request, stop)
                },
            )
            .with_state(state);
        // The events of a watch are small and must not wait for each other.
        let listener = listener.tap_io(|stream| {
            let _ = stream.set_nodelay(true);
        });
        axum::serve(listener, router)
            .with_graceful_shutdown(stop.cancelled_owned())
            .await
    }

    /// Moves the clock (never back) and lets the controllers work until
    /// nothing is left to do. Whether any object changed.
    pub fn advance(&self, now: Timestamp) -> bool {
        self.with(|cluster| cluster.advance(now))
    }

    /// The server's time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.with(|cluster| cluster.now)
    }

    /// The resource version of the last write, for a cheap look whether
    /// anything changed.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.with(|cluster| cluster.store.version())
    }

    /// Every accepted write so far, oldest first.
    #[must_use]
    pub fn journal(&self) -> Vec<Entry> {
        self.journal_since(0)
    }

    /// The accepted writes from number `start` on, counted from 0.
    #[must_use]
    pub fn journal_since(&self, start: usize) -> Vec<Entry> {
        self.with(|cluster| cluster.journal.get(start..).unwrap_or_default().to_vec())
    }

    /// How many requests each user made so far.
    #[must_use]
    pub fn requests(&self) -> Requests {
        self.with(|cluster| cluster.requests.clone())
    }

    /// Forgets the history that watches resume from, as a real server does
    /// every few minutes: each watch gets `410 Gone` and has to list again.
    pub fn compact(&self) {
        self.with(|cluster| cluster.store.compact());
    }

    /// A kubeconfig with which `user` reaches the server at `address`.
    #[must_use]
    pub fn kubeconfig(address: SocketAddr, user: &str) -> String {
        format!(
            "apiVersion: v1
kind: Config
current-context: simulator
clusters:
- name: simulator
  cluster:
    server: http://{address}
contexts:
- name: simulator
  context:
    cluster: simulator
    namespace: default
    user: {user}
users:
- name: {user}
  user:
    token: {user}
"
        )
    }

    /// Runs `work` on the cluster and wakes the watches if it wrote.
    fn with<T>(&self, work: impl FnOnce(&mut Cluster) -> T) -> T {
        // A panic in one request must not take the server down: every write
        // is one insertion, so the state is whole.
        let mut cluster = self.cluster.lock().unwrap_or_else(PoisonError::into_inner);
        let result = work(&mut cluster);
        let version = cluster.store.version();
        drop(cluster);
        self.version.send_if_modified(|known| {
            let risen = version > *known;
            *known = version.max(*known);
            risen
        });
        result
    }

    fn changes(&self) -> channel::Receiver<u64> {
        self.version.subscribe()
    }
}

impl<B> Service<Request<B>> for Api
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<tower::BoxError>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let api = self.clone();
        let request = request.map(Body::new);
        Box::pin(async move { Ok(http::answer(api, request, CancellationToken::new()).await) })
    }
}
