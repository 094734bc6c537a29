//! The two API servers.

use std::sync::Arc;
use std::time::Duration;

use aegis_simulator::api::Api;
use aegis_xtask::kubernetes::Plane;
use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use reqwest::{Certificate, Response, Url, header};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::call::{Call, Caller};

/// The user whose writes are fenced.
pub(crate) const EXECUTOR: &str = "aegis-executor";
/// How often the simulated controllers work.
const TICK: Duration = Duration::from_millis(50);
/// A watch that is silent for so long is not answered as it should be.
const SILENCE: Duration = Duration::from_secs(60);

/// An API server, with nodes and controllers that make pods ready.
#[derive(Debug)]
pub(crate) struct Cluster {
    url: String,
    http: reqwest::Client,
    /// The bearer tokens of the administrator and of the executor.
    tokens: [String; 2],
    history: History,
    /// Stops the simulator.
    _stop: Option<DropGuard>,
}

/// What forgets the history that watches resume from.
#[derive(Debug)]
enum History {
    Simulated(Api),
    /// The address of etcd.
    Etcd(String),
}

impl Cluster {
    /// The simulator behind real HTTP.
    pub(crate) async fn simulated() -> Result<Arc<Self>> {
        let api = Api::new(1, Timestamp::now());
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let stop = CancellationToken::new();
        let serving = api.clone();
        let until = stop.clone();
        tokio::spawn(async move { serving.serve(listener, until).await });
        let working = api.clone();
        let until = stop.clone();
        tokio::spawn(until.run_until_cancelled_owned(async move {
            loop {
                working.advance(Timestamp::now());
                tokio::time::sleep(TICK).await;
            }
        }));
        let cluster = Self {
            url,
            http: plain_client().build()?,
            tokens: ["admin".to_owned(), EXECUTOR.to_owned()],
            history: History::Simulated(api),
            _stop: Some(stop.drop_guard()),
        };
        for name in ["node-0", "node-1"] {
            cluster.add_node(name).await?;
        }
        Ok(Arc::new(cluster))
    }

    /// A real API server.
    pub(crate) fn real(plane: &Plane) -> Result<Arc<Self>> {
        let authority = Certificate::from_pem_bundle(&std::fs::read(plane.authority())?)?;
        let http = plain_client().tls_certs_only(authority).build()?;
        let tokens = ["admin", EXECUTOR].map(|user| plane.token(user).map(str::to_owned));
        let [admin, executor] = tokens;
        Ok(Arc::new(Self {
            url: plane.url().to_owned(),
            http,
            tokens: [admin?, executor?],
            history: History::Etcd(plane.etcd().to_owned()),
            _stop: None,
        }))
    }

    async fn add_node(&self, name: &str) -> Result<()> {
        let room = json!({ "cpu": "8", "memory": "16Gi", "pods": "110" });
        let node = json!({
            "metadata": { "name": name, "labels": { "kubernetes.io/hostname": name } },
            "status": {
                "allocatable": room,
                "capacity": room,
                "conditions": [{ "type": "Ready", "status": "True" }],
            },
        });
        let (code, body) = self.send(Call::create("/api/v1/nodes", &node), "").await?;
        ensure!(code == 201, "no node: {body}");
        Ok(())
    }

    /// The code and the body of the answer.
    pub(crate) async fn send(&self, call: Call, namespace: &str) -> Result<(u16, Value)> {
        let response = self.begin(call, namespace).await?;
        let code = response.status().as_u16();
        let body = response.bytes().await?;
        let body = serde_json::from_slice(&body)
            .with_context(|| format!("{code} {}", String::from_utf8_lossy(&body)))?;
        Ok((code, body))
    }

    /// The first `count` events of a watch, or those until its end.
    pub(crate) async fn watch(
        &self,
        call: Call,
        namespace: &str,
        count: usize,
    ) -> Result<Vec<Value>> {
        let mut response = self.begin(call, namespace).await?;
        let mut unread = Vec::new();
        let mut events = Vec::new();
        while events.len() < count
            && let Some(chunk) = tokio::time::timeout(SILENCE, response.chunk()).await??
        {
            unread.extend_from_slice(&chunk);
            while let Some(end) = unread.iter().position(|byte| *byte == b'\n') {
                events.push(serde_json::from_slice(&unread[..end])?);
                unread.drain(..=end);
            }
        }
        // A chunk may hold more: where a server cuts is its own affair.
        events.truncate(count);
        Ok(events)
    }

    /// Forgets every change so far.
    pub(crate) async fn compact(&self) -> Result<()> {
        let etcd = match &self.history {
            History::Simulated(api) => {
                api.compact();
                return Ok(());
            }
            History::Etcd(url) => url,
        };
        let everything = json!({ "key": "AA==", "range_end": "AA==", "count_only": true });
        let range = self
            .http
            .post(format!("{etcd}/v3/kv/range"))
            .json(&everything);
        let range: Value = range.send().await?.error_for_status()?.json().await?;
        let now = json!({ "revision": range["header"]["revision"], "physical": true });
        let compaction = self
            .http
            .post(format!("{etcd}/v3/kv/compaction"))
            .json(&now);
        compaction.send().await?.error_for_status()?;
        Ok(())
    }

    async fn begin(&self, call: Call, namespace: &str) -> Result<Response> {
        let url = format!("{}{}", self.url, call.full_path(namespace));
        let url = Url::parse_with_params(&url, &call.query)?;
        let token = match call.caller {
            Caller::Admin => &self.tokens[0],
            Caller::Executor => &self.tokens[1],
            Caller::Stranger => "nobody's token",
        };
        let mut request = self
            .http
            .request(call.method, url)
            .header(header::ACCEPT, call.accept)
            .bearer_auth(token);
        if !call.body.is_empty() {
            request = request.body(call.body);
        }
        if !call.content_type.is_empty() {
            request = request.header(header::CONTENT_TYPE, call.content_type);
        }
        Ok(request.send().await?)
    }
}

/// Of no proxy and of no other TLS than that of the project.
fn plain_client() -> reqwest::ClientBuilder {
    // An error only says that the process has its provider already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy()
}
