//! Every service says how far it is behind the streams that it reads, so that people and notify see who has
//! fallen behind, and who has fallen silent.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use aegis_schemas::Stream;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::kv::{Health, HealthBoard};
use crate::lag::Behind;
use crate::topology::{Durable, Settings};
use crate::{Bus, Error};

/// How often services say it.
pub const EVERY: Duration = Duration::from_secs(5);

/// Says every `every` how the service of `bus` is, until `stop`: how long the oldest message of its consumers has waited,
/// and which share of a stream that is. One without consumers only says that it lives, one that stands by says nothing.
pub async fn run(bus: &Bus, settings: &Settings, every: Duration, stop: CancellationToken) {
    let board = HealthBoard::new(bus);
    let own: Vec<Durable> = Durable::all(settings)
        .into_iter()
        .filter(|durable| durable.service == *bus.service())
        .collect();
    let mut behind: BTreeMap<(Stream, String), Behind> = BTreeMap::new();
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        let said = match measure(bus, &own, &mut behind).await {
            // It would hide what the one at work says.
            Ok(_) if bus.stands_by() => Ok(()),
            Ok(health) => board.write(health).await,
            Err(error) => Err(error),
        };
        if let Err(error) = said {
            tracing::warn!(%error, service = %bus.service(), "cannot say how far it is behind");
        }
    }
}

async fn measure(
    bus: &Bus,
    durables: &[Durable],
    behind: &mut BTreeMap<(Stream, String), Behind>,
) -> Result<Health, Error> {
    let mut health = Health {
        lag_seconds: 0.0,
        fill: 0.0,
        acts_left: bus.acts_left(),
    };
    for durable in durables {
        let info = bus.stream_info(durable.stream).await?;
        // After the stream: what it has read of it by now counts.
        let backlog = bus.backlog(durable).await?;
        // The last messages of the stream may be none that it reads.
        let handled = match backlog.left() {
            0 => info.last_seq,
            _ => backlog.handled,
        };
        let reader = (durable.stream, durable.name.clone());
        let behind = behind.entry(reader).or_default();
        let lag = behind.lag(Instant::now(), info.last_seq, handled);
        health.lag_seconds = health.lag_seconds.max(lag.as_secs_f64());
        if info.messages > 0 {
            let share = backlog.left().min(info.messages) as f64 / info.messages as f64;
            health.fill = health.fill.max(info.fill() * share);
        }
    }
    Ok(health)
}
