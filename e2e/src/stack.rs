//! Everything that runs: servers, the simulated cluster, one process per role.

mod cluster;
mod look;
mod options;
mod roles;
mod tls;
mod trouble;

pub use cluster::PERSON;
pub use options::Options;
pub use trouble::{NATS, POSTGRES};

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aegis::config::Config;
use aegis::demo::profile;
use aegis::local::children::Running;
use aegis::local::place::Place;
use aegis::local::ports::Ports;
use aegis::local::tool::Tool;
use aegis_audit_sink::server::Server as Postgres;
use aegis_nats::server::ServerProcess;
use aegis_simulator::SCENARIOS;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::binary::{Prepared, prepared};
use crate::{ControlPlane, Person, Watch};

/// Every role, in the order in which they are started.
pub const ROLES: [&str; 6] = [
    "audit-sink",
    "ingest",
    "detector",
    "policy",
    "executor",
    "gateway",
];

/// The password of everybody whom [`Stack::person`] makes.
pub const PASSWORD: &str = "correct horse battery staple";

/// How long a process may take until it is ready.
const START: Duration = Duration::from_secs(60);
/// A running installation; all of it ends with this value.
pub struct Stack {
    real: Option<std::sync::Arc<ControlPlane>>,
    postgres_bin: PathBuf,
    tool: Tool,
    config: Config,
    ports: Ports,
    settings: Vec<(String, String)>,
    roles: BTreeMap<&'static str, Running>,
    /// Where each process answers for its health and has its metrics.
    admin: BTreeMap<&'static str, String>,
    cluster: Option<Running>,
    postgres: Option<Postgres>,
    nats: Option<ServerProcess>,
    place: Place,
    // The folder goes last.
    _home: TempDir,
}

impl Stack {
    /// Starts everything and waits until it is ready.
    ///
    /// # Errors
    ///
    /// When something does not start.
    pub async fn start(options: Options) -> Result<Self> {
        // Whoever runs tests has not chosen a TLS backend yet.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let prepared = tokio::task::spawn_blocking(prepared).await??;
        let home = folder()?;
        let place = Place::take(&home.path().join("stack"))?;
        let ports = Ports::from(0)?;
        let config = profile::install(&place, &ports)?;
        if let Some((line, instead)) = options.policy {
            let file = place.installation().join("policy/settings.toml");
            let text = std::fs::read_to_string(&file)?;
            anyhow::ensure!(text.contains(line), "the settings have no line `{line}`");
            std::fs::write(&file, text.replace(line, instead))?;
        }
        let tool = Tool::of(prepared.aegis.clone(), place.config(), place.session());
        let postgres_bin = if options.tls {
            aegis_xtask::servers::postgres_with_tls()?
        } else {
            prepared.servers.postgres_bin.clone()
        };
        let mut stack = Self {
            real: options.real.clone(),
            postgres_bin,
            tool,
            config,
            ports,
            settings: options.settings.clone(),
            roles: BTreeMap::new(),
            admin: BTreeMap::new(),
            cluster: None,
            postgres: None,
            nats: None,
            place,
            _home: home,
        };
        if options.tls {
            stack.secure_nats().await?;
        }
        stack.servers(prepared, &options).await?;
        if options.tls {
            stack.secure_postgres().await?;
        }
        stack.tool.run(&["provision"], "").await?;
        for role in &options.roles {
            stack.start_role(role).await?;
        }
        Ok(stack)
    }

    async fn servers(&mut self, prepared: &Prepared, options: &Options) -> Result<()> {
        let mut simulate = self.tool.command(&["simulate", "--lifeline"]);
        simulate
            .arg("--scenario")
            .arg(self.scenario(options)?)
            .args(["--seed", &options.seed.to_string()])
            .args(["--metrics", &self.ports.workloads.to_string()])
            .arg("--kubeconfig-dir")
            .arg(self.place.kubeconfigs());
        match &options.real {
            Some(real) => simulate.arg("--cluster").arg(real.folder()),
            None => simulate.args(["--listen", &self.ports.kubernetes.to_string()]),
        };
        self.cluster = Some(Running::start(
            "simulate",
            &self.place.logs(),
            &mut simulate,
        )?);
        // One after the other would cost a second of every test.
        let (nats, postgres) = tokio::join!(self.nats_server(prepared), self.postgres_server());
        self.nats = Some(nats?);
        self.keep(postgres?)?;
        let kubeconfig = self.kubeconfig("aegis-ingest");
        until("the simulated cluster", START, || async {
            kubeconfig.exists()
        })
        .await
    }

    async fn nats_server(&self, prepared: &Prepared) -> Result<ServerProcess> {
        let home = self.place.installation();
        let text = std::fs::read_to_string(home.join("nats-server.conf"))?;
        let binary = &prepared.servers.nats_server;
        ServerProcess::start_binary(binary, &text, &home, self.ports.nats)
            .await
            .context("nats-server")
    }

    async fn postgres_server(&self) -> Result<Postgres> {
        Postgres::start_in(
            &self.postgres_bin,
            self.place.postgres(),
            self.ports.postgres.port(),
        )
        .await
        .context("PostgreSQL")
    }

    fn keep(&mut self, postgres: Postgres) -> Result<()> {
        let home = self.place.installation();
        let admin = home.join(&self.config.provision.database_admin_url_file);
        std::fs::write(&admin, postgres.admin_url())?;
        self.postgres = Some(postgres);
        Ok(())
    }

    /// Starts nats-server with the store that it had.
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub async fn start_nats(&mut self) -> Result<()> {
        self.nats = Some(self.nats_server(prepared()?).await?);
        Ok(())
    }

    /// Starts PostgreSQL with the data that it had.
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub async fn start_postgres(&mut self) -> Result<()> {
        let postgres = self.postgres_server().await?;
        self.keep(postgres)
    }

    /// The scenario with its first faults a few seconds after the start: tests do not wait for minutes.
    fn scenario(&self, options: &Options) -> Result<PathBuf> {
        let named = options.scenario.as_str();
        let at = options.fault_at;
        let built_in = SCENARIOS.iter().find(|(name, _)| *name == named);
        let text = match built_in {
            Some((_, text)) => (*text).to_owned(),
            None => {
                std::fs::read_to_string(named).with_context(|| format!("no scenario `{named}`"))?
            }
        };
        let lines = text.lines().map(|line| match line.split_once(" = ") {
            Some(("at", late)) if late.ends_with("m\"") => format!("at = \"{at}s\""),
            Some(("jitter", _)) => "jitter = \"2s\"".to_owned(),
            _ => line.to_owned(),
        });
        let file = self.place.path().join("scenario.toml");
        std::fs::write(&file, lines.collect::<Vec<_>>().join("\n"))?;
        Ok(file)
    }

    /// The audit log from its beginning.
    ///
    /// # Errors
    ///
    /// When PostgreSQL does not answer.
    pub async fn watch(&self) -> Result<Watch> {
        Ok(Watch::new(self.reader().await?))
    }

    /// Makes a person with these roles and signs them in.
    ///
    /// # Errors
    ///
    /// When the gateway or the database refuse.
    pub async fn person(&self, name: &str, roles: &[&str]) -> Result<Person> {
        let session = self.place.path().join(format!("{name}.session.json"));
        let tool = self.tool.with_session(session);
        let mut arguments = vec!["users", "add", name];
        arguments.extend(roles.iter().flat_map(|role| ["--role", role]));
        tool.run(&arguments, PASSWORD).await?;
        let url = self.gateway();
        tool.run(&["login", "--url", &url, "--name", name], PASSWORD)
            .await?;
        Ok(Person::new(tool))
    }

    /// Runs a command of the program; answers what it printed.
    ///
    /// # Errors
    ///
    /// When it fails, with its words.
    pub async fn aegis(&self, arguments: &[&str]) -> Result<String> {
        self.tool.run(arguments, "").await
    }

    /// The sum of a counter or gauge of a process over its labels; 0 while nothing was counted.
    ///
    /// # Errors
    ///
    /// When there is no such process, or it does not answer.
    pub async fn counter(&self, name: &str, counter: &str) -> Result<f64> {
        self.counter_with(name, counter, "").await
    }

    /// The same over the series with a label: `result="ok"`.
    ///
    /// # Errors
    ///
    /// As [`Stack::counter`].
    pub async fn counter_with(&self, name: &str, counter: &str, label: &str) -> Result<f64> {
        let text = self.metrics(name).await?;
        let samples = text.lines().filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let (named, labels) = series.split_once('{').unwrap_or((series, ""));
            let meant = named == counter && labels.contains(label);
            meant.then(|| value.parse::<f64>().ok())?
        });
        Ok(samples.sum())
    }

    /// What the simulated cluster says of itself: each fault, and every write that its API server took.
    ///
    /// # Errors
    ///
    /// When it does not answer.
    pub async fn simulation(&self) -> Result<Value> {
        let url = format!("http://{}/simulation", self.ports.workloads);
        let text = reqwest::get(url).await?.error_for_status()?.text().await?;
        Ok(serde_json::from_str(&text)?)
    }

    /// Every write of Aegis that the API server took, dry runs aside.
    ///
    /// # Errors
    ///
    /// When the cluster does not answer.
    pub async fn writes(&self) -> Result<Vec<Value>> {
        let url = format!("http://{}/journal", self.ports.workloads);
        let text = reqwest::get(url).await?.error_for_status()?.text().await?;
        let all: Vec<Value> = serde_json::from_str(&text)?;
        let effective = |write: &Value| {
            write["user"] == "aegis-executor"
                && write["dry_run"] == false
                && write["resource"]
                    .as_str()
                    .is_some_and(|resource| resource != "events")
        };
        Ok(all.into_iter().filter(effective).collect())
    }

    /// The gateway's URL.
    #[must_use]
    pub fn gateway(&self) -> String {
        format!("http://{}", self.ports.gateway)
    }

    /// Where ingest takes Prometheus' remote write.
    #[must_use]
    pub fn remote_write(&self) -> String {
        format!("http://{}/api/v1/write", self.ports.remote_write)
    }

    /// Where the simulated workloads' metrics are.
    #[must_use]
    pub fn workload_metrics(&self) -> String {
        self.ports.workloads.to_string()
    }

    /// The file that tells `user` where the API server is.
    #[must_use]
    pub fn kubeconfig(&self, user: &str) -> PathBuf {
        self.place.kubeconfigs().join(format!("{user}.kubeconfig"))
    }

    /// The URL of the PostgreSQL administrator: for whoever tampers with the record.
    ///
    /// # Errors
    ///
    /// When the server was stopped.
    pub fn database_admin(&self) -> Result<String> {
        let postgres = self.postgres.as_ref().context("PostgreSQL was stopped")?;
        Ok(postgres.admin_url().to_owned())
    }

    /// The installation's folder.
    #[must_use]
    pub fn installation(&self) -> PathBuf {
        self.place.installation()
    }

    /// The settings.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// The logs of all processes, for a test that fails.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.place.logs()
    }

    /// Ends everything in order.
    pub async fn stop(mut self) {
        for (_, role) in std::mem::take(&mut self.roles) {
            role.stop().await;
        }
        if let Some(cluster) = self.cluster.take() {
            cluster.stop().await;
        }
        if let Some(postgres) = self.postgres.take() {
            postgres.stop().await;
        }
        if let Some(nats) = self.nats.take() {
            let _ = nats.stop().await;
        }
    }
}

/// A folder that PostgreSQL's own user may reach.
fn folder() -> Result<TempDir> {
    let home = tempfile::Builder::new().prefix("aegis-e2e-").tempdir()?;
    allow_passing(home.path())?;
    Ok(home)
}

fn allow_passing(folder: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// Waits until `holds`.
///
/// # Errors
///
/// When it does not in time; says of what.
pub async fn until<F: Future<Output = bool>>(
    what: &str,
    within: Duration,
    mut holds: impl FnMut() -> F,
) -> Result<()> {
    let end = Instant::now() + within;
    while !holds().await {
        if Instant::now() > end {
            bail!("{what} took longer than {} s", within.as_secs());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}
