//! The two cores of the detector, side by side on one log.

use aegis_detector::incidents;
use aegis_detector::scorer::{self, Scorer};
use aegis_ingest::heartbeat;
use aegis_schemas::pipeline::{Core as _, Input};
use aegis_schemas::{Anomaly, AnomalyPhase, Cluster, Event, EventId, Signal, Timestamp};

/// What ingest says is alive.
const SOURCES: [&str; 2] = ["kubernetes", "scrape/simulation"];

/// The scorer and the incident core.
pub(super) struct Cores {
    cluster: Cluster,
    scorer: Scorer,
    pub(super) incidents: incidents::Core,
    seq: u64,
}

impl Cores {
    pub(super) fn new(cluster: Cluster) -> Self {
        let config = incidents::Config::default();
        Self {
            scorer: Scorer::new(0, scorer::Config::default()),
            incidents: incidents::Core::new(cluster.clone(), config),
            cluster,
            seq: 0,
        }
    }

    /// Scores samples; the episode that they open, if they do.
    pub(super) fn score(&mut self, input: &mut Input) -> Option<Anomaly> {
        self.seq += 1;
        input.seq = self.seq;
        input.id = EventId::of_content("scrape", &self.seq.to_be_bytes());
        let mut opened = None;
        for output in self.scorer.handle(input) {
            let said = Event::decode(output.kind.as_str(), &output.body);
            if let Ok(Event::Anomaly(anomaly)) = said {
                if anomaly.phase == AnomalyPhase::Opened {
                    opened = Some(anomaly.clone());
                }
                self.hear(input.time, Event::Anomaly(anomaly));
            }
        }
        opened
    }

    /// A signal for the incident core.
    pub(super) fn signal(&mut self, at: Timestamp, signal: Signal) {
        self.hear(at, Event::Signal(signal));
    }

    /// Time passes.
    pub(super) fn heartbeat(&mut self, at: Timestamp) {
        let sources = SOURCES.map(|source| (source.to_owned(), at));
        let beat = heartbeat(&self.cluster, at, sources.into(), 0.0);
        self.signal(at, beat);
    }

    fn hear(&mut self, at: Timestamp, event: Event) {
        self.seq += 1;
        let input = input(at, self.seq, event);
        // What it says is not needed: its picture is asked for.
        self.incidents.handle(&input);
    }
}

/// A message of the log.
fn input(at: Timestamp, seq: u64, event: Event) -> Input {
    Input {
        epoch: 1,
        seq,
        time: at,
        id: EventId::of_content("simulated", &seq.to_be_bytes()),
        cause: None,
        origin: None,
        event,
    }
}
