//! Scenarios: a cluster, its workloads, their load and what goes wrong, as data.
//!
//! `docs/scenarios.md` documents the format.

mod check;
mod fault;
mod form;
mod workload;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::fmt::serde::unsigned_duration::friendly::compact::required as friendly;
use serde::{Deserialize, Serialize};

pub use fault::{Effect, Expect, Fault, Oracle, Range, Which};
pub use workload::{Behaviour, Call, Version, Workload, WorkloadKind};

use crate::Error;

/// A scenario.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// What happens in it, in a sentence.
    pub description: String,
    /// How long it is; a real-time run goes on after it.
    #[serde(with = "friendly", default = "half_hour")]
    pub length: Duration,
    /// How long the cluster has run without faults before the start.
    #[serde(with = "friendly", default = "hour")]
    pub history: Duration,
    /// How long the oracle of a fault must hold for it to be healed.
    #[serde(with = "friendly", default = "minute")]
    pub hold: Duration,
    /// How much time passes at once, and between two scrapes, where time is virtual.
    #[serde(with = "friendly", default = "second")]
    pub pace: Duration,
    /// How many incidents there may be at most; any number if it does not say.
    #[serde(default)]
    pub most_incidents: Option<u32>,
    /// How many nodes the cluster has.
    #[serde(default = "three")]
    pub nodes: u32,
    /// The namespaces of the workloads.
    #[serde(default, rename = "namespace")]
    pub namespaces: Vec<Namespace>,
    /// The workloads.
    #[serde(default, rename = "workload")]
    pub workloads: Vec<Workload>,
    /// Who uses them.
    #[serde(default, rename = "load")]
    pub loads: Vec<Load>,
    /// What happens.
    #[serde(default, rename = "fault")]
    pub faults: Vec<Fault>,
    /// What a healer should make of it, for tests.
    #[serde(default)]
    pub expect: Vec<Expect>,
}

/// A namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Namespace {
    /// Its name.
    pub name: String,
    /// Its labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
}

/// Requests of users to one workload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// The workload that they enter at, `namespace/name`.
    pub to: String,
    /// Requests per second, the mean of a day.
    pub rps: f64,
    /// How far the day's peak and valley are from the mean, as a share of it.
    #[serde(default)]
    pub daily: f64,
    /// How long after the start the day's peak is.
    #[serde(with = "friendly", default = "six_hours")]
    pub peak: Duration,
    /// The standard deviation from second to second, as a share.
    #[serde(default = "some_noise")]
    pub noise: f64,
}

impl Scenario {
    /// Reads a scenario in TOML.
    ///
    /// # Errors
    /// When it is not TOML, a key is unknown or missing, or what it says does not fit together.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let scenario: Self =
            toml::from_str(text).map_err(|error| Error::Scenario(error.to_string()))?;
        scenario.check()?;
        Ok(scenario)
    }

    /// The place of the workload `namespace/name`.
    #[must_use]
    pub fn place(&self, workload: &str) -> Option<usize> {
        self.workloads.iter().position(|one| one.path() == workload)
    }
}

fn half_hour() -> Duration {
    Duration::from_secs(1_800)
}

fn hour() -> Duration {
    Duration::from_secs(3_600)
}

fn minute() -> Duration {
    Duration::from_secs(60)
}

fn second() -> Duration {
    Duration::from_secs(1)
}

fn three() -> u32 {
    3
}

fn six_hours() -> Duration {
    Duration::from_secs(21_600)
}

fn some_noise() -> f64 {
    0.05
}
