//! A bus, a record of all that is on it, a Kubernetes API of canned answers, and ingest on top.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aegis_ingest::{Backfill, Config, Target};
use aegis_nats::kv::{Health, HealthBoard};
use aegis_nats::testing::TestServer;
use aegis_nats::topology::{Durable, Settings};
use aegis_nats::{Bus, Delivery, Service, batch};
use aegis_schemas::{Event, MetricBatch, Signal, Stream, Timestamp};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::routing::get;
use futures::StreamExt;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Everything that is on the bus, in the order in which it came.
#[derive(Clone, Default)]
pub(crate) struct Record(Arc<Mutex<Vec<Delivery>>>);

impl batch::Sink for Record {
    async fn store(
        &mut self,
        batch: &[Delivery],
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.0.lock().unwrap().extend_from_slice(batch);
        Ok(())
    }
}

impl Record {
    pub(crate) fn of(&self, stream: Stream) -> Vec<Delivery> {
        let all = self.0.lock().unwrap();
        all.iter()
            .filter(|one| one.stream == stream)
            .cloned()
            .collect()
    }

    pub(crate) fn signals(&self) -> Vec<Signal> {
        let signal = |one: &Delivery| match one.event() {
            Ok(Event::Signal(signal)) => Some(signal),
            _ => None,
        };
        self.of(Stream::Events).iter().filter_map(signal).collect()
    }

    pub(crate) fn batches(&self) -> Vec<MetricBatch> {
        let batch = |one: &Delivery| match one.event() {
            Ok(Event::Metric(batch)) => Some(batch),
            _ => None,
        };
        self.of(Stream::Metrics).iter().filter_map(batch).collect()
    }
}

/// Waits until something is so.
pub(crate) async fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = std::time::Instant::now();
    while begun.elapsed() < Duration::from_secs(40) {
        if let Some(found) = look() {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{what} did not happen within 40 s");
}

/// All of it.
pub(crate) struct World {
    pub(crate) server: TestServer,
    pub(crate) record: Record,
    pub(crate) kubernetes: Kubernetes,
    pub(crate) write: String,
    pub(crate) stop: CancellationToken,
    pub(crate) ingest: JoinHandle<Result<(), aegis_ingest::Error>>,
    pub(crate) config: Config,
    audit: Bus,
}

impl World {
    pub(crate) async fn start() -> Self {
        let server = TestServer::with(Settings {
            storage_bytes: 128 << 20,
            partitions: 2,
            publishers: vec!["outside".to_owned()],
            ..Settings::default()
        })
        .await
        .unwrap();
        let record = Record::default();
        let stop = CancellationToken::new();
        let audit = server.bus(Service::AuditSink).await.unwrap();
        let (bus, sink, until) = (audit.clone(), record.clone(), stop.clone());
        tokio::spawn(async move {
            let durables = Stream::ALL.into_iter().map(Durable::audit_sink).collect();
            let linger = Duration::from_millis(10);
            batch::run(&bus, durables, 1_000, linger, sink, until).await
        });
        let kubernetes = Kubernetes::start().await;
        let folder = server.store_dir();
        let kubeconfig = folder.join("kubeconfig");
        std::fs::write(&kubeconfig, kubernetes.kubeconfig()).unwrap();
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let listen = free.local_addr().unwrap();
        drop(free);
        let config = Config {
            partitions: 2,
            kubeconfig: Some(kubeconfig),
            listen,
            heartbeat: Duration::from_millis(300),
            scrape: vec![Target {
                name: "shop".to_owned(),
                url: format!("http://{}/metrics", kubernetes.address),
                interval: Duration::from_millis(200),
                labels: [("namespace".to_owned(), "shop".to_owned())].into(),
            }],
            backfill: Backfill {
                prometheus_url: Some(format!("http://{}/", kubernetes.address)),
                window: Duration::from_secs(600),
                step: Duration::from_secs(5),
                metrics: vec!["http_requests_total".to_owned()],
            },
            ..Config::default()
        };
        let bus = server.bus(Service::Ingest).await.unwrap();
        let ingest = tokio::spawn(aegis_ingest::run(bus, config.clone(), stop.clone()));
        Self {
            server,
            record,
            kubernetes,
            write: format!("http://{listen}/api/v1/write"),
            stop,
            ingest,
            config,
            audit,
        }
    }

    pub(crate) async fn audit_says(&self, lag_seconds: f64) {
        let health = Health {
            lag_seconds,
            fill: 0.0,
            ..Health::default()
        };
        HealthBoard::new(&self.audit).write(health).await.unwrap();
    }

    /// Sends a body as Prometheus does; status, `Retry-After` and text.
    pub(crate) async fn send(&self, body: Vec<u8>) -> (u16, Option<String>, String) {
        self.send_as(body, "application/x-protobuf", "snappy").await
    }

    pub(crate) async fn send_as(
        &self,
        body: Vec<u8>,
        content: &str,
        encoding: &str,
    ) -> (u16, Option<String>, String) {
        let answer = reqwest::Client::new()
            .post(&self.write)
            .header("content-type", content)
            .header("content-encoding", encoding)
            .body(body)
            .send()
            .await
            .unwrap();
        let retry = answer.headers().get("retry-after");
        let retry = retry.map(|value| value.to_str().unwrap().to_owned());
        (
            answer.status().as_u16(),
            retry,
            answer.text().await.unwrap(),
        )
    }

    pub(crate) async fn end(self) {
        self.stop.cancel();
        self.ingest.await.unwrap().unwrap();
    }
}

/// Canned lists, watches that can be told something, a page of metrics and a history.
#[derive(Clone)]
pub(crate) struct Kubernetes {
    pub(crate) address: SocketAddr,
    news: broadcast::Sender<(&'static str, Value)>,
}

impl Kubernetes {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (news, _) = broadcast::channel(64);
        let this = Self {
            address: listener.local_addr().unwrap(),
            news,
        };
        let router = Router::new()
            .route("/api/v1/{plural}", get(objects))
            .route("/apis/{group}/{version}/{plural}", get(grouped))
            .route("/metrics", get(page))
            .route("/api/v1/query_range", get(history))
            .with_state(this.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        this
    }

    fn kubeconfig(&self) -> String {
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "x",
            "clusters": [{"name": "x", "cluster": {"server": format!("http://{}", self.address)}}],
            "users": [{"name": "x", "user": {"token": "aegis-ingest"}}],
            "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}]
        })
        .to_string()
    }

    /// Tells the watch of a kind that an object changed.
    pub(crate) fn modified(&self, plural: &'static str, object: &Value) {
        let event = json!({"type": "MODIFIED", "object": object});
        self.news.send((plural, event)).unwrap();
    }
}

type Asked = Query<std::collections::HashMap<String, String>>;

async fn grouped(
    state: State<Kubernetes>,
    Path((_, _, plural)): Path<(String, String, String)>,
    asked: Asked,
) -> Body {
    objects(state, Path(plural), asked).await
}

async fn objects(
    State(kubernetes): State<Kubernetes>,
    Path(plural): Path<String>,
    Query(asked): Asked,
) -> Body {
    if !asked.contains_key("watch") {
        let items = match plural.as_str() {
            "namespaces" => vec![
                json!({"metadata": {"name": "shop", "uid": "s", "labels": {"aegis.dev/enabled": "true"}}}),
            ],
            "deployments" => vec![deployment("shop/cart:1.4")],
            "replicasets" => vec![replica_set()],
            "pods" => vec![pod(true)],
            _ => Vec::new(),
        };
        let list = json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": "10"}, "items": items});
        return Body::from(list.to_string());
    }
    let news = kubernetes.news.subscribe();
    let lines = futures::stream::unfold((news, plural), |(mut news, plural)| async move {
        loop {
            let (kind, event) = news.recv().await.ok()?;
            if kind == plural {
                let line = Ok::<_, std::io::Error>(Bytes::from(format!("{event}\n")));
                return Some((line, (news, plural)));
            }
        }
    });
    Body::from_stream(lines.boxed())
}

async fn page() -> &'static str {
    "# TYPE http_requests_total counter\n\
     http_requests_total{pod=\"cart-7d9c-a\",code=\"200\"} 12\n\
     http_client_requests_total{pod=\"cart-7d9c-a\",peer=\"pay\",code=\"200\"} 3\n\
     up{pod=\"stranger\"} 1\n"
}

async fn history(Query(asked): Asked) -> String {
    let number = |key: &str| asked[key].parse::<f64>().unwrap();
    let (start, end, step) = (number("start"), number("end"), number("step"));
    let mut values = Vec::new();
    let mut at = start;
    while at <= end + 1e-6 {
        values.push(json!([at, "5"]));
        at += step;
    }
    json!({"status": "success", "data": {"resultType": "matrix", "result": [{
        "metric": {"__name__": asked["query"], "namespace": "shop", "pod": "cart-7d9c-a", "code": "200"},
        "values": values
    }]}})
    .to_string()
}

pub(crate) fn deployment(image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "cart", "namespace": "shop", "uid": "u-cart", "resourceVersion": "11",
            "managedFields": [{"manager": "alice", "operation": "Update", "time": "2026-01-01T00:00:00Z",
                "fieldsType": "FieldsV1",
                "fieldsV1": {"f:spec": {"f:template": {}}}}]},
        "spec": {"replicas": 1, "template": {"spec": {"containers": [{"name": "app", "image": image}]}}}
    })
}

fn replica_set() -> Value {
    json!({
        "metadata": {"name": "cart-7d9c", "namespace": "shop", "uid": "rs",
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "cart", "uid": "u-cart", "controller": true}]},
        "spec": {}
    })
}

pub(crate) fn pod(ready: bool) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "cart-7d9c-a", "namespace": "shop", "uid": "p", "resourceVersion": "12",
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "cart-7d9c", "uid": "rs", "controller": true}]},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" }}]}
    })
}

/// This machine's clock.
pub(crate) fn now() -> Timestamp {
    let wall = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Timestamp::EPOCH + wall.unwrap()
}
