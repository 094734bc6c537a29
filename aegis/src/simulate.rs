//! `aegis simulate`: a cluster in a process. A Kubernetes API that real clients talk to, workloads with
//! their metrics, and faults from a file.

mod incidents;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use aegis_simulator::api::Api;
use aegis_simulator::{Guest, SCENARIOS, Scenario, Simulation};
use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::exit::Ended;
use crate::run;

/// Who gets a kubeconfig file: Aegis itself, and a person.
const USERS: [&str; 3] = ["aegis-executor", "admin", "aegis-ingest"];

/// Runs a simulated cluster.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Bearer tokens are user names; metrics are at /metrics, history at /api/v1/query_range, what became of each\nfault at /simulation of the metrics address.\n\nExamples:\n  aegis simulate --list\n  aegis simulate --scenario load-spike --kubeconfig-dir ./kube\n  aegis simulate --scenario mine.toml --seed 7 --listen 127.0.0.1:7001 --metrics 127.0.0.1:7002\n  aegis simulate incidents --output ./incidents --seeds 1-40"
)]
pub struct Simulate {
    /// Something else than a cluster that runs.
    #[command(subcommand)]
    instead: Option<Instead>,
    /// A scenario file, or the name of one that is built in.
    #[arg(long, default_value = "demo", value_name = "FILE|NAME")]
    scenario: String,
    /// What all randomness comes from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the Kubernetes API listens.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7712")]
    listen: SocketAddr,
    /// Play the scenario in a real cluster instead: the folder of its kubelet's and deployer's kubeconfig
    /// files and of its audit log, as `cargo xtask demo --kubernetes` makes it.
    #[arg(long, value_name = "FOLDER", conflicts_with = "listen")]
    cluster: Option<PathBuf>,
    /// Where the workloads' metrics are.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7713")]
    metrics: SocketAddr,
    /// Write kubeconfig files there once the cluster is ready.
    #[arg(long, value_name = "FOLDER")]
    kubeconfig_dir: Option<PathBuf>,
    /// List the scenarios that are built in.
    #[arg(long)]
    list: bool,
    /// End when standard input ends: for a parent that may die.
    #[arg(long)]
    lifeline: bool,
}

/// What else can be simulated.
#[derive(Debug, Subcommand)]
enum Instead {
    /// Write labelled incidents to learn the names of failures from.
    Incidents(incidents::Incidents),
}

impl Simulate {
    /// Does it.
    ///
    /// # Errors
    ///
    /// When the scenario is wrong or a port is in use.
    pub async fn run(self) -> Result<()> {
        if let Some(Instead::Incidents(incidents)) = self.instead {
            return incidents.run().await;
        }
        if self.list {
            for (name, text) in SCENARIOS {
                let about = Scenario::parse(text).map(|found| found.description)?;
                println!("{name:18} {about}");
            }
            return Ok(());
        }
        let scenario = scenario(&self.scenario)?;
        let bind = async |address: SocketAddr, what: &str| {
            let bound = TcpListener::bind(address).await;
            bound.with_context(|| format!("cannot listen on `{address}` for {what}"))
        };
        let metrics = bind(self.metrics, "metrics").await?;
        let seen = metrics.local_addr()?;
        let stop = CancellationToken::new();
        tokio::spawn(run::signals(stop.clone()));
        if self.lifeline {
            run::until_input_ends(stop.clone());
        }
        if let Some(cluster) = &self.cluster {
            let guest = Guest::join(scenario, self.seed, cluster).await?;
            self.give(|user| {
                let file = cluster.join(format!("{user}.kubeconfig"));
                std::fs::read_to_string(&file)
                    .with_context(|| format!("cannot read `{}`", file.display()))
            })?;
            eprintln!("metrics http://{seen}/metrics, faults http://{seen}/simulation");
            return Ok(guest.serve(metrics, stop).await?);
        }
        let api = bind(self.listen, "the Kubernetes API").await?;
        let listen = api.local_addr()?;
        let simulation = Simulation::new(scenario, self.seed, jiff::Timestamp::now()).await?;
        self.give(|user| Ok(Api::kubeconfig(listen, user)))?;
        eprintln!(
            "Kubernetes API http://{listen}, metrics http://{seen}/metrics, faults http://{seen}/simulation"
        );
        simulation.serve(api, metrics, stop).await?;
        Ok(())
    }

    /// Writes the kubeconfig files where they are wanted. The one that others wait for is the last.
    fn give(&self, text: impl Fn(&str) -> Result<String>) -> Result<()> {
        let Some(folder) = &self.kubeconfig_dir else {
            return Ok(());
        };
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder `{}`", folder.display()))?;
        for user in USERS {
            let file = folder.join(format!("{user}.kubeconfig"));
            let half = file.with_extension("part");
            std::fs::write(&half, text(user)?)
                .and_then(|()| std::fs::rename(&half, &file))
                .with_context(|| format!("cannot write `{}`", file.display()))?;
        }
        Ok(())
    }
}

/// The scenario in that file or of that name.
fn scenario(named: &str) -> Result<Scenario> {
    let built_in = SCENARIOS
        .iter()
        .find(|(name, _)| *name == named || name.strip_suffix(".toml") == Some(named));
    let text = match built_in {
        Some((_, text)) => (*text).to_owned(),
        None if Path::new(named).exists() => {
            std::fs::read_to_string(named).with_context(|| format!("cannot read `{named}`"))?
        }
        None => {
            let said = format!(
                "there is no scenario `{named}`; see `aegis simulate --list`, or name a file"
            );
            return Err(Ended::NotFound(said).into());
        }
    };
    Scenario::parse(&text).with_context(|| format!("scenario `{named}`"))
}
