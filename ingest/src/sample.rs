//! One value of one series, as every source of metrics gives it.

use std::collections::BTreeMap;

use aegis_schemas::{MetricKind, Timestamp};

/// One value of one series.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The metric's name.
    pub name: String,
    /// Its labels, those that name the entity included.
    pub labels: BTreeMap<String, String>,
    /// Counter or gauge.
    pub kind: MetricKind,
    /// The value; NaN is passed over.
    pub value: f64,
    /// When it was taken.
    pub time: Timestamp,
}

/// The kind of a metric of which nothing is known but its name.
#[must_use]
pub(crate) fn kind_by_name(name: &str) -> MetricKind {
    let counts = ["_total", "_sum", "_count", "_bucket"];
    if counts.iter().any(|suffix| name.ends_with(suffix)) {
        MetricKind::Counter
    } else {
        MetricKind::Gauge
    }
}
