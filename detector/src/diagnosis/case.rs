//! What is known of one incident: the samples of every entity around the detection, who calls whom, and
//! what was noticed.

use std::collections::{BTreeMap, BTreeSet};

/// How long before its detection a failure may have begun, in seconds: samples come rarely, and clocks
/// differ.
const EARLY_S: i64 = 5;

/// The samples of one metric of one entity, oldest first: unix seconds and values.
pub type Series = Vec<(i64, f64)>;

/// One incident.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Case {
    /// When it was noticed, in unix seconds.
    pub detected_at: i64,
    /// The series of each entity, by metric.
    pub entities: BTreeMap<String, BTreeMap<String, Series>>,
    /// Caller and callee. Empty if nobody knows.
    pub calls: BTreeSet<(String, String)>,
    /// What was noticed, if that is known.
    pub symptom: Option<Symptom>,
}

/// The series that an incident was noticed by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symptom {
    /// Whose.
    pub entity: String,
    /// Which of its metrics.
    pub metric: String,
}

/// An incident whose end is known: what a model learns from.
#[derive(Clone, Debug, PartialEq)]
pub struct Labelled {
    /// The incident.
    pub case: Case,
    /// What kind of failure it was.
    pub kind: String,
    /// Where it came from.
    pub root: String,
}

impl Case {
    /// The series, if that entity has one of that metric.
    pub(super) fn series(&self, entity: &str, metric: &str) -> Option<&Series> {
        self.entities.get(entity)?.get(metric)
    }

    /// Values from before the failure, and values since.
    pub(super) fn parted(&self, series: &Series) -> (Vec<f64>, Vec<f64>) {
        let begin = series.partition_point(|(at, _)| *at < self.detected_at - EARLY_S);
        let values = |samples: &[(i64, f64)]| samples.iter().map(|(_, value)| *value).collect();
        (values(&series[..begin]), values(&series[begin..]))
    }
}
