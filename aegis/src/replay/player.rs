//! One core, run again over the messages that it read.

use std::collections::BTreeMap;

use aegis_audit_sink::Record;
use aegis_nats::in_order::Machine;
use aegis_nats::topology::Durable;
use aegis_schemas::pipeline::{Core, Output};
use aegis_schemas::{Digest, EventId, Timestamp};
use anyhow::{Context, Result};
use serde::Serialize;

/// What the record holds of one core's output.
#[derive(Clone, Copy, Debug)]
struct Recorded {
    cause_seq: u64,
    body: Digest,
}

/// What every core of the record said, by producer and event.
#[derive(Clone, Debug, Default)]
pub struct Said(BTreeMap<String, BTreeMap<EventId, Recorded>>);

impl Said {
    /// Takes note of `record` if a core made it.
    pub fn note(&mut self, record: &Record) {
        let Ok(meta) = record.meta() else { return };
        let Some(origin) = meta.origin else { return };
        let recorded = Recorded {
            cause_seq: origin.cause_seq,
            body: Digest::of(&record.body),
        };
        self.0
            .entry(origin.producer)
            .or_default()
            .insert(meta.id, recorded);
    }
}

/// What became of one core's replay.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Outcome {
    /// The core.
    pub producer: String,
    /// Messages that it read.
    pub inputs: u64,
    /// Messages that it said, equal to the recorded ones byte by byte.
    pub same: u64,
    /// Messages that it said otherwise than recorded.
    pub differing: Vec<EventId>,
    /// Messages on record that it did not say again.
    pub missing: Vec<EventId>,
    /// Messages that it said and the record does not hold, although later ones are there.
    pub unrecorded: Vec<EventId>,
    /// How often its state went through a snapshot on the way.
    pub snapshots: u64,
}

impl Outcome {
    /// Whether the record and the replay agree.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.differing.is_empty() && self.missing.is_empty() && self.unrecorded.is_empty()
    }
}

/// A core that is run again.
#[derive(Debug)]
pub struct Player<C> {
    blank: C,
    machine: Machine<C>,
    durable: Durable,
    snapshot_every: Option<u64>,
    inputs: u64,
    snapshots: u64,
    said: Vec<(EventId, u64, Digest)>,
}

impl<C: Core> Player<C> {
    /// `core` as it begins, reading what `durable` reads. Every `snapshot_every` inputs its state is
    /// written as a snapshot and a fresh core goes on from it.
    #[must_use]
    pub fn new(core: C, durable: Durable, snapshot_every: Option<u64>) -> Self {
        Self {
            blank: core.clone(),
            machine: Machine::new(core, Timestamp::EPOCH),
            durable,
            snapshot_every,
            inputs: 0,
            snapshots: 0,
            said: Vec::new(),
        }
    }

    /// The core as it is now.
    #[must_use]
    pub const fn core(&self) -> &C {
        self.machine.core()
    }

    /// Stream time of what it read last.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.machine.now()
    }

    /// Reads the next message of the stream; answers what the core says to it.
    ///
    /// # Errors
    ///
    /// When the core's state does not survive a snapshot.
    pub fn play(&mut self, record: &Record) -> Result<Vec<Output>> {
        if record.stream != self.durable.stream || !self.durable.reads(&record.subject) {
            return Ok(Vec::new());
        }
        self.inputs += 1;
        // What nobody can read went to the dead letters then and is passed over now.
        let Ok(input) = record.input() else {
            return Ok(Vec::new());
        };
        let Ok((_, outputs)) = self.machine.take(input, record.body.len()) else {
            return Ok(Vec::new());
        };
        for output in &outputs {
            let digest = Digest::of(&output.body);
            self.said.push((output.id, output.origin.cause_seq, digest));
        }
        if self
            .snapshot_every
            .is_some_and(|every| self.inputs.is_multiple_of(every))
        {
            self.through_a_snapshot()?;
        }
        Ok(outputs)
    }

    fn through_a_snapshot(&mut self) -> Result<()> {
        let bytes = rmp_serde::to_vec_named(&self.machine.core().state())
            .context("the state cannot be written")?;
        let state = rmp_serde::from_slice(&bytes).context("the state cannot be read back")?;
        let mut core = self.blank.clone();
        core.restore(state);
        self.machine = Machine::new(core, self.machine.now());
        self.snapshots += 1;
        Ok(())
    }

    /// Compares with the record.
    #[must_use]
    pub fn compare(self, said: &Said) -> Outcome {
        let producer = self.blank.producer();
        let nothing = BTreeMap::new();
        let recorded = said.0.get(&producer).unwrap_or(&nothing);
        // The record may end before the last outputs of the inputs that it holds.
        let newest = recorded
            .values()
            .map(|one| one.cause_seq)
            .max()
            .unwrap_or(0);
        let mut outcome = Outcome {
            producer,
            inputs: self.inputs,
            snapshots: self.snapshots,
            ..Outcome::default()
        };
        let mut again = BTreeMap::new();
        for (id, cause_seq, body) in self.said {
            again.insert(id, body);
            match recorded.get(&id) {
                Some(known) if known.body == body => outcome.same += 1,
                Some(_) => outcome.differing.push(id),
                None if cause_seq < newest => outcome.unrecorded.push(id),
                None => {}
            }
        }
        outcome.missing = recorded
            .keys()
            .filter(|id| !again.contains_key(id))
            .copied()
            .collect();
        outcome
    }
}
