//! What a test does to a running installation: kills, pauses and starts again what runs.

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

use super::Stack;

impl Stack {
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
