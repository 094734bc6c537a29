//! The core itself: batches and heartbeats of one partition in, anomalies out.

use std::collections::BTreeMap;

use aegis_schemas::pipeline::{self, Emitter, Input, Output};
use aegis_schemas::{
    Anomaly, Entity, EpisodeId, Event, MetricBatch, SignalBody, Subject, Timestamp,
};
use serde::{Deserialize, Serialize};

use super::config::Config;
use super::features::prepare;
use super::track::{Saying, Track};

/// What the scorer counts for its metrics; no anomaly depends on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Workloads that are remembered.
    pub entities: usize,
    /// Their series.
    pub series: usize,
    /// Episodes that are open.
    pub open: usize,
    /// Rows that were scored.
    pub rows: u64,
    /// Rows that were no newer than the last of their workload, and were dropped.
    pub late: u64,
    /// Rows that were further ahead of the log than allowed, and were dropped.
    pub future: u64,
    /// Batches with columns of unequal length, or times that fall.
    pub faulty: u64,
    /// Entities with as many certificates as are remembered: of further ones those that end last are shed.
    pub full: usize,
    /// Workloads that were forgotten to make room.
    pub evicted: u64,
    /// Anomalies that could not be said, because they were too large.
    pub unsayable: u64,
}

/// All that the scorer remembers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    now: Timestamp,
    tracks: BTreeMap<Entity, Track>,
}

/// The scorer of one partition.
#[derive(Clone, Debug)]
pub struct Scorer {
    producer: String,
    config: Config,
    state: State,
    counts: Stats,
}

impl Scorer {
    /// A scorer that knows nothing yet.
    #[must_use]
    pub fn new(partition: u16, config: Config) -> Self {
        Self {
            producer: format!("scorer/{partition}"),
            config,
            state: State::default(),
            counts: Stats::default(),
        }
    }

    /// What it counts.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let tracks = self.state.tracks.values();
        Stats {
            entities: self.state.tracks.len(),
            series: tracks.clone().map(|track| track.reader.series()).sum(),
            full: tracks.clone().filter(|track| track.is_full()).count(),
            open: tracks.filter(|track| track.open.is_some()).count(),
            ..self.counts
        }
    }

    fn batch(&mut self, emitter: &mut Emitter<'_>, batch: &MetricBatch) {
        if batch.fault().is_some() {
            self.counts.faulty += 1;
            return;
        }
        let series = prepare(batch);
        if series.is_empty() || batch.times.is_empty() {
            return;
        }
        if !self.state.tracks.contains_key(&batch.entity) {
            self.make_room(emitter);
        }
        let now = self.state.now;
        let latest = now + self.config.max_future;
        let track = self.state.tracks.entry(batch.entity.clone()).or_default();
        track.heard = now;
        for (row, &at) in batch.times.iter().enumerate() {
            let waits = track.waits(&series, (row, at));
            if !waits && track.reader.newest.is_some_and(|newest| at <= newest) {
                self.counts.late += 1;
                continue;
            }
            if at > latest {
                self.counts.future += 1;
                continue;
            }
            if waits {
                let is_news = track.note(&self.config, &series, (row, at));
                self.counts.late += u64::from(!is_news);
                continue;
            }
            self.counts.rows += 1;
            let id = || EpisodeId(emitter.next_id());
            let saying = track.row(&self.config, &series, (row, at), batch.backfill, id);
            if let Some(saying) = saying {
                let said = say(emitter, &self.config, &batch.entity, saying);
                self.counts.unsayable += u64::from(!said);
            }
        }
    }

    /// Time passes: closes the episodes of workloads that have fallen silent.
    fn heartbeat(&mut self, emitter: &mut Emitter<'_>) {
        let now = self.state.now;
        for (entity, track) in &mut self.state.tracks {
            if now.since(track.heard) < self.config.silent_after {
                continue;
            }
            if let Some(saying) = track.close(0.0) {
                let said = say(emitter, &self.config, entity, saying);
                self.counts.unsayable += u64::from(!said);
            }
        }
    }

    fn make_room(&mut self, emitter: &mut Emitter<'_>) {
        while self.state.tracks.len() >= self.config.max_entities.max(1) {
            let tracks = self.state.tracks.iter();
            let oldest = tracks.min_by_key(|(_, track)| track.heard);
            let Some(entity) = oldest.map(|(entity, _)| entity.clone()) else {
                return;
            };
            self.counts.evicted += 1;
            let closed = self.state.tracks.remove(&entity);
            if let Some(saying) = closed.and_then(|mut track| track.close(0.0)) {
                let said = say(emitter, &self.config, &entity, saying);
                self.counts.unsayable += u64::from(!said);
            }
        }
    }
}

/// Says it; whether it could be said.
fn say(emitter: &mut Emitter<'_>, config: &Config, entity: &Entity, saying: Saying) -> bool {
    let anomaly = Anomaly {
        episode: saying.episode,
        entity: entity.clone(),
        phase: saying.phase,
        since: saying.since,
        newest: saying.newest,
        score: saying.score,
        threshold: config.threshold,
        blame: saying.blame,
    };
    let subject = Subject::anomaly(entity);
    emitter.emit(subject, &Event::Anomaly(anomaly)).is_ok()
}

impl pipeline::Core for Scorer {
    type State = State;

    fn producer(&self) -> String {
        self.producer.clone()
    }

    fn handle(&mut self, input: &Input) -> Vec<Output> {
        self.state.now = self.state.now.max(input.time);
        let producer = self.producer.clone();
        let mut emitter = Emitter::new(&producer, input);
        match &input.event {
            Event::Metric(batch) => self.batch(&mut emitter, batch),
            Event::Signal(signal) if matches!(signal.body, SignalBody::Heartbeat(_)) => {
                self.heartbeat(&mut emitter);
            }
            _ => {}
        }
        emitter.finish()
    }

    fn state(&self) -> State {
        self.state.clone()
    }

    fn restore(&mut self, state: State) {
        self.state = state;
    }
}
