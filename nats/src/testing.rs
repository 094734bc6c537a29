//! A real server in a temporary folder, provisioned, with every user's key: for tests.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;
use zeroize::Zeroizing;

use crate::provision::provision;
use crate::server::{ServerProcess, User, configuration, free_port};
use crate::topology::Settings;
use crate::{Bus, Error, Options, Service, keys};

/// A server that ends with this value.
pub struct TestServer {
    settings: Settings,
    seeds: BTreeMap<Service, Zeroizing<String>>,
    configuration: String,
    listen: SocketAddr,
    directory: TempDir,
    process: Option<ServerProcess>,
}

impl TestServer {
    /// Starts and provisions a server with small streams.
    ///
    /// # Errors
    ///
    /// When there is no nats-server, or it does not start.
    pub async fn start() -> Result<Self, Error> {
        Self::with(Settings {
            storage_bytes: 256 << 20,
            publishers: vec!["outside".to_owned()],
            ..Settings::default()
        })
        .await
    }

    /// Starts and provisions a server with these settings.
    ///
    /// # Errors
    ///
    /// When there is no nats-server, or it does not start.
    pub async fn with(settings: Settings) -> Result<Self, Error> {
        let server = Self::bare(settings).await?;
        let provisioner = server.bus(Service::Provisioner).await?;
        provision(&provisioner, &server.settings, 1).await?;
        Ok(server)
    }

    /// Starts a server on which nothing is made yet.
    ///
    /// # Errors
    ///
    /// When there is no nats-server, or it does not start.
    pub async fn bare(settings: Settings) -> Result<Self, Error> {
        let directory = tempfile::tempdir().map_err(|source| Error::Io {
            what: "cannot make a temporary folder".to_owned(),
            source,
        })?;
        let mut seeds = BTreeMap::new();
        let mut users = Vec::new();
        for service in settings.services() {
            let (seed, public_key) = keys::new_seed()?;
            seeds.insert(service.clone(), seed);
            users.push(User {
                service,
                public_key,
            });
        }
        let mut server = Self {
            settings,
            seeds,
            configuration: String::new(),
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            directory,
            process: None,
        };
        // Another process may take the port between the choice and the start.
        let mut tries = 0;
        loop {
            server.listen = (Ipv4Addr::LOCALHOST, free_port()?).into();
            let store = server.store_dir();
            server.configuration = configuration(&server.settings, &users, server.listen, &store);
            tries += 1;
            match server.resume().await {
                Ok(()) => return Ok(server),
                Err(error) if tries == 3 => return Err(error),
                Err(_) => {}
            }
        }
    }

    /// A connection as `service`.
    ///
    /// # Errors
    ///
    /// When the server does not take it.
    pub async fn bus(&self, service: Service) -> Result<Bus, Error> {
        Bus::connect(self.options(service)?).await
    }

    /// How to connect as `service`.
    ///
    /// # Errors
    ///
    /// When the server has no such user.
    pub fn options(&self, service: Service) -> Result<Options, Error> {
        let seed = self
            .seeds
            .get(&service)
            .ok_or_else(|| Error::Settings(format!("`{service}` is no user of this server")))?;
        Ok(Options {
            url: self.url(),
            service,
            seed: seed.clone(),
            connect_timeout: Duration::from_secs(10),
        })
    }

    /// What it was provisioned with.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://{}", self.listen)
    }

    /// Where it stores its streams.
    #[must_use]
    pub fn store_dir(&self) -> PathBuf {
        self.directory.path().join("store")
    }

    /// Kills the server and leaves what it stored.
    ///
    /// # Errors
    ///
    /// When it cannot be killed.
    pub async fn crash(&mut self) -> Result<(), Error> {
        match self.process.take() {
            Some(process) => process.kill().await,
            None => Ok(()),
        }
    }

    /// Starts the server again on what it stored.
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub async fn resume(&mut self) -> Result<(), Error> {
        let directory = self.directory.path();
        let process = ServerProcess::start(&self.configuration, directory, self.listen).await?;
        self.process = Some(process);
        Ok(())
    }
}
