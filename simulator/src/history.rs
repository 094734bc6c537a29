//! What was measured before the start, as a Prometheus would tell it.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::metrics::Sample;

/// The distance of recorded samples, seconds.
const STEP: i64 = 15;
/// How old a sample may be to stand for a later moment, as in Prometheus.
const LOOK_BACK_MS: i64 = 300_000;
/// The most points that a query may ask of each series, as in Prometheus.
const MOST_POINTS: f64 = 11_000.0;

type Labels = Vec<(&'static str, Arc<str>)>;
/// Milliseconds and values, in the order of time.
type Points = Vec<(i64, f64)>;

/// Recorded samples.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// By moment, oldest first; in the order that the pods said them.
    moments: Vec<(Timestamp, Vec<Sample>)>,
}

impl History {
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        let newest = self.moments.last().map(|(at, _)| at.as_second());
        newest.is_none_or(|newest| now.as_second() >= newest + STEP)
    }

    pub(crate) fn record(&mut self, now: Timestamp, samples: Vec<Sample>) {
        self.moments.push((now, samples));
    }

    /// Everything that was recorded, by moment.
    pub(crate) fn moments(&self) -> &[(Timestamp, Vec<Sample>)] {
        &self.moments
    }

    /// The points of every series of that name.
    fn series(&self, name: &str) -> BTreeMap<&Labels, Points> {
        let mut series: BTreeMap<&Labels, Points> = BTreeMap::new();
        for (at, samples) in &self.moments {
            for sample in samples.iter().filter(|sample| sample.name == name) {
                let points = series.entry(&sample.labels).or_default();
                points.push((at.as_millisecond(), sample.value));
            }
        }
        series
    }

    /// Answers `query_range` for the name of a metric; times and step in seconds.
    pub(crate) fn query_range(
        &self,
        query: &str,
        start: f64,
        end: f64,
        step: f64,
    ) -> Result<Value, String> {
        let name = query.trim();
        if name.is_empty()
            || name.contains(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':')
        {
            return Err(format!(
                "only the name of a metric can be asked for, not `{name}`"
            ));
        }
        if !(step > 0.0 && start.is_finite() && end >= start) || (end - start) / step > MOST_POINTS
        {
            return Err("`start`, `end` and `step` do not fit together".to_owned());
        }
        let count = ((end - start) / step).floor() as i64;
        let series = self.series(name);
        let result: Vec<Value> = series
            .iter()
            .filter_map(|(labels, points)| {
                let values: Vec<Value> = (0..=count)
                    .filter_map(|number| {
                        let at = start + step * number as f64;
                        let value = value_at(points, (at * 1_000.0).round() as i64)?;
                        Some(json!([at, value.to_string()]))
                    })
                    .collect();
                if values.is_empty() {
                    return None;
                }
                let mut metric: BTreeMap<&str, &str> =
                    labels.iter().map(|(key, value)| (*key, &**value)).collect();
                metric.insert("__name__", name);
                Some(json!({"metric": metric, "values": values}))
            })
            .collect();
        Ok(json!({"status": "success", "data": {"resultType": "matrix", "result": result}}))
    }
}

/// The newest value that is not newer than `at`.
fn value_at(points: &[(i64, f64)], at: i64) -> Option<f64> {
    let next = points.partition_point(|(time, _)| *time <= at);
    let (time, value) = points.get(next.checked_sub(1)?)?;
    (at - time <= LOOK_BACK_MS).then_some(*value)
}
