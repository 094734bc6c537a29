//! What all sources of one process share.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use aegis_nats::lease::Hold;
use aegis_schemas::{MetricBatch, Signal, Timestamp};
use tokio::sync::watch;

use crate::gate::Gate;
use crate::lives::Lives;
use crate::metrics::{self, From};
use crate::outbox::Outbox;
use crate::{Catalogue, Config, Mapper, Sample};

/// What all sources of one process share; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    pub(crate) config: Arc<Config>,
    pub(crate) outbox: Outbox,
    pub(crate) gate: Gate,
    pub(crate) lives: Arc<Lives>,
    /// The lease of the process that watches and scrapes for the cluster, while this one has it.
    pub(crate) active: watch::Receiver<Option<Hold>>,
    /// Whether objects are known and history is in, so that live samples may come.
    pub(crate) ready: watch::Receiver<bool>,
    world: Arc<Mutex<World>>,
}

#[derive(Debug)]
struct World {
    catalogue: Catalogue,
    mapper: Mapper,
}

impl Shared {
    pub(crate) fn new(
        config: Config,
        outbox: Outbox,
        gate: Gate,
        active: watch::Receiver<Option<Hold>>,
        ready: watch::Receiver<bool>,
    ) -> Self {
        let world = World {
            catalogue: Catalogue::new(config.cluster.clone()),
            mapper: Mapper::new(),
        };
        Self {
            config: Arc::new(config),
            outbox,
            gate,
            lives: Arc::default(),
            active,
            ready,
            world: Arc::new(Mutex::new(world)),
        }
    }

    /// Whether this process says what it sees: asked before each time that it does.
    pub(crate) fn is_active(&self) -> bool {
        let hold = self.active.borrow();
        hold.as_ref().is_some_and(|hold| !hold.is_over())
    }

    /// Uses the catalogue, for as long as no wait is needed.
    pub(crate) fn with_catalogue<T>(&self, use_it: impl FnOnce(&mut Catalogue) -> T) -> T {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        use_it(&mut world.catalogue)
    }

    /// Every object and call again.
    pub(crate) fn restate(&self, now: Timestamp) -> Vec<Signal> {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        let World { catalogue, mapper } = &mut *world;
        let round = u64::try_from(now.as_nanos()).unwrap_or(0);
        let mut signals = catalogue.restate(now, round);
        signals.extend(mapper.restate(catalogue, now));
        signals
    }

    /// Maps samples and counts those that cannot be mapped.
    pub(crate) fn map(
        &self,
        from: From,
        source: &str,
        samples: Vec<Sample>,
        now: Timestamp,
    ) -> (Vec<MetricBatch>, Vec<Signal>) {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        let World { catalogue, mapper } = &mut *world;
        let mapped = mapper.map(catalogue, source, samples, from == From::Backfill, now);
        metrics::samples(from, "unknown_pod", mapped.unknown);
        metrics::samples(from, "unmappable", mapped.unmappable);
        (mapped.batches, mapped.calls)
    }

    /// Why live samples are not taken at this moment.
    pub(crate) fn refuses(&self) -> Option<String> {
        if !*self.ready.borrow() {
            return Some("objects and history are still being read".to_owned());
        }
        self.gate.closed()
    }
}

/// This process's clock.
pub(crate) fn now() -> Timestamp {
    let wall = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::EPOCH + wall
}
