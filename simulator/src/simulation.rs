//! A whole simulated cluster: its API server, its workloads, its faults, and the way to watch them.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::Error;
use crate::api::{Api, Entry, Requests};
use crate::metrics::Sample;
use crate::pages::{self, Inhabited};
use crate::scenario::Scenario;
use crate::world::World;

/// How long workloads may take to become ready, simulated seconds.
const READY_WITHIN: i64 = 300;

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
        let pace = simulation.world.pace();
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
            at = (at + pace).min(now);
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
        self.world.note_writes(&entries);
        self.world.refresh().await
    }

    /// All samples as of the last tick.
    #[must_use]
    pub fn samples(&self) -> Vec<Sample> {
        self.world.samples()
    }

    /// What was measured before the start, by moment: for whoever needs no HTTP.
    #[must_use]
    pub fn history(&self) -> &[(Timestamp, Vec<Sample>)] {
        self.world.history().moments()
    }

    /// How it stands: each fault (pending, active, healed, over) and what Aegis did, rightly or not.
    #[must_use]
    pub fn status(&self) -> Value {
        self.world.status()
    }

    /// Runs in real time until `stop`: the Kubernetes API at `api`; `/metrics`, `/api/v1/query_range`,
    /// `/simulation`, `/journal` (every write that the API server took) and `/requests` (how many each
    /// user made) at `metrics`.
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
        let kubernetes = async { server.serve(api, stop.clone()).await.map_err(Error::Serve) };
        tokio::try_join!(kubernetes, pages::run(shared, metrics, stop.clone()))?;
        Ok(())
    }
}

impl Inhabited for Simulation {
    fn world(&mut self) -> &mut World {
        &mut self.world
    }

    fn journal(&self) -> Vec<Entry> {
        self.api.journal()
    }

    fn requests(&self) -> Requests {
        self.api.requests()
    }

    async fn pass(&mut self, now: Timestamp) -> Result<(), Error> {
        self.tick(now).await
    }
}
