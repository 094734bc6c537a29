//! A cluster with one deployment, an executor, and warrants for it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aegis_executor::{Config, Executor, MemoryBoard, Received, Step, Trial};
use aegis_nats::kv::HaltState;
use aegis_schemas::signature::{ALGORITHM, DECISION_TYPE, Envelope, Key, Keyring};
use aegis_schemas::{
    Action, Actor, Blast, Cluster, DecisionId, Digest, Entity, EntityKind, EventId, IncidentId,
    Name, Namespace, Outcome, Subject, Target, Timestamp, Warrant, WarrantTarget, codec,
};
use aegis_simulator::api::{Api, Entry};
use http::{Request, Response, StatusCode};
use kube::Api as Objects;
use kube::api::{Patch, PatchParams, PostParams};
use kube::core::{ApiResource, DynamicObject};
use serde_json::{Value, json};
use tower::Service;

pub(crate) const CLUSTER_UID: &str = "cluster-uid";
pub(crate) const DEPLOYMENT: &str = "apps/v1/Deployment";
const START: i64 = 1_800_000_000_000;

/// `shop/web` has three replicas.
pub(crate) const SCALE: Action = Action::Scale {
    replicas: 5,
    from: 3,
};

pub(crate) struct World {
    pub(crate) api: Api,
    pub(crate) board: MemoryBoard,
    pub(crate) executor: Executor<MemoryBoard>,
    /// How many of the next requests of the executor the API server does not answer.
    pub(crate) outage: Arc<AtomicU64>,
    /// How many of the next writes have their effect, but nobody hears of it.
    pub(crate) lost_answers: Arc<AtomicU64>,
    /// Before how many of the next patches somebody else changes the object.
    pub(crate) meddling: Arc<AtomicU64>,
    millis: i64,
}

pub(crate) fn key() -> Key {
    Key::new("test", vec![7; 32]).unwrap()
}

impl World {
    /// Three ready pods of `shop/web`.
    pub(crate) async fn new() -> Self {
        let now = jiff::Timestamp::from_millisecond(START).unwrap();
        let api = Api::new(1, now);
        let board = MemoryBoard::new(Timestamp::from_millis(START));
        let outage = Arc::new(AtomicU64::new(0));
        let lost_answers = Arc::new(AtomicU64::new(0));
        let meddling = Arc::new(AtomicU64::new(0));
        let client = unreliable(
            api.clone(),
            Arc::clone(&outage),
            Arc::clone(&lost_answers),
            Arc::clone(&meddling),
        );
        let executor = Executor::new(
            client,
            Config::default(),
            Keyring::new([key()]),
            CLUSTER_UID.to_owned(),
            board.clone(),
        );
        let mut world = Self {
            api,
            board,
            executor,
            outage,
            lost_answers,
            meddling,
            millis: START,
        };
        for namespace in ["shop", "aegis"] {
            world
                .create(
                    "v1",
                    "Namespace",
                    None,
                    json!({ "metadata": { "name": namespace } }),
                )
                .await;
        }
        world
            .create(
                "v1",
                "Node",
                None,
                json!({
                    "metadata": { "name": "node-1" },
                    "status": {
                        "allocatable": { "cpu": "64", "memory": "256Gi", "pods": "200" },
                        "conditions": [{ "type": "Ready", "status": "True" }],
                    },
                }),
            )
            .await;
        world
            .create("apps/v1", "Deployment", Some("shop"), workload("web", "v1"))
            .await;
        world.pass(20);
        world
    }

    /// Another executor on the same board, as after a restart.
    pub(crate) fn successor(&self) -> Executor<MemoryBoard> {
        self.executor_over(self.api.client("aegis-executor"))
    }

    fn executor_over(&self, client: kube::Client) -> Executor<MemoryBoard> {
        Executor::new(
            client,
            Config::default(),
            Keyring::new([key()]),
            CLUSTER_UID.to_owned(),
            self.board.clone(),
        )
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.millis)
    }

    /// Sets the kill switch as soon as the executor tries anything.
    pub(crate) fn halt_at_dry_run(&mut self) {
        let (api, board) = (self.api.clone(), self.board.clone());
        let service = tower::service_fn(move |mut request: Request<kube::client::Body>| {
            let mut api = api.clone();
            if request.method() == http::Method::PATCH {
                board.set_halt(Some(HaltState { fence: 0, on: true }));
            }
            let headers = request.headers_mut();
            headers.insert("authorization", "Bearer aegis-executor".parse().unwrap());
            async move { api.call(request).await }
        });
        self.executor = self.executor_over(kube::Client::new(service, "default"));
    }

    /// Once the next write is done the API server does not answer for two hundred requests.
    pub(crate) fn go_away_after_the_write(&mut self) {
        let (api, left) = (self.api.clone(), Arc::new(AtomicU64::new(u64::MAX)));
        let service = tower::service_fn(move |mut request: Request<kube::client::Body>| {
            let (mut api, left) = (api.clone(), Arc::clone(&left));
            let dry = request.uri().query().unwrap_or_default().contains("dryRun");
            let writes = request.method() == http::Method::PATCH && !dry;
            let headers = request.headers_mut();
            headers.insert("authorization", "Bearer aegis-executor".parse().unwrap());
            async move {
                let away = left.load(Ordering::SeqCst);
                if (1..=200).contains(&away) {
                    left.store(away - 1, Ordering::SeqCst);
                    let mut answer = Response::new(axum::body::Body::from("upstream is gone"));
                    *answer.status_mut() = StatusCode::BAD_GATEWAY;
                    return Ok::<_, std::convert::Infallible>(answer);
                }
                let answer = api.call(request).await?;
                if writes && away == u64::MAX {
                    left.store(200, Ordering::SeqCst);
                }
                Ok(answer)
            }
        });
        self.executor = self.executor_over(kube::Client::new(service, "default"));
    }

    /// Never answers the next write; its query is in what this returns.
    pub(crate) fn hold_back_one_write(&mut self) -> Arc<Mutex<Vec<String>>> {
        let (api, held) = (self.api.clone(), Arc::new(Mutex::new(Vec::new())));
        let seen = Arc::clone(&held);
        let service = tower::service_fn(move |mut request: Request<kube::client::Body>| {
            let mut api = api.clone();
            let query = request.uri().query().unwrap_or_default().to_owned();
            let writes = request.method() == http::Method::PATCH && !query.contains("dryRun");
            let mut seen = seen.lock().unwrap();
            let holds = writes && seen.is_empty();
            if holds {
                seen.push(query);
            }
            let headers = request.headers_mut();
            headers.insert("authorization", "Bearer aegis-executor".parse().unwrap());
            async move {
                if holds {
                    std::future::pending::<()>().await;
                }
                api.call(request).await
            }
        });
        self.executor = self.executor_over(kube::Client::new(service, "default"));
        held
    }

    /// Lets seconds pass.
    pub(crate) fn pass(&mut self, seconds: i64) {
        for _ in 0..seconds {
            self.wait(Duration::from_secs(1));
        }
    }

    pub(crate) fn wait(&mut self, time: Duration) {
        self.millis += i64::try_from(time.as_millis()).unwrap();
        self.board.set_now(self.now());
        let now = jiff::Timestamp::from_millisecond(self.millis).unwrap();
        self.api.advance(now);
    }

    pub(crate) fn objects(
        &self,
        version: &str,
        kind: &str,
        namespace: Option<&str>,
    ) -> Objects<DynamicObject> {
        let (group, number) = version.split_once('/').unwrap_or(("", version));
        let resource = ApiResource {
            group: group.to_owned(),
            version: number.to_owned(),
            api_version: version.to_owned(),
            kind: kind.to_owned(),
            plural: format!("{}s", kind.to_ascii_lowercase()),
        };
        let client = self.api.client("admin");
        match namespace {
            Some(namespace) => Objects::namespaced_with(client, namespace, &resource),
            None => Objects::all_with(client, &resource),
        }
    }

    pub(crate) async fn create(
        &self,
        version: &str,
        kind: &str,
        namespace: Option<&str>,
        mut object: Value,
    ) {
        object["apiVersion"] = json!(version);
        object["kind"] = json!(kind);
        let object = serde_json::from_value(object).unwrap();
        let objects = self.objects(version, kind, namespace);
        objects
            .create(&PostParams::default(), &object)
            .await
            .unwrap();
    }

    /// What a person does to `shop/web`.
    pub(crate) async fn edit(&self, change: Value) {
        let objects = self.objects("apps/v1", "Deployment", Some("shop"));
        let params = PatchParams::default();
        objects
            .patch("web", &params, &Patch::Merge(change))
            .await
            .unwrap();
    }

    pub(crate) async fn web(&self) -> DynamicObject {
        let objects = self.objects("apps/v1", "Deployment", Some("shop"));
        objects.get("web").await.unwrap()
    }

    pub(crate) async fn pods(&self) -> Vec<DynamicObject> {
        let objects = self.objects("v1", "Pod", Some("shop"));
        objects.list(&Default::default()).await.unwrap().items
    }

    /// A warrant for an act on `shop/web` as it is now.
    pub(crate) async fn warrant(&self, number: u64, action: Action) -> Warrant {
        self.warrant_for(EntityKind::Deployment, &self.web().await, number, action)
    }

    /// A warrant for an act on a workload as it is.
    pub(crate) fn warrant_for(
        &self,
        kind: EntityKind,
        workload: &DynamicObject,
        number: u64,
        action: Action,
    ) -> Warrant {
        let name = workload.metadata.name.as_ref().unwrap();
        let gvk = match kind {
            EntityKind::StatefulSet => "apps/v1/StatefulSet",
            EntityKind::DaemonSet => "apps/v1/DaemonSet",
            _ => DEPLOYMENT,
        };
        let target = Target {
            entity: entity(kind, name),
            workload: entity(kind, name),
            gvk: gvk.to_owned(),
            uid: workload.metadata.uid.clone().unwrap(),
            generation: workload.metadata.generation.unwrap(),
        };
        warrant(self.now(), number, target, action)
    }

    /// A warrant to replace a pod of `shop/web`.
    pub(crate) fn pod_warrant(&self, number: u64, pod: &DynamicObject, delete: bool) -> Warrant {
        let target = Target {
            entity: entity(EntityKind::Pod, pod.metadata.name.as_ref().unwrap()),
            workload: entity(EntityKind::Deployment, "web"),
            gvk: "v1/Pod".to_owned(),
            uid: pod.metadata.uid.clone().unwrap(),
            generation: 0,
        };
        warrant(self.now(), number, target, Action::RestartPod { delete })
    }

    /// Carries out until the outcome; time passes while it waits.
    pub(crate) async fn carry_out(&mut self, warrant: &Warrant) -> Outcome {
        self.deliver(warrant, false).await
    }

    pub(crate) async fn deliver(&mut self, warrant: &Warrant, redelivered: bool) -> Outcome {
        let body = sign(warrant);
        let subject = Subject::decision("allow", &warrant.target.object.workload);
        let mut trial = Trial::new(Received {
            seq: warrant.fence,
            time: warrant.iat,
            subject: subject.as_str(),
            body: &body,
            redelivered,
        });
        for _ in 0..10_000 {
            match self.executor.attempt(&mut trial).await {
                Step::Done(outcome) => return *outcome,
                Step::Wait { after, .. } => self.wait(after),
            }
        }
        panic!("it never ends");
    }

    /// What the executor wrote, Events aside.
    pub(crate) fn effects(&self) -> Vec<Entry> {
        self.writes()
            .into_iter()
            .filter(|entry| !entry.dry_run)
            .collect()
    }

    /// What the executor tried and wrote, Events aside.
    pub(crate) fn writes(&self) -> Vec<Entry> {
        let ours = |entry: &Entry| entry.user == "aegis-executor" && entry.resource != "events";
        self.api.journal().into_iter().filter(ours).collect()
    }
}

pub(crate) fn entity(kind: EntityKind, name: &str) -> Entity {
    Entity::namespaced(
        Cluster::parse("default").unwrap(),
        Namespace::parse("shop").unwrap(),
        kind,
        Name::parse(name).unwrap(),
    )
}

pub(crate) fn warrant(now: Timestamp, number: u64, target: Target, action: Action) -> Warrant {
    let cause = EventId::of_content("test", &number.to_be_bytes());
    Warrant {
        v: Warrant::VERSION,
        decision_id: DecisionId(EventId::derive("policy", cause, 0)),
        nonce: Digest::of(&number.to_be_bytes()),
        issuer: "policy/default".to_owned(),
        audience: format!("aegis-executor/{CLUSTER_UID}"),
        kid: "test".to_owned(),
        alg: ALGORITHM.to_owned(),
        iat: now,
        nbf: now,
        exp: now + Duration::from_secs(60),
        cause,
        incident: Some(IncidentId(cause)),
        undo_of: None,
        actor: Actor {
            name: "aegis".to_owned(),
            roles: std::iter::once("service".to_owned()).collect(),
        },
        policy_hash: Digest::of(b"policy"),
        target: WarrantTarget {
            cluster_uid: CLUSTER_UID.to_owned(),
            object: target,
        },
        action,
        fence: Warrant::fence(1, number),
        max_blast: Blast { pods: 1, of: 3 },
        approvals: Vec::new(),
        reasons: Vec::new(),
    }
}

pub(crate) fn sign(warrant: &Warrant) -> Vec<u8> {
    let payload = codec::encode(warrant).unwrap();
    codec::encode(&Envelope::sign(DECISION_TYPE, payload, &key())).unwrap()
}

pub(crate) fn workload(name: &str, image: &str) -> Value {
    json!({
        "metadata": { "name": name },
        "spec": {
            "replicas": 3,
            "selector": { "matchLabels": { "app": name } },
            "template": {
                "metadata": { "labels": { "app": name } },
                "spec": { "containers": [{ "name": "main", "image": image }] },
            },
        },
    })
}

/// The API server behind a network that loses requests and answers, among people who change things.
fn unreliable(
    api: Api,
    outage: Arc<AtomicU64>,
    lost_answers: Arc<AtomicU64>,
    meddling: Arc<AtomicU64>,
) -> kube::Client {
    let take = |counter: &AtomicU64| {
        let less = |left: u64| left.checked_sub(1);
        let (set, fetch) = (Ordering::SeqCst, Ordering::SeqCst);
        counter.fetch_update(set, fetch, less).is_ok()
    };
    let service = tower::service_fn(move |mut request: Request<kube::client::Body>| {
        let mut api = api.clone();
        let away = take(&outage);
        let patches = request.method() == http::Method::PATCH;
        let dry = request.uri().query().unwrap_or_default().contains("dryRun");
        let loses = patches && !dry && take(&lost_answers);
        let meddle = (patches && take(&meddling)).then(|| label(request.uri().path()));
        async move {
            let headers = request.headers_mut();
            headers.insert("authorization", "Bearer aegis-executor".parse().unwrap());
            if let Some(label) = meddle {
                assert!(api.call(label).await?.status().is_success());
            }
            if !away {
                let answer = api.call(request).await?;
                if !loses {
                    return Ok(answer);
                }
            }
            let mut answer = Response::new(axum::body::Body::from("upstream is gone"));
            *answer.status_mut() = StatusCode::BAD_GATEWAY;
            Ok::<_, std::convert::Infallible>(answer)
        }
    });
    kube::Client::new(service, "default")
}

/// A change that raises the version and not the generation.
fn label(path: &str) -> Request<kube::client::Body> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::SeqCst).to_string();
    let change = json!({ "metadata": { "labels": { "count": count } } });
    Request::patch(path)
        .header("authorization", "Bearer admin")
        .header("content-type", "application/merge-patch+json")
        .body(change.to_string().into_bytes().into())
        .unwrap()
}
