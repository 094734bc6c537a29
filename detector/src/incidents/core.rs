//! The core itself: takes one event of AEGIS_EVENTS, brings the picture up to date, and says what
//! follows: incidents from [`super::lifecycle`], verdicts from [`super::acts`].

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use aegis_schemas::pipeline::{self, Emitter, Input, Output, Seen};
use aegis_schemas::{
    Anomaly, AnomalyPhase, Cluster, Command, CommandBody, ConfigurationKind, DecisionId, Digest,
    Entity, Event, FeedbackVerdict, Incident, IncidentId, Signal, SignalBody, Timestamp,
};
use serde::{Deserialize, Serialize};

use super::assess::{Act, Before};
use super::config::{Config, seconds};
use super::experience::Experience;
use super::open::{Open, Resolved};
use super::opinion::Learnt;
use super::regroup::{Apart, Asked};
use super::seen::seen;
use super::symptom::{Episode, Symptom, symptoms};
use super::world::World;
use crate::diagnosis::Case;

/// The most episodes that are remembered; the newest are refused beyond it.
const MAX_EPISODES: usize = 50_000;
/// How long `not a problem` silences a workload.
const MUTE_S: u64 = 3_600;

/// What the core counts for its metrics; no decision depends on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Incidents that are open.
    pub open: usize,
    /// Acts that are being judged.
    pub acts: usize,
    /// Inputs that another holder of the lease had said before.
    pub repeated: u64,
    /// Configurations that were refused.
    pub invalid_configurations: u64,
    /// Merges and splits that people asked for and that fitted nothing.
    pub idle_regroupings: u64,
    /// Messages that could not be said, because they were too large.
    pub unsayable: u64,
}

/// All that the core remembers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    pub(super) seen: Seen,
    pub(super) now: Timestamp,
    pub(super) world: World,
    /// The configuration that was activated last, if one was.
    pub(super) activated: Option<String>,
    /// The model that was activated last, if one was and nobody took it away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) model: Option<String>,
    pub(super) episodes: BTreeMap<Entity, Episode>,
    pub(super) sick: BTreeMap<Entity, Vec<Symptom>>,
    pub(super) sick_since: BTreeMap<Entity, Timestamp>,
    pub(super) open: BTreeMap<IncidentId, Open>,
    pub(super) acts: BTreeMap<DecisionId, Act>,
    /// How things stood before the acts that were judged last: what an undo is measured by.
    pub(super) judged: VecDeque<(DecisionId, Before)>,
    pub(super) muted: BTreeMap<Entity, Timestamp>,
    /// What acts and diagnoses were worth, and what operators said of them.
    pub(super) experience: Experience,
    /// Incidents that were resolved of late, by root: what comes back is the same one.
    pub(super) resolved: BTreeMap<Entity, Resolved>,
    /// What people split is not grouped again.
    #[serde(skip_serializing_if = "Apart::is_empty")]
    pub(super) apart: Apart,
}

/// The incident core of one cluster.
#[derive(Clone, Debug)]
pub struct Core {
    pub(super) cluster: Cluster,
    producer: String,
    pub(super) config: Config,
    /// Whose opinion is asked where the rules are not sure.
    pub(super) learnt: Option<Learnt>,
    pub(super) state: State,
    pub(super) stats: Stats,
}

impl Core {
    /// A core that knows nothing yet. `config` holds until one is activated on the log.
    #[must_use]
    pub fn new(cluster: Cluster, config: Config) -> Self {
        Self {
            producer: format!("incidents/{cluster}"),
            cluster,
            config,
            learnt: None,
            state: State::default(),
            stats: Stats::default(),
        }
    }

    /// What it counts.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            open: self.state.open.len(),
            acts: self.state.acts.len(),
            ..self.stats
        }
    }

    /// The incidents that are open, as last said.
    pub fn open(&self) -> impl Iterator<Item = &Incident> {
        self.state.open.values().map(|open| &open.last)
    }

    /// The same with what a diagnosis sees of each now.
    pub fn cases(&self) -> impl Iterator<Item = (&Incident, Case)> {
        let (config, state) = (&self.config, &self.state);
        let open = state.open.values();
        open.map(move |open| {
            let case = seen(config, state, &open.root, &self.own_members(open));
            (&open.last, case)
        })
    }

    /// Takes the event in; answers the workloads that it may have made better or worse.
    fn take_in(&mut self, input: &Input) -> BTreeSet<Entity> {
        match &input.event {
            Event::Signal(signal) if signal.entity.cluster == self.cluster => {
                self.signal(input, signal)
            }
            Event::Anomaly(anomaly) if anomaly.entity.cluster == self.cluster => {
                self.anomaly(input, anomaly)
            }
            Event::Warrant(envelope) => {
                if let Ok(warrant) = envelope.peek() {
                    self.expect(&warrant);
                }
                BTreeSet::new()
            }
            Event::Outcome(outcome) => {
                self.outcome(outcome);
                BTreeSet::new()
            }
            Event::Command(command) => self.command(command),
            _ => BTreeSet::new(),
        }
    }

    fn signal(&mut self, input: &Input, signal: &Signal) -> BTreeSet<Entity> {
        let state = &mut self.state;
        let touched = state.world.apply(&self.config, state.now, input.id, signal);
        // Time alone changes symptoms: grace periods end and windows close.
        if matches!(signal.body, SignalBody::Heartbeat(_)) {
            state
                .world
                .workloads
                .keys()
                .chain(state.sick.keys())
                .cloned()
                .collect()
        } else {
            touched
        }
    }

    fn anomaly(&mut self, input: &Input, anomaly: &Anomaly) -> BTreeSet<Entity> {
        let episodes = &mut self.state.episodes;
        let entity = anomaly.entity.clone();
        let origin = input.origin.as_ref();
        let epoch = origin.and_then(|origin| origin.epoch).unwrap_or(0);
        // Who scores samples that were made anew knows nothing of earlier episodes and will close none.
        let before = episodes.extract_if(.., |_, episode| (1..epoch).contains(&episode.epoch));
        let mut touched: BTreeSet<Entity> = before.map(|(entity, _)| entity).collect();
        match anomaly.phase {
            AnomalyPhase::Closed => {
                episodes.remove(&entity);
            }
            AnomalyPhase::Opened | AnomalyPhase::Grew => {
                if episodes.len() < MAX_EPISODES || episodes.contains_key(&entity) {
                    let episode = Episode {
                        event: input.id,
                        at: self.state.now,
                        epoch,
                        anomaly: anomaly.clone(),
                    };
                    episodes.insert(entity.clone(), episode);
                }
            }
        }
        touched.insert(entity);
        touched
    }

    fn command(&mut self, command: &Command) -> BTreeSet<Entity> {
        match &command.body {
            CommandBody::Activate {
                what: ConfigurationKind::Incidents,
                digest,
                content,
            } => {
                match Config::parse(content) {
                    Ok(config) if Digest::of(content.as_bytes()) == *digest => {
                        self.config = config;
                        self.state.activated = Some(content.clone());
                    }
                    _ => self.stats.invalid_configurations += 1,
                }
                self.state.world.workloads.keys().cloned().collect()
            }
            CommandBody::Activate {
                what: ConfigurationKind::Model,
                digest,
                content,
            } => {
                self.learn(*digest, content);
                BTreeSet::new()
            }
            CommandBody::Feedback { incident, verdict } => {
                self.opinion(*incident, *verdict);
                BTreeSet::new()
            }
            _ => BTreeSet::new(),
        }
    }

    /// From now on that model is asked, or nobody.
    fn learn(&mut self, digest: Digest, content: &str) {
        let learnt = if content.is_empty() {
            None
        } else if let Some(learnt) = Learnt::parse(content).filter(|new| new.digest() == digest) {
            Some(learnt)
        } else {
            self.stats.invalid_configurations += 1;
            return;
        };
        self.state.model = learnt.is_some().then(|| content.to_owned());
        self.learnt = learnt;
    }

    fn opinion(&mut self, incident: IncidentId, verdict: FeedbackVerdict) {
        let state = &mut self.state;
        let known = state.experience.opinion(incident, verdict, state.now);
        if verdict == FeedbackVerdict::NotAProblem {
            if let Some(open) = state.open.get(&incident) {
                let until = state.now + seconds(MUTE_S);
                state.muted.insert(open.root.clone(), until);
            }
        } else if let Some((root, true)) = known {
            state.muted.remove(&root);
        }
    }

    /// Looks again at the workloads that an event touched.
    fn examine(&mut self, touched: &BTreeSet<Entity>) {
        let state = &mut self.state;
        let now = state.now;
        for entity in touched {
            let found = symptoms(
                &self.config,
                &state.world,
                now,
                entity,
                state.episodes.get(entity),
            );
            let harmed = found.iter().any(|symptom| symptom.kind.is_harm());
            state.world.note_health(&self.config, now, entity, harmed);
            if harmed {
                state.sick_since.entry(entity.clone()).or_insert(now);
            } else {
                state.sick_since.remove(entity);
            }
            if found.is_empty() {
                state.sick.remove(entity);
            } else {
                state.sick.insert(entity.clone(), found);
            }
        }
        state.muted.retain(|_, until| *until > now);
    }
}

impl pipeline::Core for Core {
    type State = State;

    fn producer(&self) -> String {
        self.producer.clone()
    }

    fn handle(&mut self, input: &Input) -> Vec<Output> {
        self.state.now = self.state.now.max(input.time);
        if !self.state.seen.is_new(input.origin.as_ref()) {
            self.stats.repeated += 1;
            return Vec::new();
        }
        let producer = self.producer.clone();
        let mut emitter = Emitter::new(&producer, input);
        let touched = self.take_in(input);
        self.examine(&touched);
        let asked = match &input.event {
            Event::Command(command) => self.regroup(command),
            _ => Asked::default(),
        };
        self.stats.unsayable += self.follow(&mut emitter, &touched, asked);
        self.judge(&mut emitter);
        emitter.finish()
    }

    fn state(&self) -> State {
        self.state.clone()
    }

    fn restore(&mut self, state: State) {
        if let Some(config) = state
            .activated
            .as_deref()
            .and_then(|text| Config::parse(text).ok())
        {
            self.config = config;
        }
        self.learnt = state.model.as_deref().and_then(Learnt::parse);
        self.state = state;
    }
}
