//! Bits flip in a file of a stream while nats-server does not run.

use std::path::Path;
use std::time::Duration;

use aegis_nats::kv::HealthBoard;
use aegis_nats::{Bus, Service};
use aegis_schemas::Stream;
use anyhow::{Context, Result, ensure};

use super::Finding;
use crate::{Options, Stack, until};

const STREAM: Stream = Stream::Events;
/// So many messages are before the damage and behind it at least.
const MESSAGES: u64 = 60;
/// How long a stream may take until it holds so many.
const FILLED_WITHIN: Duration = Duration::from_secs(60);
/// How soon damage must be found.
const FOUND_WITHIN: Duration = Duration::from_secs(60);
/// How soon all must be well again.
const WELL_WITHIN: Duration = Duration::from_secs(60);

/// How nats-server ends before its file is damaged.
#[derive(Clone, Copy)]
enum End {
    /// It cuts the stream at the damage when it starts.
    Crash,
    /// It believes what it wrote when it stopped, until it reads it.
    InOrder,
}

pub(super) async fn bitflip() -> Result<Vec<Finding>> {
    let mut stack = Stack::start(Options::scenario("healthy-day")).await?;
    let bus = stack.bus(Service::Doctor).await?;
    let mut findings = Vec::new();
    for (end, when) in [(End::Crash, "a crash"), (End::InOrder, "a stop in order")] {
        let round = round(&mut stack, &bus, end).await.context(when)?;
        findings.extend(round.into_iter().map(|(tried, expected, seen)| {
            Finding::of(
                format!("bits flipped after {when}: {tried}"),
                expected,
                seen,
            )
        }));
    }
    stack.stop().await;
    Ok(findings)
}

/// Damages the stream, makes it anew, and looks at what that left: what was tried, expected and seen.
async fn round(
    stack: &mut Stack,
    bus: &Bus,
    end: End,
) -> Result<[(&'static str, String, String); 4]> {
    let filled = || async {
        bus.stream_info(STREAM)
            .await
            .is_ok_and(|info| info.last_seq >= MESSAGES)
    };
    until("a stream with something in it", FILLED_WITHIN, filled).await?;
    stack.steady(bus, WELL_WITHIN).await?;
    let before = bus.stream_info(STREAM).await?;
    match end {
        End::Crash => stack.kill_nats().await?,
        End::InOrder => stack.stop_nats().await?,
    }
    let folder = format!("nats-store/jetstream/AEGIS/streams/{STREAM}/msgs");
    flip(&stack.installation().join(folder))?;
    stack.start_nats().await?;

    let found = until("the damage to be found", FOUND_WITHIN, || {
        is_damaged(stack, 1.0)
    })
    .await;
    let executor = stack.bus(Service::Executor).await?;
    let board = HealthBoard::new(&executor);
    let told = until("the executor to be told", FOUND_WITHIN, || async {
        let told = board.audit().await.ok().flatten();
        told.is_some_and(|told| told.health.is_damaged())
    })
    .await;

    let name = STREAM.name();
    let anew = stack.aegis(&["provision", "--new-epoch", name]).await;
    // Whoever saw the damage has ended.
    stack.crash(&["detector", "policy"]).await?;
    let well = until("the new stream to be well", WELL_WITHIN, || {
        is_damaged(stack, 0.0)
    })
    .await;
    let well = match well {
        Ok(()) => stack.steady(bus, WELL_WITHIN).await.map(drop),
        Err(error) => Err(error),
    };
    let epoch = bus.stream_info(STREAM).await?.epoch;
    let recorded = stack.reader().await?.last_of(STREAM, before.epoch).await?;
    let whole = stack.aegis(&["audit", "verify"]).await;
    let whole = whole.and_then(|_| {
        ensure!(
            recorded >= Some(before.last_seq),
            "the record ends at {recorded:?}"
        );
        Ok(())
    });
    Ok([
        ("within a minute", "found".to_owned(), word(found, "found")),
        (
            "what the executor is told, who acts only when the audit sink is well",
            "damaged".to_owned(),
            word(told, "damaged"),
        ),
        (
            "`aegis provision --new-epoch`",
            format!("a stream of epoch {}, and all is well", before.epoch + 1),
            word(
                anew.and(well),
                &format!("a stream of epoch {epoch}, and all is well"),
            ),
        ),
        ("the record", "whole".to_owned(), word(whole, "whole")),
    ])
}

fn word(result: Result<()>, good: &str) -> String {
    result.map_or_else(|error| format!("{error:#}"), |()| good.to_owned())
}

/// Whether the audit sink says so of exactly so many streams.
async fn is_damaged(stack: &Stack, streams: f64) -> bool {
    let damaged = stack
        .counter("audit-sink", "aegis_audit_stream_damaged")
        .await;
    damaged.is_ok_and(|damaged| damaged == streams)
}

/// Flips bits in the middle of the newest file of messages.
fn flip(folder: &Path) -> Result<()> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "blk") {
            files.push(path);
        }
    }
    files.sort();
    let file = files.last().context("no file of messages")?;
    let mut bytes = std::fs::read(file)?;
    let middle = bytes.len() / 2;
    for byte in &mut bytes[middle..middle + 8] {
        *byte ^= 0xff;
    }
    std::fs::write(file, bytes)?;
    Ok(())
}
