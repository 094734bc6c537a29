//! What must hold at rest, whatever was done to an installation before:
//!
//! - **O1** every message of every stream is on record exactly once, and so is what an outside system was
//!   told is accepted;
//! - **O2** a decision has at most one effective write at the API server, and the fences of the writes to
//!   one object rise;
//! - **O3** every write has a decision that allowed it, and that was in force;
//! - **O4** the record's root recomputes to what was signed, and every outcome follows its decision.

mod acts;
mod record;

use std::collections::BTreeMap;
use std::time::Duration;

use aegis_nats::Service;
use anyhow::{Context, Result, ensure};
use serde::Serialize;
use serde_json::{Value, json};

pub use acts::{Applied, Decided, Write};

use crate::Stack;
use crate::witness::Accepted;
use record::Record;

/// How long an installation may take until all is read and every process is ready.
const STEADY_WITHIN: Duration = Duration::from_secs(30);
/// How long what a process had in hand when it died may take: the slowest consumers give it out again
/// after a minute.
const REST_WITHIN: Duration = Duration::from_secs(120);

/// What was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// Messages of all streams, each of them on record once.
    pub messages: usize,
    /// Events that an outside system handed in and was told are accepted.
    pub accepted: usize,
    /// Signed decisions.
    pub decisions: usize,
    /// Writes that changed something at the API server.
    pub writes: usize,
    /// How long it took until all was read and every process was ready, in seconds.
    pub steady_s: f64,
    /// How long it took from then until nobody had anything in hand, in seconds.
    pub rest_s: f64,
}

/// Waits until the installation is at rest and checks all oracles. `accepted` is what a witness saw.
///
/// # Errors
///
/// Says which oracle does not hold, and why.
pub async fn hold(stack: &Stack, accepted: &[Accepted]) -> Result<Figures> {
    let bus = stack.bus(Service::Doctor).await?;
    let steady = stack.steady(&bus, STEADY_WITHIN).await?;
    let rest = stack.at_rest(&bus, REST_WITHIN).await?;
    let record = Record::whole(stack, &bus, accepted)
        .await
        .context("O1: recorded exactly once")?;
    let decided = record.decided();
    let applied = record.applied();
    let writes: Vec<Write> = stack
        .writes()
        .await?
        .into_iter()
        .map(serde_json::from_value)
        .collect::<Result<_, _>>()
        .context("a write of the API server's log cannot be read")?;
    let effective: Vec<Write> = writes.into_iter().filter(|write| write.changed).collect();
    acts::check(&effective, &decided, &applied)?;
    let said = stack.aegis(&["audit", "verify"]).await.context("O4")?;
    ensure!(said.contains("holds"), "O4: {said}");
    Ok(Figures {
        messages: record.len(),
        accepted: accepted.len(),
        decisions: decided.len(),
        writes: effective.len(),
        steady_s: steady.as_secs_f64(),
        rest_s: rest.as_secs_f64(),
    })
}

/// Runs the record through the cores again and checks that each says the same bytes; answers how much each
/// said. `arguments` are those of `aegis audit replay`.
///
/// # Errors
///
/// Says which core differs, and in what.
pub async fn replays(stack: &Stack, arguments: &[&str]) -> Result<BTreeMap<String, u64>> {
    let all = [&["audit", "replay", "--json"], arguments].concat();
    let told = stack.aegis(&all).await?;
    let cores: Vec<Value> = serde_json::from_str(told.trim())?;
    let mut said = BTreeMap::new();
    for core in &cores {
        let producer = core["producer"].as_str().context("no producer")?;
        let same = core["same"].as_u64().context("no count")?;
        said.insert(producer.to_owned(), same);
        for fault in ["differing", "missing", "unrecorded"] {
            ensure!(core[fault] == json!([]), "{arguments:?}: {core}");
        }
    }
    Ok(said)
}
