//! Workloads: what runs, what it needs, whom it calls, and how its versions behave.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::fmt::serde::unsigned_duration::friendly::compact::required as friendly;
use serde::{Deserialize, Serialize};

/// A Deployment or StatefulSet with the model of what runs in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// Its name; its pods carry it as the label `app`.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// What kind of object it is.
    #[serde(default)]
    pub kind: WorkloadKind,
    /// How many pods it has.
    pub replicas: u32,
    /// The image of its container.
    pub image: String,
    /// Environment of its container.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// The data of its ConfigMap; every change of it makes a new map and a rollout.
    #[serde(default)]
    pub config: BTreeMap<String, String>,
    /// Labels of the object.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Annotations of the object.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// CPU limit of a pod, a quantity.
    #[serde(default = "one_core")]
    pub cpu: String,
    /// Memory limit of a pod, a quantity.
    #[serde(default = "quarter_gib")]
    pub memory: String,
    /// How long an answer takes without queueing and without calls.
    #[serde(with = "friendly", default = "ten_milliseconds")]
    pub service_time: Duration,
    /// CPU seconds that one request costs.
    pub cpu_per_request: f64,
    /// CPU that a pod uses without requests, cores.
    #[serde(default = "little")]
    pub idle_cpu: f64,
    /// Memory that a pod uses without requests, a quantity.
    #[serde(default = "hundred_mib")]
    pub base_memory: String,
    /// Memory that each request per second adds, MiB.
    #[serde(default)]
    pub memory_per_rps: f64,
    /// The share of answers that are errors on a good day.
    #[serde(default = "one_in_two_thousand")]
    pub error_ratio: f64,
    /// How long a container takes to become ready.
    #[serde(with = "friendly", default = "two_seconds")]
    pub start: Duration,
    /// How many connections it can serve at once; without it, any number.
    #[serde(default)]
    pub connections: Option<f64>,
    /// Whom it calls to answer a request.
    #[serde(default)]
    pub calls: Vec<Call>,
    /// How versions behave; the first that matches counts, a version without an entry is good.
    #[serde(default, rename = "version")]
    pub versions: Vec<Version>,
}

/// What kind of object a workload is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum WorkloadKind {
    /// A Deployment.
    #[default]
    Deployment,
    /// A StatefulSet.
    StatefulSet,
}

/// Calls to another workload of the same namespace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// The workload called.
    pub to: String,
    /// Calls per request.
    #[serde(default = "one")]
    pub per_request: f64,
    /// Connections that each pod of the caller keeps open.
    #[serde(default)]
    pub connections: f64,
    /// Whether a request fails when its call fails.
    #[serde(default = "yes")]
    pub essential: bool,
}

/// A version: all that is named must match.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Version {
    /// The image.
    #[serde(default)]
    pub image: Option<String>,
    /// Environment variables and their values.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Keys of the ConfigMap and their values.
    #[serde(default)]
    pub config: BTreeMap<String, String>,
    /// How it behaves.
    pub behaviour: Behaviour,
}

/// How a version differs from a good one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Behaviour {
    /// It ends with this code soon after its start.
    pub crash: Option<i32>,
    /// The image cannot be pulled.
    pub unpullable: bool,
    /// It runs, but is never ready.
    pub never_ready: bool,
    /// The share of answers that are errors.
    pub error_ratio: f64,
    /// Its service time as a multiple.
    pub slower: Option<f64>,
    /// Its CPU per request as a multiple.
    pub cpu: Option<f64>,
    /// Memory that it loses, MiB per minute.
    pub leak: f64,
}

impl Workload {
    /// `namespace/name`.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

impl Behaviour {
    /// Whether it does no harm.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.crash.is_none()
            && !self.unpullable
            && !self.never_ready
            && self.error_ratio < 0.01
            && self.slower.unwrap_or(1.0) < 1.3
            && self.cpu.unwrap_or(1.0) < 1.3
            && self.leak <= 0.0
    }
}

fn one_core() -> String {
    "1".to_owned()
}

fn quarter_gib() -> String {
    "256Mi".to_owned()
}

fn hundred_mib() -> String {
    "100Mi".to_owned()
}

fn ten_milliseconds() -> Duration {
    Duration::from_millis(10)
}

fn two_seconds() -> Duration {
    Duration::from_secs(2)
}

fn little() -> f64 {
    0.01
}

fn one_in_two_thousand() -> f64 {
    0.0005
}

fn one() -> f64 {
    1.0
}

fn yes() -> bool {
    true
}
