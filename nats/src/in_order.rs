//! The loop of the pure cores: one holder, one message after the other, nothing skipped.
//!
//! Take the lease, load the snapshot, reset the consumer to the message after it, read on. A snapshot of
//! before the stream was made anew is not used: the core begins as it was at first. Only the
//! consumer's next delivery is accepted; anything else (pulls that were lost in a reconnect and come
//! late, a former holder's open pull that takes messages) means to go back to the last handled one.
//! Outputs are stored before the input is acknowledged; ids derive from ids, so doing it twice is
//! harmless. A message that the core cannot take goes to the dead letters and the line moves on.

mod identity;
mod keeper;
mod machine;
mod start;
mod tenure;

use std::time::Duration;

use aegis_schemas::pipeline::{Core, Input, Output};
use tokio_util::sync::CancellationToken;

use crate::lease::Lease;
use crate::topology::Durable;
use crate::{Bus, Error};
use tenure::{Ended, Tenure};

pub use machine::Machine;

/// How a core is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The consumer that it reads.
    pub durable: Durable,
    /// How often its state is kept.
    pub snapshot_every: Duration,
    /// How long a message in hand may take to end after `stop`.
    pub grace: Duration,
}

impl Options {
    /// A snapshot every 30 seconds.
    #[must_use]
    pub const fn new(durable: Durable) -> Self {
        Self {
            durable,
            snapshot_every: Duration::from_secs(30),
            grace: Duration::from_secs(5),
        }
    }
}

/// Runs `core` until `stop`: stands by until the lease is free, and again when it is lost. `observe`
/// sees every input after its outputs are stored, those of a catch-up included.
///
/// # Errors
///
/// When the stream lost messages that the state contains, or is an older copy, or the server refuses.
pub async fn run<C: Core>(
    bus: &Bus,
    core: C,
    options: Options,
    mut observe: impl FnMut(&C, &Input, &[Output]) + Send,
    stop: CancellationToken,
) -> Result<(), Error> {
    let producer = core.producer();
    let _core = bus.has_core();
    loop {
        let Some(lease) = Lease::acquire(bus, &producer, &stop).await? else {
            return Ok(());
        };
        let tenure = Tenure::new(bus, producer.clone(), &options, lease.hold(), &stop);
        let at_work = bus.has_core_at_work();
        let ended = tenure.serve(core.clone(), &mut observe).await;
        drop(at_work);
        bus.forget_acts_left();
        lease.release().await;
        match ended? {
            Ended::Stopped => return Ok(()),
            Ended::LostLease if stop.is_cancelled() => return Ok(()),
            Ended::LostLease | Ended::Anew => {}
        }
    }
}
