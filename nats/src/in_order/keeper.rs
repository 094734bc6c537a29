//! Keeps snapshots and `published_through` beside the line, so that the line does not wait for them.

use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::snapshot::{Place, Snapshots};
use crate::{Error, metrics};

const EVERY: Duration = Duration::from_secs(1);

/// A state to keep.
pub(super) struct Job {
    pub(super) place: Place,
    pub(super) state: Vec<u8>,
}

/// Until `jobs` ends: keeps each state and, each second, how far the outputs are published. `lost` is
/// cancelled when somebody else keeps snapshots of this core.
pub(super) async fn keep(
    mut snapshots: Snapshots,
    mut jobs: mpsc::Receiver<Job>,
    published: watch::Receiver<Option<Place>>,
    producer: String,
    lost: CancellationToken,
) {
    let mut said = None;
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = tick.tick() => say(&snapshots, &published, &mut said).await,
            job = jobs.recv() => {
                let Some(Job { place, state }) = job else { break };
                let bytes = state.len();
                match snapshots.save(place, state).await {
                    Ok(()) => tracing::debug!(producer, seq = place.seq, bytes, "snapshot kept"),
                    Err(Error::Conflict(_)) => {
                        tracing::warn!(producer, "somebody else keeps snapshots of this core");
                        lost.cancel();
                        return;
                    }
                    Err(error) => {
                        metrics::snapshot(&producer, "failed", bytes);
                        tracing::warn!(%error, producer, "cannot keep a snapshot");
                    }
                }
            }
        }
    }
    say(&snapshots, &published, &mut said).await;
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
