//! The broker alone: a nats-server with the configuration and the keys that `aegis init` wrote, provisioned,
//! and nobody on it but those who try what they may do.

pub mod matrix;
pub mod probes;
pub mod wire;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use aegis::config::Config;
use aegis_nats::server::ServerProcess;
use aegis_nats::topology::Settings;
use aegis_nats::{Bus, Service, check, provision};
use aegis_schemas::{Cluster, Stream};
use aegis_xtask::servers::Servers;
use anyhow::Result;
use serde_json::{Value, json};
use tempfile::TempDir;

use wire::Wire;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(30);

/// Where in its folder the installation is.
const INSTALLATION: &str = "aegis";

/// A running nats-server; it ends with this value.
pub struct Broker {
    config: Config,
    _server: ServerProcess,
    // The folder goes last.
    home: TempDir,
}

impl Broker {
    /// Starts the server for the installation that [`matrix`] speaks of: two clusters, two partitions of
    /// the scorer, two outside publishers.
    ///
    /// # Errors
    ///
    /// When it does not start or cannot be provisioned.
    pub async fn start() -> Result<Self> {
        let servers = tokio::task::spawn_blocking(Servers::obtain).await??;
        let home = tempfile::Builder::new().prefix("aegis-e2e-").tempdir()?;
        let listen = aegis::local::ports::free()?.local_addr()?;
        let installation = home.path().join(INSTALLATION);
        let config = installation_config(listen)?;
        aegis::init::make(&installation, &config, listen)?;
        let text = std::fs::read_to_string(installation.join("nats-server.conf"))?;
        let server =
            ServerProcess::start_binary(&servers.nats_server, &text, &installation, listen).await?;
        let broker = Self {
            config,
            _server: server,
            home,
        };
        let provisioner = broker.bus(Service::Provisioner).await?;
        provision::provision(&provisioner, broker.settings(), 1).await?;
        Ok(broker)
    }

    /// What the installation chose.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.config.topology
    }

    fn installation(&self) -> PathBuf {
        self.home.path().join(INSTALLATION)
    }

    /// Every user of the server.
    #[must_use]
    pub fn users(&self) -> Vec<Service> {
        self.settings().services()
    }

    /// The connection that a service itself makes.
    ///
    /// # Errors
    ///
    /// When the server does not take it.
    pub async fn bus(&self, service: Service) -> Result<Bus> {
        let options = aegis_nats::Options {
            url: self.config.bus.url.clone(),
            seed: wire::seed(&self.installation(), &self.config.bus, &service)?.into(),
            service,
            connect_timeout: CONNECT,
        };
        Ok(Bus::connect(options).await?)
    }

    /// A connection with the key of `service` and nothing that holds it back: what an intruder would use.
    ///
    /// # Errors
    ///
    /// When the server does not take it.
    pub async fn wire(&self, service: &Service) -> Result<Wire> {
        Wire::of(&self.installation(), &self.config.bus, service).await
    }

    /// Whether all streams and consumers are still what was declared.
    ///
    /// # Errors
    ///
    /// Every difference, a sentence each.
    pub async fn as_declared(&self) -> Result<(), Vec<String>> {
        let doctor = self.bus(Service::Doctor).await;
        let doctor = doctor.map_err(|error| vec![format!("{error:#}")])?;
        check::check(&doctor, self.settings()).await
    }

    /// How many messages the stream of that name holds on each subject.
    ///
    /// # Errors
    ///
    /// When the server does not answer.
    pub async fn stored(&self, stream: &str) -> Result<Vec<(String, u64)>> {
        stored(&mut self.wire(&Service::Doctor).await?, stream).await
    }

    /// How many messages AEGIS_EVENTS holds on `subject`.
    ///
    /// # Errors
    ///
    /// When the server does not answer.
    pub async fn events_on(&self, subject: &str) -> Result<u64> {
        let stored = self.stored(Stream::Events.name()).await?;
        let on = |(name, _): &&(String, u64)| name == subject;
        Ok(stored.iter().find(on).map_or(0, |(_, count)| *count))
    }
}

/// How many messages the stream of that name holds on each subject, asked as the doctor.
///
/// # Errors
///
/// When the server does not answer.
pub async fn stored(doctor: &mut Wire, stream: &str) -> Result<Vec<(String, u64)>> {
    let subject = format!("$JS.API.STREAM.INFO.{stream}");
    let answer = doctor
        .ask(&subject, &json!({"subjects_filter": ">"}))
        .await?;
    let subjects = answer["state"]["subjects"].as_object().cloned();
    let count = |(subject, count): (String, Value)| (subject, count.as_u64().unwrap_or(0));
    Ok(subjects
        .unwrap_or_default()
        .into_iter()
        .map(count)
        .collect())
}

fn installation_config(listen: SocketAddr) -> Result<Config> {
    let clusters = matrix::CLUSTERS.map(Cluster::parse);
    let clusters = clusters.into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut config = aegis::init::installation(&clusters[0]);
    config.bus.url = format!("nats://{listen}");
    config.topology.clusters = clusters;
    config.topology.partitions = matrix::PARTITIONS;
    config.ingest.partitions = matrix::PARTITIONS;
    config.topology.publishers = matrix::PUBLISHERS.map(str::to_owned).to_vec();
    Ok(config)
}
