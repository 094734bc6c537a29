//! One incident in virtual time: samples go through ingest's mapping to the scorer, signals and anomalies to
//! the incident core, as they do in the product.

use std::time::Duration;

use aegis_detector::diagnosis::Case;
use aegis_ingest::Catalogue;
use aegis_schemas::{Anomaly, Cluster, Entity, Incident, Timestamp};
use aegis_simulator::{Labelled, Sample, Simulation};
use anyhow::{Context, Result};

use super::batches::Batches;
use super::cores::Cores;
use super::state::Objects;
use crate::rehearse::objects::Objects as Watch;
use crate::rehearse::samples::Samples;

/// When every incident's scenario starts: any moment would do.
const START: i64 = 1_764_064_800;
const SECOND: Duration = Duration::from_secs(1);
/// How many seconds are between two scrapes.
const SCRAPE: u64 = 15;
/// How long the detector may take to notice; after that a person has.
const PATIENCE: Duration = Duration::from_mins(20);

/// What was seen of an incident.
pub(super) struct Seen {
    /// When it was noticed.
    pub(super) detected: Timestamp,
    /// Who showed it first, and in which feature; none when it was not the scorer that noticed first.
    pub(super) symptom: Option<(Entity, String)>,
    /// Time, entity, metric, value; in the order of time.
    pub(super) rows: Vec<(Timestamp, Entity, String, f64)>,
}

/// An incident that the core opened, with how the diagnosis sees it.
pub(super) type View = (Incident, Case);

/// Plays it until it has been open for as long as was drawn, or is over; `None` when the incident core opens
/// none for the fault.
pub(super) async fn view(drawn: &Labelled, seed: u64) -> Result<Option<View>> {
    let mut play = Play::new(drawn, seed).await?;
    let onset = play.start + drawn.onset;
    let (mut at, mut seen) = (play.start, None);
    let mut until = onset + PATIENCE;
    while at < until {
        at = at + SECOND;
        play.second(at).await?;
        if at < onset || !at.since(play.start).as_secs().is_multiple_of(SCRAPE) {
            continue;
        }
        let Some(view) = play.view(onset, &drawn.root) else {
            if seen.is_some() {
                break;
            }
            continue;
        };
        if seen.is_none() {
            until = at + drawn.looked;
        }
        seen = Some(view);
    }
    Ok(seen)
}

/// Plays it from its history to some minutes after it was noticed.
pub(super) async fn play(drawn: &Labelled, seed: u64) -> Result<Seen> {
    let mut play = Play::new(drawn, seed).await?;
    let onset = play.start + drawn.onset;
    let given_up = onset + PATIENCE;
    let mut noticed: Option<(Timestamp, Option<Anomaly>)> = None;
    let mut at = play.start;
    let detected = loop {
        at = at + SECOND;
        let anomaly = play.second(at).await?.filter(|_| at >= onset);
        if noticed.is_none() && (anomaly.is_some() || play.has_opened(onset)) {
            noticed = Some((at, anomaly));
        }
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
        let anomaly = anomaly?;
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
    cores: Cores,
    batches: Batches,
    numbers: Vec<(Timestamp, Entity, &'static str, f64)>,
}

impl Play {
    async fn new(drawn: &Labelled, seed: u64) -> Result<Self> {
        let start = jiff::Timestamp::from_second(START)?;
        let simulation = Simulation::new(drawn.scenario.clone(), seed, start).await?;
        let cluster = Cluster::parse("simulated").context("a cluster's name")?;
        let mut play = Self {
            cores: Cores::new(cluster.clone()),
            simulation,
            start: Timestamp::from_millis(start.as_millisecond()),
            watch: Watch::new(Catalogue::new(cluster)),
            samples: Samples::default(),
            objects: Objects::default(),
            batches: Batches::default(),
            numbers: Vec::new(),
        };
        play.look(play.start);
        for (at, samples) in play.simulation.history().to_vec() {
            let at = Timestamp::from_millis(at.as_millisecond());
            if at < play.start {
                play.learn(at, &samples);
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
        self.cores.heartbeat(at);
        if !at.since(self.start).as_secs().is_multiple_of(SCRAPE) {
            return Ok(None);
        }
        let samples = self.simulation.samples();
        Ok(self.scrape(at, &samples))
    }

    fn look(&mut self, at: Timestamp) {
        for signal in self.watch.news(self.simulation.api(), at) {
            self.objects.hear(&signal);
            self.cores.signal(at, signal);
        }
    }

    /// Samples from before the start: nothing is said of them.
    fn learn(&mut self, at: Timestamp, samples: &[Sample]) {
        self.count(at);
        for input in self.samples.past(&self.watch.catalogue, at, samples) {
            self.cores.score(input);
            self.batches.keep(input);
        }
    }

    /// The first episode that is opened by these samples.
    fn scrape(&mut self, at: Timestamp, samples: &[Sample]) -> Option<Anomaly> {
        self.count(at);
        let version = self.watch.version();
        let (calls, inputs) = self
            .samples
            .now(&self.watch.catalogue, version, at, samples);
        let mut opened = None;
        for input in inputs {
            opened = opened.or(self.cores.score(input));
            self.batches.keep(input);
        }
        for signal in calls {
            self.cores.signal(at, signal);
        }
        opened
    }

    /// Whether the incident core has opened an incident since then that is not over.
    fn has_opened(&self, onset: Timestamp) -> bool {
        let mut open = self.cores.incidents.open();
        open.any(|incident| incident.opened >= onset)
    }

    fn count(&mut self, at: Timestamp) {
        for (entity, metric, value) in self.objects.numbers() {
            self.numbers.push((at, entity, metric, value));
        }
    }

    /// The incident that the fault brought about, as it is seen now: that of its root, or of whoever has the
    /// root near.
    fn view(&self, onset: Timestamp, root: &str) -> Option<View> {
        let name = root.rsplit('/').next().unwrap_or_default();
        let cases = self.cores.incidents.cases();
        let of_it = cases.filter(|(incident, case)| {
            incident.opened >= onset && case.entities.contains_key(name)
        });
        let nearest = of_it.min_by_key(|(incident, _)| incident.entity.name.as_str() != name);
        nearest.map(|(incident, case)| (incident.clone(), case))
    }

    /// Everything that was seen, by time, entity and metric.
    fn rows(&self) -> Vec<(Timestamp, Entity, String, f64)> {
        let mut rows = self.batches.features();
        let numbers = self.numbers.iter();
        rows.extend(numbers.map(|(at, entity, metric, value)| {
            (*at, entity.clone(), (*metric).to_owned(), *value)
        }));
        rows.sort_by(|a, b| (a.0, &a.1, &a.2).cmp(&(b.0, &b.1, &b.2)));
        rows
    }
}
