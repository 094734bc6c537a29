//! Whether this process's clock can be trusted: it is held against the server's, by which decisions say
//! from when until when they are in force.

use std::time::Duration;

use aegis_nats::topology::Durable;
use aegis_nats::{Bus, Error};
use aegis_schemas::Timestamp;
use tokio::time::MissedTickBehavior;

use crate::accept::SKEW;
use crate::board::Board;
use crate::metrics;

/// How often is asked.
const EVERY: Duration = Duration::from_secs(5);

/// Holds the clock of `board` against that of the server that has `durable`, for as long as it is polled.
pub(crate) async fn watch(bus: &Bus, durable: &Durable, board: &impl Board) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut was_off = false;
    loop {
        ticks.tick().await;
        let seconds = match compare(bus, durable, board).await {
            Ok(seconds) => seconds,
            Err(error) => {
                tracing::debug!(%error, "cannot ask for the time");
                continue;
            }
        };
        metrics::clock_ahead(seconds);
        let is_off = seconds.abs() > SKEW.as_secs_f64();
        if is_off && !was_off {
            tracing::error!(
                seconds,
                "the clock is off: decisions may be refused as too early or too late until it is right"
            );
        } else if was_off && !is_off {
            tracing::info!("the clock is right again");
        }
        was_off = is_off;
    }
}

async fn compare(bus: &Bus, durable: &Durable, board: &impl Board) -> Result<f64, Error> {
    let before = board.now();
    let server = bus.server_time(durable).await?;
    Ok(ahead(before, server, board.now()))
}

/// By how many seconds a clock is ahead that showed `before` and `after` around the moment at which the
/// server's showed `server`: at least so many, so that a slow answer is no fault of the clock.
fn ahead(before: Timestamp, server: Timestamp, after: Timestamp) -> f64 {
    if server < before {
        before.since(server).as_secs_f64()
    } else {
        -server.since(after).as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_off_by_what_no_slow_answer_explains() {
        let at = |second: i64| Timestamp::from_millis(second * 1_000);
        for (before, server, after, expected) in [
            (1_000, 1_000, 1_000, 0.0),
            (1_000, 1_030, 1_060, 0.0),
            (1_600, 1_000, 1_602, 600.0),
            (1_000, 1_602, 1_002, -600.0),
        ] {
            let seen = ahead(at(before), at(server), at(after));
            assert_eq!(seen, expected, "{before} {server} {after}");
        }
    }
}
