//! Metric in to act accepted, beside the floor.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use aegis_audit_sink::read::Reader;
use aegis_schemas::{Cluster, DecisionId, Mode, Timestamp};
use anyhow::{Context, Result, bail};
use clap::Args;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::Serialize;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::chain::Chains;
use super::cluster::{self, Cluster as Simulated, PODS};
use super::floor;
use super::load::Load;
use super::workload::{Workload, samples_of};
use crate::init;
use crate::local::place::Place;
use crate::local::ports::Ports;
use crate::local::stage::Stage;
use crate::local::tool::Tool;
use crate::run::wait_for_signal;

/// Samples a second that are handed in all the time.
const BACKGROUND: usize = 1_000;
/// How long the load goes on before the first workload comes under load.
const SETTLE: Duration = Duration::from_secs(20);
/// From one workload under load to the next one.
const APART: Duration = Duration::from_millis(700);
/// The largest budget of acts that policy takes.
const MOST: u32 = 50;
/// How long the last acts may take.
const LAST: Duration = Duration::from_secs(30);

/// Measures the latency of the pipeline.
#[derive(Debug, Args)]
pub struct Latency {
    /// How many workloads come under load; policy allows no more acts that are not judged yet.
    #[arg(long, default_value_t = MOST, value_parser = clap::value_parser!(u32).range(10..=i64::from(MOST)))]
    samples: u32,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Where it keeps everything while it runs.
    #[arg(long, default_value = "target/bench")]
    dir: PathBuf,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
struct Report {
    p50_ms: f64,
    p99_ms: f64,
    floor_p50_ms: f64,
    floor_p99_ms: f64,
    samples: usize,
    /// Acts for which time had to pass on the way: no metric is their direct cause.
    delayed: usize,
    background_per_s: f64,
}

impl Latency {
    /// Does it.
    pub(super) async fn run(self) -> Result<()> {
        let place = Place::take(&self.dir)?;
        let stop = CancellationToken::new();
        let mut stage = Stage::default();
        let ended = tokio::select! {
            ended = self.measure(&place, &mut stage, &stop) => ended,
            () = wait_for_signal() => Err(anyhow::anyhow!("stopped by a signal")),
        };
        stop.cancel();
        stage.close().await;
        drop(place);
        let report = ended?;
        crate::local::place::clean(&self.dir)?;
        if self.json {
            println!("{}", serde_json::to_string(&report)?);
        } else {
            println!("                          p50        p99");
            println!(
                "metric in, act accepted   {:6.1} ms  {:6.1} ms",
                report.p50_ms, report.p99_ms
            );
            println!(
                "JetStream alone           {:6.1} ms  {:6.1} ms",
                report.floor_p50_ms, report.floor_p99_ms
            );
            println!(
                "{} acts, {:.0} samples/s in the background",
                report.samples, report.background_per_s
            );
        }
        Ok(())
    }

    async fn measure(
        &self,
        place: &Place,
        stage: &mut Stage,
        stop: &CancellationToken,
    ) -> Result<Report> {
        let ports = Ports::from(0)?;
        let tool = Tool::new(place.config(), place.session())?;
        let samples = self.samples as usize;
        let workloads = samples.max(BACKGROUND.div_ceil(samples_of(PODS)));
        say("servers and a simulated API server");
        let simulated = Simulated::start(ports.kubernetes, stop).await?;
        simulated.kubeconfigs(&place.kubeconfigs())?;
        let pods = simulated.populate(workloads).await?;
        install(place, &ports)?;
        stage.open(place, &ports, &tool, None).await?;
        tool.run(&["provision"], "").await?;
        stage.run(place, &ports, &tool, &["all"]).await?;

        say("an hour of history");
        let all = pods.into_iter().zip(0..).map(|(pods, seed)| {
            Workload::new(cluster::NAMESPACE, pods, StdRng::seed_from_u64(seed))
        });
        let load = Load::new(
            format!("http://{}/api/v1/write", ports.remote_write),
            all.collect(),
        );
        load.history().await?;

        say("load");
        let mut tasks = JoinSet::new();
        let (begun, before) = (Instant::now(), load.sent());
        load.go_on(&mut tasks, stop);
        let work = self.under_load(&simulated, &load);
        tokio::select! {
            ended = work => ended?,
            death = stage.death() => return Err(death),
            Some(ended) = tasks.join_next() => ended??,
        }
        let background_per_s = (load.sent() - before) as f64 / begun.elapsed().as_secs_f64();

        let (took, delayed, bytes) = latencies(place, &simulated).await?;
        if took.len() * 2 < samples {
            bail!(
                "only {} of {} acts have a metric as their direct cause ({delayed} were delayed)",
                took.len(),
                self.samples
            );
        }
        say("the floor");
        let floor = floor::measure(place, bytes, samples.max(200)).await?;
        let floor = floor
            .iter()
            .map(|took| took.as_secs_f64() * 1000.0)
            .collect();
        let (p50_ms, p99_ms) = quantiles(took.clone());
        let (floor_p50_ms, floor_p99_ms) = quantiles(floor);
        Ok(Report {
            p50_ms,
            p99_ms,
            floor_p50_ms,
            floor_p99_ms,
            samples: took.len(),
            delayed,
            background_per_s: background_per_s.round(),
        })
    }

    /// Lets one workload after the other come under load, until each was acted on.
    async fn under_load(&self, simulated: &Simulated, load: &Load) -> Result<()> {
        tokio::time::sleep(SETTLE).await;
        let samples = self.samples as usize;
        for place in 0..samples {
            load.surge(place);
            tokio::time::sleep(APART).await;
        }
        let begun = Instant::now();
        while simulated.acts().len() < samples && begun.elapsed() < LAST {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }
}

pub(super) fn say(what: &str) {
    eprintln!("  {what}");
}

/// The shipped configuration, but for the budgets and the storm: a benchmark acts more often than anybody
/// should.
pub(super) fn install(place: &Place, ports: &Ports) -> Result<()> {
    let cluster = Cluster::parse("bench").expect("a valid name, written here");
    let mut wanted = init::installation(&cluster);
    let kubeconfig = |user: &str| Some(place.kubeconfigs().join(format!("{user}.kubeconfig")));
    wanted.provision.mode = Mode::Act;
    wanted.bus.url = format!("nats://{}", ports.nats);
    wanted.admin.listen = ports.admin;
    wanted.gateway.listen = ports.gateway;
    wanted.ingest.listen = ports.remote_write;
    wanted.ingest.kubeconfig = kubeconfig("aegis-ingest");
    wanted.executor.kubeconfig = kubeconfig("aegis-executor");
    wanted.executor.limits.max_acts_per_minute = 100_000;
    wanted.executor.limits.max_pods_per_ten_minutes = 100_000;
    let home = place.installation();
    init::make(&home, &wanted, ports.nats)?;
    let file = home
        .join(&wanted.provision.policy_dir)
        .join("settings.toml");
    let mut text = std::fs::read_to_string(&file)?;
    for (key, value) in [
        ("per_cluster", 100_000),
        ("per_namespace", 100_000),
        ("acts_per_cluster", MOST),
        ("workload_percent", 100),
        ("namespace_percent", 100),
        ("workloads_percent", 100),
    ] {
        text = set(&text, key, value)?;
    }
    std::fs::write(&file, text)?;
    Ok(())
}

/// The text with another value for that key.
fn set(text: &str, key: &str, value: u32) -> Result<String> {
    let is_it = |line: &str| {
        line.strip_prefix(key)
            .is_some_and(|rest| rest.trim_start().starts_with('='))
    };
    if !text.lines().any(is_it) {
        bail!("the default settings of policy have no `{key}`");
    }
    let lines = text.lines().map(|line| {
        if is_it(line) {
            format!("{key} = {value}")
        } else {
            line.to_owned()
        }
    });
    Ok(lines.collect::<Vec<_>>().join("\n") + "\n")
}

/// The latency of each act, how many had no metric as their cause, and the usual sizes of the messages.
async fn latencies(place: &Place, simulated: &Simulated) -> Result<(Vec<f64>, usize, [usize; 4])> {
    let reader =
        Reader::connect_file(&place.installation().join("secrets/database/audit.url")).await?;
    // The last outcome is in the log a moment after the act.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut chains = Chains::default();
    let mut read = 0;
    loop {
        let found = reader.entries(read, 1_000).await?;
        if found.is_empty() {
            break;
        }
        for found in &found {
            read = found.idx + 1;
            chains.note(&found.record)?;
        }
    }
    let mut took = Vec::new();
    let mut sizes: [Vec<usize>; 4] = std::array::from_fn(|_| Vec::new());
    let mut delayed = 0;
    for act in simulated.acts() {
        let id: DecisionId = act
            .decision_id
            .as_deref()
            .unwrap_or_default()
            .parse()
            .context("the act names no decision")?;
        let Some(chain) = chains.to(id) else {
            delayed += 1;
            continue;
        };
        let at = Timestamp::from_millis(act.time.as_millisecond());
        took.push(at.since(chain.from).as_secs_f64() * 1000.0);
        for (sizes, bytes) in sizes.iter_mut().zip(chain.bytes) {
            sizes.push(bytes);
        }
    }
    let usual = sizes.map(|mut sizes| {
        sizes.sort_unstable();
        sizes.get(sizes.len() / 2).copied().unwrap_or(0)
    });
    Ok((took, delayed, usual))
}

/// The median, and what 99 of 100 stay below.
pub(super) fn quantiles(mut values: Vec<f64>) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let place = ((values.len() as f64 * share).ceil() as usize).saturating_sub(1);
        let value = values.get(place).copied().unwrap_or(f64::NAN);
        (value * 10.0).round() / 10.0
    };
    (at(0.5), at(0.99))
}
