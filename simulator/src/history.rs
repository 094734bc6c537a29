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

/// Recorded samples of every series.
#[derive(Debug, Default)]
pub(crate) struct History {
    series: BTreeMap<&'static str, BTreeMap<Labels, Points>>,
    newest: Option<i64>,
}

impl History {
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        self.newest
            .is_none_or(|newest| now.as_second() >= newest + STEP)
    }

    pub(crate) fn record(&mut self, now: Timestamp, samples: Vec<Sample>) {
        self.newest = Some(now.as_second());
        for sample in samples {
            let series = self.series.entry(sample.name).or_default();
            series
                .entry(sample.labels)
                .or_default()
                .push((now.as_millisecond(), sample.value));
        }
    }

    /// Everything that was recorded, by moment.
    pub(crate) fn moments(&self) -> Vec<(Timestamp, Vec<Sample>)> {
        let mut moments: BTreeMap<i64, Vec<Sample>> = BTreeMap::new();
        for (name, all) in &self.series {
            for (labels, points) in all {
                for (at, value) in points {
                    let labels = labels.clone();
                    let sample = Sample {
                        name,
                        labels,
                        value: *value,
                    };
                    moments.entry(*at).or_default().push(sample);
                }
            }
        }
        let time = |at| Timestamp::from_millisecond(at).unwrap_or_default();
        moments
            .into_iter()
            .map(|(at, samples)| (time(at), samples))
            .collect()
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
        let series = self.series.get(name).into_iter().flatten();
        let result: Vec<Value> = series
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
