//! Whoever dies, and wherever: a story in which one thing goes wrong after the other ends healed, with
//! each act done once and everything on record once.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod absence;
mod moments;
mod points;

use std::time::Duration;

use aegis_e2e::Stack;
use tokio::time::Instant;

const SCENARIO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/kill-nine.toml");
/// How many faults it has.
const FAULTS: usize = 4;
/// How long the cluster may take to be healed once nobody is killed any more. An executor that dies with a
/// decision in hand gets it again after a minute.
const HEALED_WITHIN: Duration = Duration::from_secs(180);

/// The number in a variable.
fn number(variable: &str, otherwise: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text.parse().unwrap(),
        Err(_) => otherwise,
    }
}

/// Waits until that many of the story's faults have come and are healed.
async fn healed(stack: &Stack, wanted: usize) {
    let end = Instant::now() + HEALED_WITHIN;
    loop {
        let faults = stack.simulation().await.unwrap()["faults"].clone();
        let all = faults.as_array().unwrap();
        let healed = all.iter().filter(|fault| fault["state"] == "healed");
        if healed.count() >= wanted {
            return;
        }
        assert!(Instant::now() < end, "not healed: {faults:#}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
