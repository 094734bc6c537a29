//! The world of a scenario: what runs in the pods of a cluster, seen and told through its API.
//!
//! The cluster's objects are read through a Kubernetes client and never held to be what the scenario
//! says: who scales, rolls back or replaces changes what happens here.

mod act;
mod disk;
mod kubelet;
mod objects;
mod oracle;
mod pod;
mod traffic;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use kube::Client;
use serde_json::Value;

pub use act::Act;
pub(crate) use disk::DISK;
pub(crate) use pod::Pod;

use crate::Error;
use crate::draw::Draws;
use crate::faults::Faults;
use crate::history::History;
use crate::metrics::{self, Sample};
use crate::model::{Health, Spec};
use crate::rest::{self, Caller};
use crate::scenario::Scenario;

/// The world of a scenario.
#[derive(Debug)]
pub struct World {
    pub(crate) scenario: Scenario,
    seed: u64,
    start: Timestamp,
    /// Writes what a kubelet writes.
    kubelet: Caller,
    /// A person who deploys and scales.
    deployer: Caller,
    specs: Vec<Spec>,
    order: Vec<usize>,
    /// By `namespace/name`.
    pub(crate) pods: BTreeMap<String, Pod>,
    /// The objects of the scenario's workloads, in its order.
    objects: Vec<Value>,
    /// The data of ConfigMaps by `namespace/name`.
    configs: BTreeMap<String, BTreeMap<String, String>>,
    /// How each workload fares.
    pub(crate) health: Vec<Health>,
    pub(crate) faults: Faults,
    acts: Vec<Act>,
    /// Pods that Aegis replaced since the cluster was read: their workloads' places and revisions.
    replaced: Vec<(usize, String)>,
    /// Nodes that are short of disk.
    pressed: BTreeMap<Arc<str>, disk::Pressed>,
    users: Vec<Draws>,
    history: History,
    now: Timestamp,
    /// How much time passes at once.
    pace: SignedDuration,
}

impl World {
    /// A world whose faults are counted from `start`; it begins at `now`, which may be earlier. `kubelet`
    /// and `deployer` are clients of two users.
    ///
    /// # Errors
    /// When the scenario has a circle of calls.
    pub fn new(
        scenario: Scenario,
        seed: u64,
        (now, start): (Timestamp, Timestamp),
        kubelet: Client,
        deployer: Client,
    ) -> Result<Self, Error> {
        let specs = Spec::all(&scenario);
        let order = scenario.order().map_err(Error::Scenario)?;
        let users = scenario
            .loads
            .iter()
            .map(|load| Draws::new(seed, &format!("load {}", load.to)));
        Ok(Self {
            seed,
            start,
            kubelet: Caller(kubelet),
            deployer: Caller(deployer),
            specs,
            order,
            pods: BTreeMap::new(),
            objects: vec![Value::Null; scenario.workloads.len()],
            configs: BTreeMap::new(),
            health: vec![Health::default(); scenario.workloads.len()],
            faults: Faults::new(&scenario, seed, start),
            acts: Vec::new(),
            replaced: Vec::new(),
            pressed: BTreeMap::new(),
            users: users.collect(),
            history: History::default(),
            now,
            pace: SignedDuration::try_from(scenario.pace).unwrap_or(SignedDuration::from_secs(1)),
            scenario,
        })
    }

    /// Creates what the scenario has: namespaces, nodes, ConfigMaps, workloads. What exists stays.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn create(&self) -> Result<(), Error> {
        objects::create(&self.scenario, &self.deployer).await
    }

    /// Reads the cluster's objects again; call it when they may have changed.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn refresh(&mut self) -> Result<(), Error> {
        let maps = rest::get(&self.kubelet, "/api/v1/configmaps").await?;
        self.configs = items(&maps)
            .map(|map| (path(map), pod::texts(&map["data"])))
            .collect();
        for kind in ["deployments", "statefulsets"] {
            let list = rest::get(&self.kubelet, &format!("/apis/apps/v1/{kind}")).await?;
            for object in items(&list) {
                let Some(place) = self.scenario.place(&path(object)) else {
                    continue;
                };
                let before = std::mem::replace(&mut self.objects[place], object.clone());
                let acts = act::of(&before, object);
                self.note(place, &acts);
            }
        }
        self.note_replaced();
        let pods = rest::get(&self.kubelet, "/api/v1/pods").await?;
        let mut known = std::mem::take(&mut self.pods);
        for object in items(&pods) {
            let path = path(object);
            let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
            let pod = known.remove(&path).filter(|pod| pod.uid == uid);
            let pod = match pod {
                Some(mut pod) => {
                    pod.see(object, self.now);
                    pod
                }
                None => {
                    let place = pod::place(&self.scenario, object);
                    let calls = place.map_or(0, |place| self.specs[place].calls.len());
                    Pod::new(object, place, calls, self.seed, self.now)
                }
            };
            self.pods.insert(path, pod);
        }
        Ok(())
    }

    /// Lets time pass until `now`: faults begin and end, containers start and end, requests are
    /// answered, and what became of the pods is written to the API server. Whether it wrote.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn tick(&mut self, now: Timestamp) -> Result<bool, Error> {
        let mut wrote = self.begin_faults(now).await?;
        self.run_to(now);
        wrote |= self.watch_disks().await?;
        wrote |= self.publish().await?;
        Ok(wrote)
    }

    /// Lets time pass without a word to the API server, so that metrics are as of `now`.
    pub fn run_to(&mut self, now: Timestamp) {
        while self.now < now {
            let second = Timestamp::from_second(self.now.as_second()).unwrap_or(self.now);
            let next = (second + self.pace).min(now);
            self.pass(next);
            self.now = next;
            self.step_containers();
            self.judge();
            if self.history.is_due(self.now)
                && self.now <= self.start + SignedDuration::from_mins(10)
            {
                let samples = self.samples();
                self.history.record(self.now, samples);
            }
        }
    }

    pub(crate) const fn pace(&self) -> SignedDuration {
        self.pace
    }

    /// All samples as of the last tick.
    #[must_use]
    pub fn samples(&self) -> Vec<Sample> {
        let mut samples = Vec::new();
        for pod in self.pods.values().filter(|pod| pod.process.running) {
            if let Some(place) = pod.place {
                metrics::samples(pod, &self.specs[place], &mut samples);
            }
        }
        samples
    }

    /// How the workload `namespace/name` fares: requests per second, CPU utilisation, mean latency in
    /// seconds, share of errors.
    #[must_use]
    pub fn health(&self, workload: &str) -> Option<(f64, f64, f64, f64)> {
        let health = self.health.get(self.scenario.place(workload)?)?;
        Some((health.rps, health.utilisation, health.latency, health.error))
    }

    /// Whether every workload has as many ready pods as the scenario says.
    pub(crate) fn missing(&self) -> Option<String> {
        let ready = |place: usize| {
            let pods = self.pods.values();
            pods.filter(|pod| pod.place == Some(place) && pod.container.is_ready())
                .count()
        };
        let workloads = self.scenario.workloads.iter().enumerate();
        let mut missing = workloads.filter(|(place, one)| ready(*place) < one.replicas as usize);
        missing.next().map(|(_, one)| one.path())
    }

    pub(crate) fn history(&self) -> &History {
        &self.history
    }

    /// What Aegis did so far.
    #[must_use]
    pub fn acts(&self) -> &[Act] {
        &self.acts
    }

    /// How the scenario stands, as JSON.
    #[must_use]
    pub fn status(&self) -> Value {
        serde_json::json!({
            "scenario": self.scenario.name,
            "seed": self.seed,
            "time": self.now.to_string(),
            "start": self.start.to_string(),
            "most_incidents": self.scenario.most_incidents,
            "faults": self.faults.status(),
            "acts": self.acts,
            "wrong_acts": self.acts.iter().filter(|act| !act.right).count(),
        })
    }
}

/// The items of a list.
fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list["items"].as_array().into_iter().flatten()
}

/// `namespace/name` of an object.
fn path(object: &Value) -> String {
    let metadata = &object["metadata"];
    let text = |key: &str| metadata[key].as_str().unwrap_or_default();
    format!("{}/{}", text("namespace"), text("name"))
}
