//! One incident in virtual time: samples go through ingest's mapping to the scorer, which says when it
//! notices.

use std::collections::BTreeMap;
use std::time::Duration;

use aegis_detector::scorer::{self, Scorer};
use aegis_ingest::Catalogue;
use aegis_schemas::pipeline::{Core, Input};
use aegis_schemas::{
    Anomaly, AnomalyPhase, Cluster, Entity, Event, EventId, MetricBatch, Timestamp,
};
use aegis_simulator::{Labelled, Sample, Simulation};
use anyhow::{Context, Result};

use super::state::Objects;
use crate::rehearse::objects::Objects as Watch;
use crate::rehearse::samples::Samples;

/// When every incident's scenario starts: any moment would do.
const START: i64 = 1_764_064_800;
const SECOND: Duration = Duration::from_secs(1);
/// How many seconds are between two scrapes.
const SCRAPE: u64 = 15;
/// How long the scorer may take to notice; after that a person has.
const PATIENCE: Duration = Duration::from_mins(20);

/// What was seen of an incident.
pub(super) struct Seen {
    /// When it was noticed.
    pub(super) detected: Timestamp,
    /// Who showed it first, and in which feature; none when the scorer did not notice.
    pub(super) symptom: Option<(Entity, String)>,
    /// Time, entity, metric, value; in the order of time.
    pub(super) rows: Vec<(Timestamp, Entity, String, f64)>,
}

/// Plays it from its history to some minutes after it was noticed.
pub(super) async fn play(drawn: &Labelled, seed: u64) -> Result<Seen> {
    let mut play = Play::new(drawn, seed).await?;
    let onset = play.start + drawn.onset;
    let given_up = onset + PATIENCE;
    let mut noticed: Option<(Timestamp, Anomaly)> = None;
    let mut at = play.start;
    let detected = loop {
        at = at + SECOND;
        let anomaly = play.second(at).await?.filter(|_| at >= onset);
        noticed = noticed.or_else(|| Some((at, anomaly?)));
        let detected = match &noticed {
            Some((when, _)) => *when,
            None if at >= given_up => onset + drawn.noticed,
            None => continue,
        };
        if at >= detected + drawn.after {
            break detected;
        }
    };
    // What came long after an unnoticed fault was noticed by a person is not told.
    let end = detected + drawn.after;
    let symptom = noticed.and_then(|(_, anomaly)| {
        let feature = anomaly.blame.first()?.feature.clone();
        Some((anomaly.entity, feature))
    });
    let mut rows = play.rows();
    rows.retain(|(at, ..)| *at <= end);
    Ok(Seen {
        detected,
        symptom,
        rows,
    })
}

struct Play {
    simulation: Simulation,
    start: Timestamp,
    watch: Watch,
    samples: Samples,
    objects: Objects,
    scorer: Scorer,
    batches: BTreeMap<Entity, Vec<MetricBatch>>,
    numbers: Vec<(Timestamp, Entity, &'static str, f64)>,
    seq: u64,
}

impl Play {
    async fn new(drawn: &Labelled, seed: u64) -> Result<Self> {
        let start = jiff::Timestamp::from_second(START)?;
        let simulation = Simulation::new(drawn.scenario.clone(), seed, start).await?;
        let cluster = Cluster::parse("simulated").context("a cluster's name")?;
        let mut play = Self {
            simulation,
            start: Timestamp::from_millis(start.as_millisecond()),
            watch: Watch::new(Catalogue::new(cluster)),
            samples: Samples::default(),
            objects: Objects::default(),
            scorer: Scorer::new(0, scorer::Config::default()),
            batches: BTreeMap::new(),
            numbers: Vec::new(),
            seq: 0,
        };
        play.look(play.start);
        for (at, samples) in play.simulation.history() {
            let at = Timestamp::from_millis(at.as_millisecond());
            if at < play.start {
                play.scrape(at, &samples, true);
            }
        }
        Ok(play)
    }

    /// Lets a second pass; the first anomaly that is opened in it.
    async fn second(&mut self, at: Timestamp) -> Result<Option<Anomaly>> {
        self.simulation
            .tick(jiff::Timestamp::from_millisecond(at.as_millis())?)
            .await?;
        self.look(at);
        if !at.since(self.start).as_secs().is_multiple_of(SCRAPE) {
            return Ok(None);
        }
        let samples = self.simulation.samples();
        Ok(self.scrape(at, &samples, false))
    }

    fn look(&mut self, at: Timestamp) {
        for signal in self.watch.news(self.simulation.api(), at) {
            self.objects.hear(&signal);
        }
    }

    fn scrape(&mut self, at: Timestamp, samples: &[Sample], is_past: bool) -> Option<Anomaly> {
        for (entity, metric, value) in self.objects.numbers() {
            self.numbers.push((at, entity, metric, value));
        }
        let mut opened = None;
        for mut batch in self.samples.past(&self.watch.catalogue, at, samples) {
            batch.backfill = is_past;
            self.seq += 1;
            let input = Input {
                epoch: 1,
                seq: self.seq,
                time: at,
                id: EventId::of_content("incident", &self.seq.to_be_bytes()),
                cause: None,
                origin: None,
                event: Event::Metric(batch),
            };
            for output in self.scorer.handle(&input) {
                let said = Event::decode(output.kind.as_str(), &output.body);
                if let Ok(Event::Anomaly(anomaly)) = said
                    && anomaly.phase == AnomalyPhase::Opened
                {
                    opened = opened.or(Some(anomaly));
                }
            }
            if let Event::Metric(batch) = input.event {
                let of_it = self.batches.entry(batch.entity.clone()).or_default();
                of_it.push(batch);
            }
        }
        opened
    }

    /// Everything that was seen, by time, entity and metric.
    fn rows(&self) -> Vec<(Timestamp, Entity, String, f64)> {
        let config = scorer::Config::default();
        let mut rows = Vec::new();
        for (entity, batches) in &self.batches {
            let seen = scorer::trace(&config, batches).into_iter();
            rows.extend(seen.map(|one| (one.at, entity.clone(), one.feature, one.value)));
        }
        let numbers = self.numbers.iter();
        rows.extend(numbers.map(|(at, entity, metric, value)| {
            (*at, entity.clone(), (*metric).to_owned(), *value)
        }));
        rows.sort_by(|a, b| (a.0, &a.1, &a.2).cmp(&(b.0, &b.1, &b.2)));
        rows
    }
}
