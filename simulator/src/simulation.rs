//! A whole simulated cluster: its API server, its workloads, its faults, and the way to watch them.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::Error;
use crate::api::Api;
use crate::metrics::{self, Sample};
use crate::scenario::Scenario;
use crate::world::World;

/// How often the cluster moves on in real time.
const PACE: Duration = Duration::from_millis(200);
/// How long workloads may take to become ready, simulated seconds.
const READY_WITHIN: i64 = 300;
/// The user whose deletions of pods are acts.
const EXECUTOR: &str = "aegis-executor";

/// A simulated cluster with what runs in it.
#[derive(Debug)]
pub struct Simulation {
    api: Api,
    world: World,
    /// The API's version when it was last read.
    seen: u64,
    /// How many entries of the journal were looked at.
    read: usize,
}

impl Simulation {
    /// A cluster in which everything has been ready and under load for the scenario's `history` at
    /// `now`. Its faults are counted from `now`.
    ///
    /// # Errors
    /// When the scenario's workloads do not become ready.
    pub async fn new(scenario: Scenario, seed: u64, now: Timestamp) -> Result<Self, Error> {
        let history = SignedDuration::try_from(scenario.history).unwrap_or_default();
        let ready_by = now - history;
        let mut at = ready_by - SignedDuration::from_secs(READY_WITHIN);
        let api = Api::new(seed, at).with_kubelet(false);
        let clients = (api.client("kubelet"), api.client("deployer"));
        let world = World::new(scenario, seed, (at, now), clients.0, clients.1)?;
        let mut simulation = Self {
            api,
            world,
            seen: 0,
            read: 0,
        };
        simulation.world.create().await?;
        let second = SignedDuration::from_secs(1);
        while at < ready_by {
            at = (at + second).min(ready_by);
            simulation.tick(at).await?;
            if simulation.world.missing().is_none() {
                break;
            }
        }
        if let Some(missing) = simulation.world.missing() {
            return Err(Error::NotReady(missing));
        }
        while at < now {
            at = (at + second).min(now);
            simulation.tick(at).await?;
        }
        Ok(simulation)
    }

    /// The API server.
    #[must_use]
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// What runs in the cluster.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Lets time pass until `now`, for virtual time; a second at a time is exact.
    ///
    /// # Errors
    /// When the API server refuses a write of the model.
    pub async fn tick(&mut self, now: Timestamp) -> Result<(), Error> {
        self.api.advance(now);
        self.look().await?;
        if self.world.tick(now).await? {
            self.api.advance(now);
            self.look().await?;
        }
        Ok(())
    }

    /// Reads the cluster again if it changed.
    async fn look(&mut self) -> Result<(), Error> {
        let version = self.api.version();
        if version == self.seen {
            return Ok(());
        }
        self.seen = version;
        let entries = self.api.journal_since(self.read);
        self.read += entries.len();
        for entry in &entries {
            let acted = entry.user == EXECUTOR
                && entry.changed
                && !entry.dry_run
                && entry.resource == "pods";
            if acted && (entry.verb == "delete" || entry.subresource == "eviction") {
                self.world
                    .note_restart(&format!("{}/{}", entry.namespace, entry.name));
            }
        }
        self.world.refresh().await
    }

    /// All samples as of the last tick.
    #[must_use]
    pub fn samples(&self) -> Vec<Sample> {
        self.world.samples()
    }

    /// What was measured before the start, by moment: for whoever needs no HTTP.
    #[must_use]
    pub fn history(&self) -> Vec<(Timestamp, Vec<Sample>)> {
        self.world.history().moments()
    }

    /// How it stands: each fault (pending, active, healed, over) and what Aegis did, rightly or not.
    #[must_use]
    pub fn status(&self) -> Value {
        self.world.status()
    }

    /// Runs in real time until `stop`: the Kubernetes API at `api`; `/metrics`, `/api/v1/query_range`,
    /// `/simulation` and `/journal` (every write that the API server took) at `metrics`.
    ///
    /// # Errors
    /// When a listener fails or the API server refuses a write of the model.
    pub async fn serve(
        self,
        api: TcpListener,
        metrics: TcpListener,
        stop: CancellationToken,
    ) -> Result<(), Error> {
        let server = self.api.clone();
        let shared = Arc::new(Mutex::new(self));
        let router = Router::new()
            .route("/metrics", get(page))
            .route("/api/v1/query_range", get(query_range))
            .route("/simulation", get(status))
            .route("/journal", get(journal))
            .with_state(shared.clone());
        let kubernetes = async { server.serve(api, stop.clone()).await.map_err(Error::Serve) };
        let pages = async {
            let served = axum::serve(metrics, router);
            let served = served.with_graceful_shutdown(stop.clone().cancelled_owned());
            served.await.map_err(Error::Serve)
        };
        let running = run(shared, stop.clone());
        tokio::try_join!(kubernetes, pages, running)?;
        Ok(())
    }
}

/// Moves the cluster on until `stop`.
async fn run(shared: Arc<Mutex<Simulation>>, stop: CancellationToken) -> Result<(), Error> {
    let mut pace = tokio::time::interval(PACE);
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = pace.tick() => {}
        }
        shared.lock().await.tick(Timestamp::now()).await?;
    }
}

async fn page(State(shared): State<Arc<Mutex<Simulation>>>) -> Response {
    let samples = {
        let mut simulation = shared.lock().await;
        // As of this moment: otherwise rates would show how often the cluster moves on.
        simulation.world.run_to(Timestamp::now());
        simulation.samples()
    };
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    (kind, metrics::text(&samples)).into_response()
}

/// The parameters of `query_range`.
#[derive(Deserialize)]
struct Asked {
    query: String,
    start: f64,
    end: f64,
    step: f64,
}

async fn query_range(
    State(shared): State<Arc<Mutex<Simulation>>>,
    Query(asked): Query<Asked>,
) -> Response {
    let simulation = shared.lock().await;
    let history = simulation.world.history();
    match history.query_range(&asked.query, asked.start, asked.end, asked.step) {
        Ok(answer) => axum::Json(answer).into_response(),
        Err(error) => {
            let body = json!({"status": "error", "errorType": "bad_data", "error": error});
            (StatusCode::BAD_REQUEST, axum::Json(body)).into_response()
        }
    }
}

async fn journal(State(shared): State<Arc<Mutex<Simulation>>>) -> axum::Json<Value> {
    axum::Json(json!(shared.lock().await.api.journal()))
}

async fn status(State(shared): State<Arc<Mutex<Simulation>>>) -> axum::Json<Value> {
    axum::Json(shared.lock().await.status())
}
