//! Keeps snapshots and `published_through` beside the line, so that the line does not wait for them.

use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::lease::Hold;
use crate::snapshot::{Place, Snapshots};
use crate::{Error, metrics};

const EVERY: Duration = Duration::from_secs(1);

/// A state to keep.
pub(super) struct Job {
    pub(super) place: Place,
    pub(super) state: Vec<u8>,
}

/// Until `jobs` ends: keeps each state and, each second, how far the outputs are published, for
/// as long as the core is ours to run. Gives that up when somebody else keeps snapshots of it.
pub(super) async fn keep(
    mut snapshots: Snapshots,
    mut jobs: mpsc::Receiver<Job>,
    published: watch::Receiver<Option<Place>>,
    producer: String,
    hold: Hold,
) {
    let mut said = None;
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let job = tokio::select! {
            _ = tick.tick() => None,
            job = jobs.recv() => match job {
                None => break,
                job => job,
            },
        };
        // Whoever took over has kept something newer.
        if hold.is_over() {
            hold.give_up();
            return;
        }
        match job {
            None => say(&snapshots, &published, &mut said).await,
            Some(job) => match save(&mut snapshots, job, &producer).await {
                Ok(()) => {}
                Err(Superseded) => {
                    hold.give_up();
                    return;
                }
            },
        }
    }
    if !hold.is_over() {
        say(&snapshots, &published, &mut said).await;
    }
}

/// Somebody else keeps snapshots of this core.
struct Superseded;

async fn save(snapshots: &mut Snapshots, job: Job, producer: &str) -> Result<(), Superseded> {
    let Job { place, state } = job;
    let bytes = state.len();
    match snapshots.save(place, state).await {
        Ok(()) => tracing::debug!(producer, seq = place.seq, bytes, "snapshot kept"),
        Err(Error::Conflict(_)) => {
            tracing::warn!(producer, "somebody else keeps snapshots of this core");
            return Err(Superseded);
        }
        Err(error) => {
            metrics::snapshot(producer, "failed", bytes);
            tracing::warn!(%error, producer, "cannot keep a snapshot");
        }
    }
    Ok(())
}

async fn say(
    snapshots: &Snapshots,
    published: &watch::Receiver<Option<Place>>,
    said: &mut Option<Place>,
) {
    let place = *published.borrow();
    if let Some(place) = place
        && *said != Some(place)
    {
        match snapshots.set_through(place).await {
            Ok(()) => *said = Some(place),
            Err(error) => tracing::warn!(%error, "cannot say how far outputs are published"),
        }
    }
}
