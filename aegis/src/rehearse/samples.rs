//! The cluster's samples as batches: what ingest's scrape does. Which sample goes where is asked of
//! ingest's own mapper whenever the cluster changed; in between only values move, or a day of seconds
//! would be spent on labels.

use aegis_ingest::{Catalogue, Mapper};
use aegis_schemas::pipeline::Input;
use aegis_schemas::{Event, EventId, MetricBatch, MetricKind, Signal, Timestamp};
use aegis_simulator::Sample;

const SOURCE: &str = "scrape/simulation";

/// Maps samples.
#[derive(Default)]
pub(crate) struct Samples {
    mapper: Mapper,
    layout: Option<Layout>,
}

/// Where each sample goes, as of one state of the cluster.
struct Layout {
    of: (Option<u64>, usize),
    inputs: Vec<Input>,
    places: Vec<Option<(usize, usize)>>,
}

impl Samples {
    /// Batches of a moment in the past, from which the scorer only learns.
    pub(crate) fn past(
        &mut self,
        catalogue: &Catalogue,
        at: Timestamp,
        samples: &[Sample],
    ) -> Vec<MetricBatch> {
        let samples = samples
            .iter()
            .map(|sample| ingested(sample, at, sample.value))
            .collect();
        self.mapper
            .map(catalogue, "backfill", samples, true, at)
            .batches
    }

    /// The batches of this moment, ready to be scored; their sequences are the caller's to set. Also
    /// who calls somebody new.
    pub(crate) fn now(
        &mut self,
        catalogue: &Catalogue,
        version: Option<u64>,
        now: Timestamp,
        samples: &[Sample],
    ) -> (Vec<Signal>, &mut [Input]) {
        let of = (version, samples.len());
        let mut calls = Vec::new();
        if self.layout.as_ref().is_none_or(|layout| layout.of != of) {
            let (layout, news) = self.lay_out(of, catalogue, now, samples);
            self.layout = Some(layout);
            calls = news;
        }
        let Some(layout) = &mut self.layout else {
            return (calls, &mut []);
        };
        for input in &mut layout.inputs {
            input.time = now;
            if let Event::Metric(batch) = &mut input.event {
                batch.times[0] = now;
            }
        }
        for (sample, place) in samples.iter().zip(&layout.places) {
            if let Some((input, series)) = place
                && let Event::Metric(batch) = &mut layout.inputs[*input].event
            {
                batch.series[*series].values[0] = sample.value;
            }
        }
        (calls, &mut layout.inputs)
    }

    /// Sends each sample's number through the mapper instead of its value, and looks where it arrives.
    fn lay_out(
        &mut self,
        of: (Option<u64>, usize),
        catalogue: &Catalogue,
        now: Timestamp,
        samples: &[Sample],
    ) -> (Layout, Vec<Signal>) {
        let numbered = samples
            .iter()
            .zip(0_u32..)
            .map(|(sample, number)| ingested(sample, now, number.into()));
        let mapped = self
            .mapper
            .map(catalogue, SOURCE, numbered.collect(), false, now);
        let mut places = vec![None; samples.len()];
        for (input, batch) in mapped.batches.iter().enumerate() {
            for (series, one) in batch.series.iter().enumerate() {
                if let Some(number) = one.values.first() {
                    places[*number as usize] = Some((input, series));
                }
            }
        }
        let inputs = mapped.batches.into_iter().map(|batch| Input {
            epoch: super::EPOCH,
            seq: 0,
            time: now,
            id: EventId::default(),
            cause: None,
            origin: None,
            event: Event::Metric(batch),
        });
        let layout = Layout {
            of,
            inputs: inputs.collect(),
            places,
        };
        (layout, mapped.calls)
    }
}

fn ingested(sample: &Sample, time: Timestamp, value: f64) -> aegis_ingest::Sample {
    let counts = ["_total", "_sum", "_count", "_bucket"];
    let counter = counts.iter().any(|suffix| sample.name.ends_with(suffix));
    aegis_ingest::Sample {
        name: sample.name.to_owned(),
        labels: sample
            .labels
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.to_string()))
            .collect(),
        kind: if counter {
            MetricKind::Counter
        } else {
            MetricKind::Gauge
        },
        value,
        time,
    }
}
