//! Samples.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Entity, Name, Timestamp};

/// Whether values add up or stand for themselves.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum MetricKind {
    /// Only rises, and starts anew at zero: its rate matters.
    Counter,
    /// A value of the moment.
    #[default]
    Gauge,
}

/// One series of a batch: one metric of one pod (or of the whole workload) with its labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// The metric's name as its source calls it, such as `container_memory_working_set_bytes`.
    pub metric: String,
    /// The pod that it is about.
    #[serde(default)]
    pub pod: Option<Name>,
    /// Labels that tell it from its siblings; those that name the entity are left out.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Counter or gauge.
    #[serde(default)]
    pub kind: MetricKind,
    /// A value for each time of the batch; NaN where there is none.
    pub values: Vec<f64>,
}

/// Samples of one workload (or node) from one scrape or one write, by columns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricBatch {
    /// The workload or node that they are about.
    pub entity: Entity,
    /// Who delivered them, such as `scrape/shop` or `remote-write`.
    pub source: String,
    /// Whether this is history: the scorer learns from it and says nothing.
    #[serde(default)]
    pub backfill: bool,
    /// The times of the samples, rising.
    pub times: Vec<Timestamp>,
    /// The series; each has as many values as there are times.
    pub series: Vec<Series>,
}

impl MetricBatch {
    /// What is wrong with the batch, if anything is: columns of another length, times that fall.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        if !self.times.is_sorted() {
            return Some("times do not rise".to_owned());
        }
        self.series
            .iter()
            .find(|series| series.values.len() != self.times.len())
            .map(|series| {
                format!(
                    "series `{}` has {} values for {} times",
                    series.metric,
                    series.values.len(),
                    self.times.len()
                )
            })
    }

    /// How many samples it carries.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.series
            .iter()
            .map(|series| series.values.iter().filter(|value| !value.is_nan()).count())
            .sum()
    }
}
