//! `aegis rehearse`: a scenario in virtual time. The simulated cluster, ingest's mapping, all cores and
//! the executor run in one process without a broker, so that a day passes in seconds and many seeds can
//! be tried. The cores are those that the services run, with the configuration of the demo.

mod cores;
mod log;
pub(crate) mod objects;
mod report;
pub(crate) mod samples;

use std::path::PathBuf;
use std::time::Duration;

use aegis_executor::{Executor, MemoryBoard};
use aegis_ingest::{Catalogue, heartbeat};
use aegis_schemas::keyring::KeyFile;
use aegis_schemas::signal::Genesis;
use aegis_schemas::{
    Actor, Command, CommandBody, ConfigurationKind, Digest, Entity, EntityKind, Event, EventId,
    Mode, Name, Scope, Signal, SignalBody, Stream, Subject, Timestamp,
};
use aegis_simulator::{SCENARIOS, Scenario, Simulation};
use anyhow::{Context, Result, bail};
use clap::Args;

use crate::config::Config;
use crate::demo::profile;
use crate::model_file;
use cores::Cores;
use log::Log;
use objects::Objects;
pub use report::{Act, Report};
use samples::Samples;

/// Runs a scenario in virtual time, without servers.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Prints a line of JSON for each seed: what was found, done and verified, and each fault's fate by\nits oracle. With --check, exit code 1 means that an act was wrong, a fault was not\nhealed or there were more incidents than the scenario allows.\n\nExamples:\n  aegis rehearse healthy-week --seeds 1-20 --check\n  aegis rehearse six-faults-day --seeds 7\n  aegis rehearse my-scenario.toml --mode ask"
)]
pub struct Rehearse {
    /// A scenario file, or the name of one that is built in (`aegis simulate --list`).
    scenario: String,
    /// Which seeds: `7`, or `1-20`.
    #[arg(long, default_value = "1", value_parser = seeds)]
    seeds: std::ops::RangeInclusive<u64>,
    /// What Aegis may do by itself.
    #[arg(long, default_value = "act", value_parser = crate::people::parse_mode)]
    mode: Mode,
    /// A model that `aegis train` made, asked for the failure's kind where the rules are not sure.
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Fail when an act was wrong, a fault was not healed or there were too many incidents.
    #[arg(long)]
    check: bool,
}

/// When a rehearsal begins: a Wednesday, 10:00 UTC. Any moment would do, but the same one each time.
const START: i64 = 1_764_064_800;
const SECOND: Duration = Duration::from_secs(1);
/// The epoch of every log of a rehearsal.
const EPOCH: u16 = 1;
const RESTATE: u64 = 3_600;
/// How long no object must have changed for more than a second to pass at once.
const STILL: u64 = 30;

/// Seeds as people write them: `7`, or `1-20`.
pub(crate) fn seeds(text: &str) -> Result<std::ops::RangeInclusive<u64>, String> {
    let number = |text: &str| {
        text.trim()
            .parse::<u64>()
            .map_err(|error| format!("`{text}`: {error}"))
    };
    match text.split_once('-') {
        Some((first, last)) => Ok(number(first)?..=number(last)?),
        None => number(text).map(|one| one..=one),
    }
}

impl Rehearse {
    /// Does it.
    ///
    /// # Errors
    ///
    /// When the scenario is wrong, or with `--check` when Aegis did.
    pub async fn run(&self) -> Result<()> {
        let scenario = scenario(&self.scenario)?;
        let model = self.model.as_deref().map(model_file::read).transpose()?;
        let model = model.map(|(_, text)| text);
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        let mut seeds = self.seeds.clone();
        let mut running = tokio::task::JoinSet::new();
        let mut bad = 0;
        loop {
            while running.len() < workers
                && let Some(seed) = seeds.next()
            {
                let (scenario, mode) = (scenario.clone(), self.mode);
                let model = model.clone();
                running.spawn(async move { rehearse(scenario, seed, mode, model).await });
            }
            let Some(ended) = running.join_next().await else {
                break;
            };
            let report = ended??;
            bad += usize::from(!report.is_right());
            println!("{}", serde_json::to_string(&report)?);
        }
        if self.check && bad > 0 {
            bail!("{bad} of {} seeds went wrong", self.seeds.clone().count());
        }
        Ok(())
    }
}

/// The scenario in that file, or the built-in one of that name.
///
/// # Errors
///
/// When there is none, or it is wrong.
pub fn scenario(named: &str) -> Result<Scenario> {
    let built_in = SCENARIOS.iter().find(|(name, _)| *name == named);
    let text = match built_in {
        Some((_, text)) => (*text).to_owned(),
        None => std::fs::read_to_string(named).with_context(|| {
            let names: Vec<&str> = SCENARIOS.iter().map(|(name, _)| *name).collect();
            format!(
                "there is no scenario `{named}`; name a file, or one of {}",
                names.join(", ")
            )
        })?,
    };
    Scenario::parse(&text).with_context(|| format!("scenario `{named}`"))
}

/// One seed of a scenario, to its end; `model` is asked for kinds.
///
/// # Errors
///
/// When the simulated cluster or a core fails.
pub async fn rehearse(
    scenario: Scenario,
    seed: u64,
    mode: Mode,
    model: Option<String>,
) -> Result<Report> {
    let mut rehearsal = Rehearsal::new(scenario, seed, mode, model).await?;
    rehearsal.play().await?;
    Ok(rehearsal
        .report
        .finish(seed, &rehearsal.simulation.status()))
}

struct Rehearsal {
    config: Config,
    simulation: Simulation,
    objects: Objects,
    samples: Samples,
    log: Log,
    cores: Cores,
    report: Report,
    seconds: u64,
    /// Seconds between two scrapes; they pass at once while no object changes.
    pace: u64,
    start: Timestamp,
}

impl Rehearsal {
    async fn new(scenario: Scenario, seed: u64, mode: Mode, model: Option<String>) -> Result<Self> {
        let mut config = profile::settings()?;
        let seconds = (scenario.length + scenario.hold).as_secs();
        let pace = scenario.pace.as_secs().max(1);
        // Nobody is silent who speaks at that pace.
        let silent_after = &mut config.detector.scorer.silent_after;
        *silent_after = (*silent_after).max(3 * scenario.pace);
        let start = jiff::Timestamp::from_second(START)?;
        let simulation = Simulation::new(scenario, seed, start).await?;
        let start = Timestamp::from_millis(start.as_millisecond());
        let keys = KeyFile::new("rehearsal", vec![7; 32])?;
        let namespaces = simulation.api().objects("", "v1", "namespaces");
        let uid = namespaces
            .iter()
            .find(|namespace| namespace["metadata"]["name"] == "kube-system")
            .and_then(|namespace| namespace["metadata"]["uid"].as_str())
            .context("the simulated cluster has no kube-system")?
            .to_owned();
        let executor = Executor::new(
            simulation.api().client("aegis-executor"),
            config.executor.clone(),
            keys.keyring(),
            uid.clone(),
            MemoryBoard::new(start),
        );
        let mut rehearsal = Self {
            objects: Objects::new(Catalogue::new(config.ingest.cluster.clone())),
            samples: Samples::default(),
            log: Log::default(),
            cores: Cores::new(&config, keys, executor),
            report: Report::default(),
            config,
            simulation,
            seconds,
            pace,
            start,
        };
        rehearsal.begin(uid, mode, model);
        rehearsal.backfill().await?;
        Ok(rehearsal)
    }

    /// What `aegis provision` puts on the log.
    fn begin(&mut self, uid: String, mode: Mode, model: Option<String>) {
        let cluster = self.config.ingest.cluster.clone();
        let clusters = [(cluster.to_string(), uid)].into();
        let signal = Signal {
            entity: self.cluster(),
            observed: self.start,
            source: "provision".to_owned(),
            body: SignalBody::Genesis(Genesis {
                epoch: EPOCH,
                clusters,
            }),
        };
        self.signal(self.start, signal);
        let activate = |what, content: String| CommandBody::Activate {
            what,
            digest: Digest::of(content.as_bytes()),
            content,
        };
        let scope = Scope {
            cluster,
            namespace: None,
            action: None,
        };
        let mut bodies = vec![
            activate(ConfigurationKind::Policy, aegis_policy::default_bundle()),
            activate(ConfigurationKind::Incidents, profile::INCIDENTS.to_owned()),
        ];
        bodies.extend(model.map(|model| activate(ConfigurationKind::Model, model)));
        bodies.push(CommandBody::Mode { scope, mode });
        for body in bodies {
            let subject = Subject::command(body.token(), &self.cluster());
            let actor = Actor {
                name: "provision".to_owned(),
                roles: ["admin".to_owned()].into(),
            };
            let command = Command {
                actor,
                reason: String::new(),
                body,
            };
            self.log.say(
                "provision",
                self.start,
                Stream::Events,
                subject,
                Event::Command(command),
            );
        }
    }

    async fn backfill(&mut self) -> Result<()> {
        let signals = self.objects.news(self.simulation.api(), self.start);
        for signal in signals {
            self.signal(self.start, signal);
        }
        for (at, samples) in self.simulation.history() {
            let at = Timestamp::from_millis(at.as_millisecond());
            if at >= self.start {
                break;
            }
            for input in self.samples.past(&self.objects.catalogue, at, samples) {
                input.seq = self.log.number_metrics();
                input.id = EventId::of_content("backfill", &input.seq.to_be_bytes());
                // It comes at the start, all of it at once.
                input.time = self.start;
                self.cores.score(&mut self.log, self.start, input)?;
            }
        }
        self.settle(self.start).await
    }

    async fn play(&mut self) -> Result<()> {
        let (mut second, mut changed, mut version) = (0, 0, self.objects.version());
        while second < self.seconds {
            // What a watch tells is told when it happens, however far scrapes are apart.
            let is_moving = second < changed + STILL;
            second = if is_moving {
                second + 1
            } else {
                (second / self.pace + 1) * self.pace
            };
            let now = self.start + SECOND * u32::try_from(second)?;
            self.simulation
                .tick(jiff::Timestamp::from_millisecond(now.as_millis())?)
                .await?;
            for signal in self.objects.news(self.simulation.api(), now) {
                self.signal(now, signal);
            }
            if self.objects.version() != version {
                (changed, version) = (second, self.objects.version());
            }
            if second.is_multiple_of(self.pace) {
                self.scrape(now)?;
            }
            self.heartbeat(now);
            if second.is_multiple_of(RESTATE) {
                for signal in self.objects.catalogue.restate(now, second / RESTATE) {
                    self.signal(now, signal);
                }
            }
            self.settle(now).await?;
        }
        Ok(())
    }

    fn scrape(&mut self, now: Timestamp) -> Result<()> {
        let samples = self.simulation.samples();
        let catalogue = &self.objects.catalogue;
        let (calls, inputs) = self
            .samples
            .now(catalogue, self.objects.version(), now, &samples);
        for input in inputs {
            input.seq = self.log.number_metrics();
            input.id = EventId::of_content("scrape", &input.seq.to_be_bytes());
            self.cores.score(&mut self.log, now, input)?;
        }
        for signal in calls {
            self.signal(now, signal);
        }
        Ok(())
    }

    fn heartbeat(&mut self, now: Timestamp) {
        let sources = [
            ("kubernetes".to_owned(), now),
            ("scrape/simulation".to_owned(), now),
        ]
        .into();
        let beat = heartbeat(&self.config.ingest.cluster, now, sources, 0.0);
        let subject = Subject::metric(0, &beat.entity);
        let again = Event::Signal(beat.clone());
        self.log
            .say("heartbeat", now, Stream::Metrics, subject, again);
        self.signal(now, beat);
    }

    fn signal(&mut self, now: Timestamp, signal: Signal) {
        let subject = Subject::signal(signal.body.token(), &signal.entity);
        self.log.say(
            "ingest",
            now,
            Stream::Events,
            subject,
            Event::Signal(signal),
        );
    }

    async fn settle(&mut self, now: Timestamp) -> Result<()> {
        let (report, start) = (&mut self.report, self.start);
        let mut heard = |now: Timestamp, event: &Event| report.hear(now.since(start), event);
        self.cores.settle(&mut self.log, now, &mut heard).await
    }

    fn cluster(&self) -> Entity {
        let cluster = self.config.ingest.cluster.clone();
        let name = Name::parse(cluster.as_str()).expect("a cluster's name is a name");
        Entity::cluster_scoped(cluster, EntityKind::Cluster, name)
    }
}
