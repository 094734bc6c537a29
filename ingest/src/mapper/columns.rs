//! The samples of one entity as columns, cut into batches that a message holds.

use std::collections::{BTreeMap, BTreeSet};

use aegis_schemas::{Entity, MetricBatch, MetricKind, Name, Series, Timestamp};

use crate::Sample;

/// The most bytes of a batch, estimated from above; a message may have 240 KiB.
const MAX_BYTES: usize = 200 * 1024;
/// The most times of a batch. Each series has a value for each, NaN too, so this bounds how much larger
/// scattered samples can grow.
const MAX_TIMES: usize = 64;

type Key = (String, Option<Name>, BTreeMap<String, String>);
type Row = (MetricKind, BTreeMap<Timestamp, f64>);

/// The series of one entity.
#[derive(Debug, Default)]
pub(super) struct Columns {
    series: BTreeMap<Key, Row>,
}

impl Columns {
    pub(super) fn add(&mut self, pod: Option<Name>, sample: Sample) {
        let key = (sample.name, pod, sample.labels);
        let (_, values) = self
            .series
            .entry(key)
            .or_insert_with(|| (sample.kind, BTreeMap::new()));
        values.insert(sample.time, sample.value);
    }

    /// The batches, in the order of their times.
    pub(super) fn into_batches(
        self,
        entity: &Entity,
        source: &str,
        backfill: bool,
    ) -> Vec<MetricBatch> {
        let times: BTreeSet<Timestamp> = self
            .series
            .values()
            .flat_map(|(_, values)| values.keys().copied())
            .collect();
        let times: Vec<Timestamp> = times.into_iter().collect();
        // A page has one time: its names are moved, only the chunks of a longer past copy them.
        if times.len() <= MAX_TIMES {
            let rows = self.series.into_iter();
            return cut(entity, source, backfill, &times, rows);
        }
        let chunks = times.chunks(MAX_TIMES);
        chunks
            .flat_map(|times| {
                let rows = self.series.iter();
                let rows = rows.map(|(key, row)| (key.clone(), row.clone()));
                cut(entity, source, backfill, times, rows)
            })
            .collect()
    }
}

/// The values at `times` in batches that a message holds each.
fn cut(
    entity: &Entity,
    source: &str,
    backfill: bool,
    times: &[Timestamp],
    rows: impl Iterator<Item = (Key, Row)>,
) -> Vec<MetricBatch> {
    let mut batches = Vec::new();
    let mut batch = Vec::new();
    let mut bytes = 0;
    for ((metric, pod, labels), (kind, values)) in rows {
        let values: Vec<f64> = times
            .iter()
            .map(|time| values.get(time).copied().unwrap_or(f64::NAN))
            .collect();
        if values.iter().all(|value| value.is_nan()) {
            continue;
        }
        let series = Series {
            metric,
            pod,
            labels,
            kind,
            values,
        };
        let size = size(&series);
        if bytes + size > MAX_BYTES && !batch.is_empty() {
            let full = std::mem::take(&mut batch);
            batches.push(finish(entity, source, backfill, times, full));
            bytes = 0;
        }
        bytes += size;
        batch.push(series);
    }
    batches.push(finish(entity, source, backfill, times, batch));
    batches
}

/// At least what the series takes in MessagePack.
fn size(series: &Series) -> usize {
    let pod = series.pod.as_ref().map_or(0, |pod| pod.as_str().len());
    let labels: usize = series
        .labels
        .iter()
        .map(|(name, value)| name.len() + value.len() + 10)
        .sum();
    64 + series.metric.len() + pod + labels + series.values.len() * 9
}

fn finish(
    entity: &Entity,
    source: &str,
    backfill: bool,
    times: &[Timestamp],
    series: Vec<Series>,
) -> MetricBatch {
    MetricBatch {
        entity: entity.clone(),
        source: source.to_owned(),
        backfill,
        times: times.to_vec(),
        series,
    }
}
