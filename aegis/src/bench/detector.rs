//! The detector's cost: rows a second of one core, bytes of a series, with learning on.

use std::hint::black_box;
use std::time::Instant;

use aegis_detector::univariate::Univariate;
use aegis_detector::vector::{Judgement, Vector};
use anyhow::{Context as _, Result};
use clap::Args;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde::Serialize;

/// Seconds between two rows.
const STEP: i64 = 60;
/// Rows that are made once and then come again and again.
const MADE: usize = 4_096;
/// Rows that are learned before anything is measured: the shape is known by then.
const LEARNED: usize = 3_072;
/// Streams that take turns where caches are cold, and metrics of each.
const STREAMS: usize = 10_000;
const STREAM_METRICS: usize = 8;

/// Measures the detector's core.
#[derive(Clone, Debug, Args)]
pub struct Detector {
    /// Rows that each figure is measured over.
    #[arg(long, default_value_t = 200_000, value_parser = clap::value_parser!(u32).range(10_000..))]
    rows: u32,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// One stream, whose state stays in the cache: one metric by its own core and by the one for rows, 8 and 38
    /// metrics.
    pub warm: Vec<Cost>,
    /// Streams that take turns, whose state does not.
    pub cold: Cost,
}

/// What the rows of so many metrics cost.
#[derive(Clone, Debug, Serialize)]
pub struct Cost {
    /// `univariate` or `vector`.
    pub core: &'static str,
    /// Streams that take turns.
    pub streams: usize,
    /// Metrics of each.
    pub metrics: usize,
    /// Rows a second of one core, learning on.
    pub rows_per_s: f64,
    /// Microseconds that half of the rows take at most, and 99 of 100.
    pub p50_us: f64,
    /// The latter.
    pub p99_us: f64,
    /// Bytes of state in memory, for each metric; none where the core does not say.
    pub memory_bytes_per_series: Option<usize>,
    /// Bytes of state in a snapshot, for each metric.
    pub snapshot_bytes_per_series: usize,
}

impl Detector {
    /// Does it.
    pub(super) fn run(&self) -> Result<()> {
        let report = measure(self.rows as usize)?;
        if self.json {
            println!("{}", serde_json::to_string(&report)?);
        } else {
            print(&report);
        }
        Ok(())
    }
}

/// Measures all of it, each figure over so many rows.
///
/// # Errors
///
/// When a state cannot be written.
pub fn measure(rows: usize) -> Result<Report> {
    let many = |metrics| (Core::Many(Box::new(Vector::new(metrics))), metrics);
    let warm = [(Core::One(Box::default()), 1), many(1), many(8), many(38)];
    let warm = warm
        .into_iter()
        .map(|(core, metrics)| cost(core, 1, metrics, rows));
    let (core, metrics) = many(STREAM_METRICS);
    Ok(Report {
        warm: warm.collect::<Result<_>>()?,
        cold: cost(core, STREAMS, metrics, rows)?,
    })
}

/// Prints it for people.
pub fn print(report: &Report) {
    println!(
        "core        streams  metrics     rows/s     p50 us     p99 us   memory/series   snapshot/series"
    );
    for cost in report.warm.iter().chain([&report.cold]) {
        println!(
            "{:10}  {:>7}  {:>7}  {:>9.0}  {:>9.2}  {:>9.2}  {:>12} B  {:>14} B",
            cost.core,
            cost.streams,
            cost.metrics,
            cost.rows_per_s,
            cost.p50_us,
            cost.p99_us,
            cost.memory_bytes_per_series
                .map_or_else(|| "-".to_owned(), |bytes| bytes.to_string()),
            cost.snapshot_bytes_per_series,
        );
    }
}

/// The core of a stream.
#[derive(Clone, Serialize)]
#[serde(untagged)]
enum Core {
    One(Box<Univariate>),
    Many(Box<Vector>),
}

impl Core {
    fn look(&mut self, at: i64, row: &[f64]) -> Judgement {
        match self {
            Self::One(metric) => metric.look(at, row.first().copied()),
            Self::Many(vector) => vector.look(at, row),
        }
    }
}

fn cost(mut taught: Core, streams: usize, metrics: usize, rows: usize) -> Result<Cost> {
    let table = table(metrics);
    for (at, row) in (0..).zip(table.chunks_exact(metrics).cycle().take(LEARNED)) {
        taught.look(at * STEP, row);
    }
    let snapshot = rmp_serde::to_vec_named(&taught).context("cannot write the state")?;
    let (core, memory) = match &taught {
        Core::One(_) => ("univariate", None),
        Core::Many(vector) => ("vector", Some(vector.memory_bytes())),
    };
    // Copies stand apart in memory, which is what makes caches cold.
    let mut cores = vec![taught; streams];
    let rows_of = || table.chunks_exact(metrics).cycle().skip(LEARNED % MADE);
    let time = |turn: usize| (LEARNED + turn / streams) as i64 * STEP;

    let begun = Instant::now();
    for (turn, row) in rows_of().take(rows).enumerate() {
        black_box(cores[turn % streams].look(time(turn), row));
    }
    let rows_per_s = rows as f64 / begun.elapsed().as_secs_f64();

    let mut took = Vec::with_capacity(rows / 4);
    for (turn, row) in rows_of().take(rows + rows / 4).enumerate().skip(rows) {
        let begun = Instant::now();
        black_box(cores[turn % streams].look(time(turn), row));
        took.push(begun.elapsed());
    }
    took.sort_unstable();
    let at = |part: f64| took[(took.len() as f64 * part) as usize].as_secs_f64() * 1e6;
    Ok(Cost {
        core,
        streams,
        metrics,
        rows_per_s,
        p50_us: at(0.5),
        p99_us: at(0.99),
        memory_bytes_per_series: memory.map(|bytes| bytes / metrics),
        snapshot_bytes_per_series: snapshot.len() / metrics,
    })
}

/// Rows of metrics that follow five common waves, with noise of their own.
fn table(metrics: usize) -> Vec<f64> {
    let mut random = StdRng::seed_from_u64(7);
    let mut table = Vec::with_capacity(MADE * metrics);
    for row in 0..MADE {
        for metric in 0..metrics {
            let period = 40.0 + 30.0 * (metric % 5) as f64;
            table.push((row as f64 / period).sin() + random.random_range(-0.2..0.2));
        }
    }
    table
}
