//! All samples of a play, kept as few long batches: what the scorer's features are traced from.

use std::collections::BTreeMap;

use aegis_detector::scorer;
use aegis_schemas::pipeline::Input;
use aegis_schemas::{Entity, Event, MetricBatch, Timestamp};

/// The batches of each entity, in the order of time.
#[derive(Default)]
pub(super) struct Batches(BTreeMap<Entity, Vec<MetricBatch>>);

impl Batches {
    /// Keeps what the message says; rows are added to the last batch as long as the series stay the same.
    pub(super) fn keep(&mut self, input: &Input) {
        let Event::Metric(batch) = &input.event else {
            return;
        };
        if !self.0.contains_key(&batch.entity) {
            self.0.insert(batch.entity.clone(), Vec::new());
        }
        let Some(kept) = self.0.get_mut(&batch.entity) else {
            return;
        };
        match kept.last_mut().filter(|last| has_same_series(last, batch)) {
            Some(last) => {
                last.times.extend(&batch.times);
                for (series, more) in last.series.iter_mut().zip(&batch.series) {
                    series.values.extend(&more.values);
                }
            }
            None => kept.push(batch.clone()),
        }
    }

    /// Every feature of every entity at every time.
    pub(super) fn features(&self) -> Vec<(Timestamp, Entity, String, f64)> {
        let config = scorer::Config::default();
        let mut rows = Vec::new();
        for (entity, batches) in &self.0 {
            let seen = scorer::trace(&config, batches).into_iter();
            rows.extend(seen.map(|one| (one.at, entity.clone(), one.feature, one.value)));
        }
        rows
    }
}

fn has_same_series(one: &MetricBatch, other: &MetricBatch) -> bool {
    let mut pairs = one.series.iter().zip(&other.series);
    one.series.len() == other.series.len()
        && pairs.all(|(a, b)| a.metric == b.metric && a.pod == b.pod && a.labels == b.labels)
}
