//! The heartbeat, by the active process of a cluster.

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::shared::{Shared, now};
use crate::{heartbeat, metrics};

/// Beats until `stop`, while this process is the active one. Beats also when the gate is closed: time
/// must pass for those who wait. Does not beat before it is known how full the events are: policy would
/// take that for an empty stream.
pub(crate) async fn run(shared: Shared, stop: CancellationToken) {
    let every = shared.config.heartbeat;
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut active = shared.active.clone();
    tokio::select! {
        () = stop.cancelled() => return,
        () = shared.gate.looked() => {}
    }
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            // The first beat of the active process does not wait.
            changed = active.changed() => if changed.is_err() { return },
            _ = ticks.tick() => {}
        }
        active.mark_unchanged();
        if !shared.is_active() {
            continue;
        }
        let beat = heartbeat(
            &shared.config.cluster,
            now(),
            shared.lives.all(),
            shared.gate.fill(),
        );
        // An old beat is worth nothing; the next one has a new clock.
        match shared.outbox.heartbeat(&beat, Some(every)).await {
            Ok(()) => metrics::heartbeat("stored"),
            Err(error) => {
                metrics::heartbeat("failed");
                tracing::warn!(%error, "a heartbeat is not stored");
            }
        }
    }
}
