//! What is known of one incident: the samples of every entity around the detection, who calls whom, and
//! what was noticed.

use std::collections::{BTreeMap, BTreeSet};

/// How long before its detection a failure may have begun, in seconds: samples come rarely, and clocks
/// differ.
const EARLY_S: i64 = 5;

/// How far apart the samples of a series are of which no more is known than a summary.
const SUMMARY_STEP_S: i64 = 15;
/// The width of the middle half of a normal distribution, in standard deviations.
pub(super) const QUARTILES: f64 = 1.349;

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

/// What a value is when all is well.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usual {
    /// In the middle.
    pub level: f64,
    /// The standard deviation around that; not negative.
    pub scale: f64,
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
    /// Adds a metric of which no more is known than what is usual and what it is now. It becomes a series
    /// of four samples whose middle and spread are these.
    pub fn note(&mut self, entity: &str, metric: &str, usual: Usual, now: f64) {
        let before = [-1.0, 0.0, 1.0].map(|side| side * QUARTILES * usual.scale + usual.level);
        let times = (1..).map(|back| self.detected_at - SUMMARY_STEP_S * back);
        let mut series: Series = times.zip(before).collect();
        series.reverse();
        series.push((self.detected_at, now));
        let metrics = self.entities.entry(entity.to_owned()).or_default();
        metrics.insert(metric.to_owned(), series);
    }

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
