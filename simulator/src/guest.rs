//! The world of a scenario in a cluster that is not ours: the API server, the controllers and the
//! scheduler are real, and this is the kubelet of every node, and the load.

mod record;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kube::Client;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use self::record::Record;
use crate::Error;
use crate::api::Entry;
use crate::pages::{self, Inhabited};
use crate::rest::{self, Caller};
use crate::scenario::Scenario;
use crate::world::World;

/// How long workloads may take to become ready.
const READY_WITHIN: Duration = Duration::from_secs(120);
/// How often the cluster's objects are read: a pod is seen after this time at the latest.
const LOOK_EVERY: SignedDuration = SignedDuration::from_millis(500);

/// A scenario that is played in a cluster of somebody else.
#[derive(Debug)]
pub struct Guest {
    world: World,
    record: Record,
    looked: Timestamp,
}

impl Guest {
    /// Creates what the scenario has in the cluster that `folder` tells of, and waits until all of it is
    /// ready. In the folder are `kubelet.kubeconfig`, `deployer.kubeconfig` and the API server's
    /// `audit.log`, and in `role-bindings.json` what a namespace gets in which Aegis may act. Nobody else
    /// may write the status of pods there.
    ///
    /// Metrics are those of workloads that have been under load for the scenario's `history`. Faults are
    /// counted from the moment of this function's end.
    ///
    /// # Errors
    /// When the API server refuses or the workloads do not become ready.
    pub async fn join(scenario: Scenario, seed: u64, folder: &Path) -> Result<Self, Error> {
        let kubelet = client(&folder.join("kubelet.kubeconfig")).await?;
        let deployer = client(&folder.join("deployer.kubeconfig")).await?;
        settle(&scenario, seed, &kubelet, &deployer).await?;
        enable(&scenario, folder, &Caller(deployer.clone())).await?;
        let now = Timestamp::now();
        let history = SignedDuration::try_from(scenario.history).unwrap_or_default();
        let mut world = World::new(scenario, seed, (now - history, now), kubelet, deployer)?;
        world.refresh().await?;
        world.run_to(now);
        Ok(Self {
            world,
            record: Record::new(folder.join("audit.log")),
            looked: now,
        })
    }

    /// Runs in real time until `stop`, with the pages of [`crate::Simulation::serve`] at `metrics`.
    ///
    /// # Errors
    /// When a listener fails, or the API server refuses or does not answer.
    pub async fn serve(self, metrics: TcpListener, stop: CancellationToken) -> Result<(), Error> {
        pages::run(Arc::new(Mutex::new(self)), metrics, stop).await
    }
}

impl Inhabited for Guest {
    fn world(&mut self) -> &mut World {
        &mut self.world
    }

    fn journal(&self) -> Vec<Entry> {
        self.record.entries().to_vec()
    }

    async fn pass(&mut self, now: Timestamp) -> Result<(), Error> {
        if now.duration_since(self.looked) >= LOOK_EVERY {
            self.looked = now;
            let before = self.record.entries().len();
            self.record.read()?;
            self.world.note_writes(&self.record.entries()[before..]);
            self.world.refresh().await?;
        }
        self.world.tick(now).await?;
        Ok(())
    }
}

/// Creates everything and plays the kubelet until every pod is ready. A stateful set makes its next pod
/// only then.
async fn settle(
    scenario: &Scenario,
    seed: u64,
    kubelet: &Client,
    deployer: &Client,
) -> Result<(), Error> {
    let begun = Timestamp::now();
    // No fault begins meanwhile.
    let never = begun + SignedDuration::from_hours(24);
    let clients = (kubelet.clone(), deployer.clone());
    let mut world = World::new(scenario.clone(), seed, (begun, never), clients.0, clients.1)?;
    world.create().await?;
    loop {
        world.refresh().await?;
        let now = Timestamp::now();
        world.tick(now).await?;
        let Some(missing) = world.missing() else {
            return Ok(());
        };
        if now.duration_since(begun).unsigned_abs() > READY_WITHIN {
            return Err(Error::NotReady(missing));
        }
        tokio::time::sleep(pages::PACE).await;
    }
}

/// Lets Aegis act in the namespaces that take part.
async fn enable(scenario: &Scenario, folder: &Path, deployer: &Caller) -> Result<(), Error> {
    let file = folder.join("role-bindings.json");
    let wrong =
        |error: &dyn std::error::Error| Error::Folder(format!("`{}`: {error}", file.display()));
    let text = std::fs::read_to_string(&file).map_err(|error| wrong(&error))?;
    let bindings: Vec<Value> = serde_json::from_str(&text).map_err(|error| wrong(&error))?;
    let taking_part = |labels: &BTreeMap<String, String>| {
        labels
            .get("aegis.dev/enabled")
            .is_some_and(|value| value == "true")
    };
    let namespaces = scenario.namespaces.iter();
    for namespace in namespaces.filter(|one| taking_part(&one.labels)) {
        let path = format!(
            "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings",
            namespace.name
        );
        for binding in &bindings {
            rest::create(deployer, &path, binding).await?;
        }
    }
    Ok(())
}

/// A client as a kubeconfig file says.
async fn client(path: &Path) -> Result<Client, Error> {
    let wrong =
        |error: &dyn std::error::Error| Error::Folder(format!("`{}`: {error}", path.display()));
    let file = Kubeconfig::read_from(path).map_err(|error| wrong(&error))?;
    let options = KubeConfigOptions::default();
    let config = kube::Config::from_custom_kubeconfig(file, &options).await;
    Ok(Client::try_from(config.map_err(|error| wrong(&error))?)?)
}
