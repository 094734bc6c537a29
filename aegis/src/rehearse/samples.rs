//! The cluster's samples as batches: what ingest's scrape does. Which sample goes where is asked of
//! ingest's own mapper whenever the cluster changed; in between only values move, or a day of seconds
//! would be spent on labels.

use aegis_ingest::{Catalogue, Mapper};
use aegis_schemas::pipeline::Input;
use aegis_schemas::{Event, EventId, MetricKind, Signal, Timestamp};
use aegis_simulator::Sample;

const SOURCE: &str = "scrape/simulation";
const PAST: &str = "backfill";

/// Maps samples.
#[derive(Default)]
pub(crate) struct Samples {
    mapper: Mapper,
    layout: Option<Layout>,
}

/// What samples are of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    /// A moment before the start: nobody knows which version the cluster had.
    Past,
    /// The cluster of that version.
    Now(Option<u64>),
}

/// Where each sample goes, as of one state of the cluster.
struct Layout {
    when: When,
    samples: Vec<Sample>,
    inputs: Vec<Input>,
    places: Vec<Option<(usize, usize)>>,
}

impl Layout {
    /// Whether these samples go there: the cluster has not changed, or all series are the same.
    fn is_of(&self, when: When, samples: &[Sample]) -> bool {
        let is_same = |(a, b): (&Sample, &Sample)| a.name == b.name && a.labels == b.labels;
        let pairs = || self.samples.iter().zip(samples);
        self.when == when
            && self.samples.len() == samples.len()
            && (matches!(when, When::Now(Some(_))) || pairs().all(is_same))
    }
}

impl Samples {
    /// The batches of a moment in the past, from which the scorer only learns; what is set of the others is
    /// to be set of these.
    pub(crate) fn past(
        &mut self,
        catalogue: &Catalogue,
        at: Timestamp,
        samples: &[Sample],
    ) -> &mut [Input] {
        self.batches(catalogue, When::Past, at, samples).1
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
        self.batches(catalogue, When::Now(version), now, samples)
    }

    fn batches(
        &mut self,
        catalogue: &Catalogue,
        when: When,
        now: Timestamp,
        samples: &[Sample],
    ) -> (Vec<Signal>, &mut [Input]) {
        let mut calls = Vec::new();
        let layout = self.layout.as_ref();
        if layout.is_none_or(|layout| !layout.is_of(when, samples)) {
            let (layout, news) = self.lay_out(when, catalogue, now, samples);
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
        when: When,
        catalogue: &Catalogue,
        now: Timestamp,
        samples: &[Sample],
    ) -> (Layout, Vec<Signal>) {
        let numbered = samples
            .iter()
            .zip(0_u32..)
            .map(|(sample, number)| ingested(sample, now, number.into()));
        let source = if when == When::Past { PAST } else { SOURCE };
        let mapped = self.mapper.map(
            catalogue,
            source,
            numbered.collect(),
            when == When::Past,
            now,
        );
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
            when,
            samples: samples.to_vec(),
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
