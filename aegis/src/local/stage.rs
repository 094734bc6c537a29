//! Everything that the demo starts, in order, and ends, in the other order.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use aegis_audit_sink::server as postgres;
use aegis_nats::server::ServerProcess;
use anyhow::{Result, bail};
use tokio::net::TcpStream;
use tokio::process::Command;

use super::children::{self, Running};
use super::place::Place;
use super::ports::Ports;
use super::tool::Tool;

/// How long a process may take until it is ready.
const START: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What runs.
#[derive(Default)]
pub struct Stage {
    nats: Option<ServerProcess>,
    postgres: Option<postgres::Server>,
    cluster: Option<Running>,
    aegis: Option<Running>,
}

/// What the cluster does.
#[derive(Clone, Debug)]
pub struct Play {
    /// A file, or the name of a scenario that is built in.
    pub scenario: String,
    /// What all randomness comes from.
    pub seed: u64,
    /// The folder of a real cluster to play in, instead of a simulated one.
    pub cluster: Option<PathBuf>,
}

impl Stage {
    /// Starts the servers, and the simulated cluster if there is a `play`, side by side.
    ///
    /// # Errors
    ///
    /// When one does not start.
    pub async fn open(
        &mut self,
        place: &Place,
        ports: &Ports,
        tool: &Tool,
        play: Option<&Play>,
    ) -> Result<()> {
        let home = place.installation();
        let text = std::fs::read_to_string(home.join("nats-server.conf"))?;
        if let Some(play) = play {
            let mut command = simulate(place, ports, tool, play);
            self.cluster = Some(Running::start("simulate", &place.logs(), &mut command)?);
        }
        let (nats, database) = tokio::join!(
            ServerProcess::start(&text, &home, ports.nats),
            postgres::Server::start(place.postgres(), ports.postgres.port()),
        );
        self.nats = Some(nats?);
        let database = database?;
        let admin = home.join("secrets/database/admin.url");
        crate::init::write(&admin, 0o600, database.admin_url().as_bytes())?;
        self.postgres = Some(database);
        if self.cluster.is_none() {
            return Ok(());
        }
        let kubeconfig = place.kubeconfigs().join("aegis-ingest.kubeconfig");
        self.until("the simulated cluster", || {
            let there = kubeconfig.exists();
            async move { there }
        })
        .await
    }

    /// Starts these services, or `all`.
    ///
    /// # Errors
    ///
    /// When they do not get ready.
    pub async fn run(
        &mut self,
        place: &Place,
        ports: &Ports,
        tool: &Tool,
        roles: &[&str],
    ) -> Result<()> {
        let mut command = tool.command(&["run", "--lifeline"]);
        command.args(roles);
        self.aegis = Some(Running::start("aegis", &place.logs(), &mut command)?);
        let url = format!("http://{}/readyz", ports.admin);
        let client = reqwest::Client::new();
        let mut listening = vec![ports.gateway];
        if roles.contains(&"all") || roles.contains(&"ingest") {
            listening.push(ports.remote_write);
        }
        self.until("aegis", || {
            let asked = client.get(&url).send();
            let listening = &listening;
            async move {
                let mut ready = asked.await.is_ok_and(|answer| answer.status().is_success());
                for address in listening {
                    ready = ready && TcpStream::connect(address).await.is_ok();
                }
                ready
            }
        })
        .await
    }

    /// Waits until `ready`, or until a process ends.
    async fn until<F: Future<Output = bool>>(
        &mut self,
        what: &str,
        ready: impl Fn() -> F,
    ) -> Result<()> {
        let begun = Instant::now();
        let wait = async {
            while !ready().await {
                if begun.elapsed() > START {
                    bail!("{what} is not ready after {} s", START.as_secs());
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
            Ok(())
        };
        tokio::select! {
            ended = wait => ended,
            death = self.death() => Err(death),
        }
    }

    /// Waits until one of the processes ends, which none should; says which and how.
    pub async fn death(&mut self) -> anyhow::Error {
        let Self {
            nats,
            postgres,
            cluster,
            aegis,
        } = self;
        let server = async {
            match nats {
                Some(server) => server
                    .wait()
                    .await
                    .map_or_else(|error| error.to_string(), |status| status.to_string()),
                None => std::future::pending().await,
            }
        };
        let database = async {
            match postgres {
                Some(server) => server.wait().await,
                None => std::future::pending().await,
            }
        };
        let dead = tokio::select! {
            status = server => format!("nats-server ended ({status})"),
            status = database => format!("PostgreSQL ended ({status})"),
            said = died(cluster) => said,
            said = died(aegis) => said,
        };
        anyhow::anyhow!("{dead}")
    }

    /// The memory of the services' process in MiB.
    #[must_use]
    pub fn resident_mb(&self) -> Option<f64> {
        children::resident_mb(self.aegis.as_ref()?.id()?)
    }

    /// Ends everything, the services first, so that nothing is missed by those who are still there.
    pub async fn close(self) {
        for child in [self.aegis, self.cluster].into_iter().flatten() {
            child.stop().await;
        }
        if let Some(server) = self.postgres {
            server.stop().await;
        }
        if let Some(server) = self.nats {
            let _ = server.stop().await;
        }
    }
}

async fn died(child: &mut Option<Running>) -> String {
    match child {
        Some(child) => child.died().await,
        None => std::future::pending().await,
    }
}

fn simulate(place: &Place, ports: &Ports, tool: &Tool, play: &Play) -> Command {
    let folder: PathBuf = place.kubeconfigs();
    let mut command = tool.command(&["simulate", "--lifeline"]);
    command.arg("--scenario").arg(&play.scenario);
    command.arg("--seed").arg(play.seed.to_string());
    match &play.cluster {
        Some(cluster) => command.arg("--cluster").arg(cluster),
        None => command.arg("--listen").arg(ports.kubernetes.to_string()),
    };
    command.arg("--metrics").arg(ports.workloads.to_string());
    command.arg("--kubeconfig-dir").arg(folder);
    command
}
