//! What a test does to a running installation: kills, pauses and starts again what runs.

use std::time::Duration;

use aegis_nats::failpoint::{self, Point};
use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

use super::{ROLES, Stack};
use crate::{Clock, Proxy};

/// What [`Stack::crash`] calls the NATS server.
pub const NATS: &str = "nats-server";
/// What [`Stack::crash`] calls the database.
pub const POSTGRES: &str = "postgres";

impl Stack {
    /// Kills these roles and servers at the same moment, as `kill -9` does, and starts them again, servers
    /// first. Answers when all of them are ready.
    ///
    /// # Errors
    ///
    /// When one does not run, or does not get ready again.
    pub async fn crash(&mut self, services: &[&str]) -> Result<()> {
        for service in services {
            match *service {
                NATS => self.kill_nats().await?,
                POSTGRES => self.kill_postgres().await?,
                role => self.kill(role).await?,
            }
        }
        if services.contains(&NATS) {
            self.start_nats().await?;
        }
        if services.contains(&POSTGRES) {
            self.start_postgres().await?;
        }
        for role in ROLES.iter().filter(|role| services.contains(role)) {
            self.start_role(role).await?;
        }
        Ok(())
    }

    /// Kills the process of that name as `kill -9` does.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub async fn kill(&mut self, name: &str) -> Result<()> {
        let running = self
            .roles
            .remove(name)
            .with_context(|| format!("no process {name}"))?;
        running.kill().await;
        Ok(())
    }

    /// Starts a role that is to die when it comes to that place. It may do so before it is ready.
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub fn start_to_die(&mut self, role: &'static str, point: Point) -> Result<()> {
        let variables = [(failpoint::VARIABLE, point.as_str())];
        let (running, admin) = self.launch(role, role, &variables)?;
        self.roles.insert(role, running);
        self.admin.insert(role, admin);
        Ok(())
    }

    /// Waits until a role has died by itself, and starts it again.
    ///
    /// # Errors
    ///
    /// When it lives on, or does not get ready again.
    pub async fn restart_dead(&mut self, role: &'static str, within: Duration) -> Result<()> {
        let running = self.roles.get_mut(role);
        let died = running
            .with_context(|| format!("no process {role}"))?
            .died();
        tokio::time::timeout(within, died)
            .await
            .with_context(|| format!("{role} lives on"))?;
        self.start_role(role).await
    }

    /// Stops the process of that name in its tracks, as SIGSTOP does. What it holds it keeps.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn pause(&self, name: &str) -> Result<()> {
        self.signal(name, Signal::STOP)
    }

    /// Lets a paused process go on as if nothing had happened.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn go_on(&self, name: &str) -> Result<()> {
        self.signal(name, Signal::CONT)
    }

    /// A wall clock for the process of that name, which is right until it is set.
    ///
    /// # Errors
    ///
    /// When the library that makes it is missing; says what to install.
    pub fn clock(&self, name: &str) -> Result<Clock> {
        Clock::new(self.place.path().join(format!("{name}.clock")))
    }

    /// Puts a proxy between the API server and whoever is started as `user` from now on.
    ///
    /// # Errors
    ///
    /// When it does not start, or `user` has no kubeconfig.
    pub async fn behind_proxy(&self, user: &str) -> Result<Proxy> {
        let proxy = Proxy::start(self.ports.kubernetes).await?;
        let file = self.kubeconfig(user);
        let text = std::fs::read_to_string(&file)?;
        let here = self.ports.kubernetes.to_string();
        let there = proxy.address().to_string();
        std::fs::write(file, text.replace(&here, &there))?;
        Ok(proxy)
    }

    fn signal(&self, name: &str, signal: Signal) -> Result<()> {
        let running = self
            .roles
            .get(name)
            .with_context(|| format!("no process {name}"))?;
        let id = running.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let id = id.with_context(|| format!("{name} ended"))?;
        kill_process(id, signal).with_context(|| format!("cannot signal {name}"))
    }

    /// Kills nats-server as `kill -9` does; its store stays.
    ///
    /// # Errors
    ///
    /// When it does not run.
    pub async fn kill_nats(&mut self) -> Result<()> {
        let nats = self.nats.take().context("nats-server does not run")?;
        nats.kill().await.context("nats-server")
    }

    /// Stops nats-server in order; its store stays.
    ///
    /// # Errors
    ///
    /// When it does not run.
    pub async fn stop_nats(&mut self) -> Result<()> {
        let nats = self.nats.take().context("nats-server does not run")?;
        nats.stop().await.context("nats-server")
    }

    /// Kills PostgreSQL as `kill -9` does; its data stays.
    ///
    /// # Errors
    ///
    /// When it does not run.
    pub async fn kill_postgres(&mut self) -> Result<()> {
        let postgres = self.postgres.take().context("PostgreSQL does not run")?;
        postgres.kill().await;
        Ok(())
    }
}
