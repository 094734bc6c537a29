//! The core itself: takes one event of AEGIS_EVENTS, brings what it remembers up to date, and says what
//! follows.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aegis_schemas::keyring::KeyFile;
use aegis_schemas::pipeline::{self, Emitter, Input, Output, Seen};
use aegis_schemas::{Cluster, Digest, Event, IncidentId, Signal, SignalBody, Timestamp};
use serde::{Deserialize, Serialize};

use crate::acts::{Ledger, Standing};
use crate::dossier::Dossier;
use crate::guards;
use crate::judge::View;
use crate::orders::Orders;
use crate::proposals::Proposals;
use crate::rules::Rules;
use crate::storm::{Storm, Storms};
use crate::world::World;

/// What the core counts for its metrics; no decision depends on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Acts that wait for a person's yes.
    pub open_proposals: usize,
    /// Signed acts whose verdict is not in.
    pub acts_under_way: usize,
    /// Whether the kill switch is on.
    pub halted: bool,
    /// How many more acts the cluster may see in the rate limit's window without a person's yes, and how
    /// many in all.
    pub rate_left: (u32, u32),
    /// How many more acts the cluster may see at once, and how many in all.
    pub blast_left: (u32, u32),
    /// The storm, while one lasts.
    pub storm: Option<Storm>,
    /// Inputs that another holder of the lease had said before.
    pub repeated: u64,
    /// Policy sets on the log that were refused.
    pub invalid_activations: u64,
    /// Own decisions on the log that differ from what this core would have said. The log wins.
    pub disagreements: u64,
    /// Decisions that could not be said, because they were too large.
    pub unsayable: u64,
}

/// What decisions are bound to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Identity {
    pub(crate) epoch: Option<u16>,
    pub(crate) cluster_uid: Option<String>,
}

/// All that the core remembers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    pub(crate) seen: Seen,
    pub(crate) now: Timestamp,
    pub(crate) first_seq: Option<u64>,
    pub(crate) identity: Identity,
    pub(crate) clock_apart: Duration,
    /// How full AEGIS_EVENTS is, from 0 to 1.
    pub(crate) events_fill: f64,
    pub(crate) world: World,
    /// The policy set that was activated last, if one was.
    pub(crate) activated: Option<String>,
    pub(crate) orders: Orders,
    /// Whether the orders are known from the log, not assumed.
    pub(crate) orders_known: bool,
    pub(crate) orders_said: Option<Timestamp>,
    pub(crate) dossiers: BTreeMap<IncidentId, Dossier>,
    pub(crate) proposals: Proposals,
    pub(crate) acts: Ledger,
    pub(crate) storms: Storms,
    /// What was said and has not come back on the log yet, by cause and ordinal.
    pub(crate) unheard: BTreeMap<(u64, u32), Digest>,
}

/// The policy core of one cluster.
#[derive(Clone, Debug)]
pub struct Core {
    pub(crate) cluster: Cluster,
    pub(crate) producer: String,
    pub(crate) keys: KeyFile,
    pub(crate) rules: Arc<Rules>,
    /// The activated set that this version cannot read; until another is activated the built-in one
    /// answers people, and nothing but undos is signed.
    pub(crate) unreadable: Option<Digest>,
    pub(crate) state: State,
    pub(crate) stats: Stats,
}

/// One input with what is said to it.
pub(crate) struct Turn<'a> {
    pub(crate) input: &'a Input,
    pub(crate) emitter: Emitter<'a>,
}

impl Core {
    /// A core that knows nothing yet. The built-in policy set in mode observe holds until the log says
    /// otherwise.
    #[must_use]
    pub fn new(cluster: Cluster, keys: KeyFile) -> Self {
        Self {
            producer: format!("policy/{cluster}"),
            cluster,
            keys,
            rules: Rules::built_in(),
            unreadable: None,
            state: State::default(),
            stats: Stats::default(),
        }
    }

    /// What it counts.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let settings = self.rules.settings();
        let pending =
            |act: &&crate::acts::Act| act.standing(settings, self.state.now) == Standing::Pending;
        Stats {
            open_proposals: self.state.proposals.open_ones().count(),
            acts_under_way: self.state.acts.iter().filter(pending).count(),
            halted: self.state.orders.is_halted(&self.cluster),
            rate_left: guards::rate::left(&self.view()),
            blast_left: guards::blast::left(&self.view()),
            storm: self.state.storms.lasting,
            ..self.stats
        }
    }

    /// The digest of the policy set that holds.
    #[must_use]
    pub fn policy_digest(&self) -> Digest {
        self.unreadable.unwrap_or_else(|| self.rules.digest())
    }

    pub(crate) fn view(&self) -> View<'_> {
        View {
            rules: &self.rules,
            unreadable: self.unreadable,
            state: &self.state,
            now: self.state.now,
        }
    }

    /// Looks whether a storm begins, lasts or is over.
    pub(crate) fn watch_for_storm(&mut self) {
        let state = &mut self.state;
        let limits = &self.rules.settings().storm;
        let (world, dossiers) = (&state.world, &state.dossiers);
        state.storms.look(world, dossiers, limits, state.now);
    }

    fn signal(&mut self, turn: &mut Turn<'_>, signal: &Signal) {
        match &signal.body {
            SignalBody::Genesis(genesis) => {
                let identity = &mut self.state.identity;
                identity.epoch = identity.epoch.max(Some(genesis.epoch));
                if let Some(uid) = genesis.clusters.get(self.cluster.as_str()) {
                    identity.cluster_uid = Some(uid.clone());
                }
                // Read from its beginning, the log tells all orders. A genesis that is said again for a
                // cluster that was made anew is no beginning.
                self.state.orders_known |= turn.input.seq == 1;
            }
            SignalBody::Heartbeat(heartbeat) => self.heartbeat(turn, heartbeat),
            _ => self.state.world.apply(signal),
        }
    }
}

impl pipeline::Core for Core {
    type State = State;

    fn producer(&self) -> String {
        self.producer.clone()
    }

    fn handle(&mut self, input: &Input) -> Vec<Output> {
        let state = &mut self.state;
        state.now = state.now.max(input.time);
        state.first_seq.get_or_insert(input.seq);
        state.orders_said.get_or_insert(input.time);
        if !state.seen.is_new(input.origin.as_ref()) {
            self.stats.repeated += 1;
            return Vec::new();
        }
        if let Some(origin) = input
            .origin
            .as_ref()
            .filter(|origin| origin.producer == self.producer)
        {
            self.echo(origin, &input.event);
            return Vec::new();
        }
        let producer = self.producer.clone();
        let mut turn = Turn {
            input,
            emitter: Emitter::new(&producer, input),
        };
        match &input.event {
            Event::Signal(signal) if signal.entity.cluster == self.cluster => {
                self.signal(&mut turn, signal);
            }
            Event::Incident(incident) if incident.entity.cluster == self.cluster => {
                self.incident(&mut turn, incident);
            }
            Event::Assessment(assessment) => self.assessment(&mut turn, assessment),
            Event::Outcome(outcome) => self.outcome(&mut turn, outcome),
            Event::Command(command) => self.command(&mut turn, command),
            _ => {}
        }
        let outputs = turn.emitter.finish();
        self.remember_said(&outputs);
        outputs
    }

    fn state(&self) -> State {
        self.state.clone()
    }

    fn restore(&mut self, state: State) {
        if let Some(text) = &state.activated {
            match Rules::parse(text) {
                Ok(rules) => self.rules = Arc::new(rules),
                Err(_) => {
                    self.stats.invalid_activations += 1;
                    self.unreadable = Some(Digest::of(text.as_bytes()));
                }
            }
        }
        self.state = state;
    }
}
