//! How a running installation is: whether it is ready, and whether it has done all that there is to do.

use std::time::Duration;

use aegis_audit_sink::read::Reader;
use aegis_nats::topology::Durable;
use aegis_nats::{Backlog, Bus, Service};
use anyhow::{Context, Result};
use tokio::time::Instant;

use super::roles::is_ready;
use super::{START, Stack, until};

impl Stack {
    /// Whether every process that runs says that it is ready.
    pub async fn is_ready(&self) -> bool {
        for name in self.roles.keys() {
            match self.admin.get(name) {
                Some(admin) if is_ready(admin).await => {}
                _ => return false,
            }
        }
        true
    }

    /// What the process of that name measures, in the text form of Prometheus.
    ///
    /// # Errors
    ///
    /// When there is none, or it does not answer.
    pub async fn metrics(&self, name: &str) -> Result<String> {
        let admin = self
            .admin
            .get(name)
            .with_context(|| format!("no process {name}"))?;
        let answer = reqwest::get(format!("http://{admin}/metrics")).await?;
        Ok(answer.error_for_status()?.text().await?)
    }

    /// A connection to the bus as `service`.
    ///
    /// # Errors
    ///
    /// When the server does not take it.
    pub async fn bus(&self, service: Service) -> Result<Bus> {
        let seeds = self.installation().join(&self.config.bus.keys_dir);
        let seed = std::fs::read_to_string(seeds.join(format!("{service}.seed")))?;
        let options = aegis_nats::Options {
            url: self.config.bus.url.clone(),
            service,
            seed: seed.trim().to_owned().into(),
            connect_timeout: START,
        };
        Ok(Bus::connect(options).await?)
    }

    /// A reader of the audit log.
    ///
    /// # Errors
    ///
    /// When PostgreSQL does not answer.
    pub async fn reader(&self) -> Result<Reader> {
        let url = self
            .installation()
            .join(&self.config.audit.database_url_file);
        Ok(Reader::connect_file(&url).await?)
    }

    /// Waits until every process is ready and every consumer that one of them reads was seen with nothing
    /// unread; answers how long that took. What was given to a process that died is not unread: see [`Stack::at_rest`].
    ///
    /// # Errors
    ///
    /// When it takes longer; says who is behind.
    pub async fn steady(&self, bus: &Bus, within: Duration) -> Result<Duration> {
        let begun = Instant::now();
        until("every process to be ready", within, || self.is_ready()).await?;
        let left = within.saturating_sub(begun.elapsed());
        self.each_consumer(bus, left, |backlog| backlog.unread == 0)
            .await
            .context("not steady")?;
        Ok(begun.elapsed())
    }

    /// Waits until every consumer was seen with nothing in hand: what was given to a process that died
    /// comes again after the consumer's `ack_wait`. Answers how long that took.
    ///
    /// # Errors
    ///
    /// When it takes longer; says who still has something in hand.
    pub async fn at_rest(&self, bus: &Bus, within: Duration) -> Result<Duration> {
        let begun = Instant::now();
        self.each_consumer(bus, within, |backlog| backlog.unacknowledged == 0)
            .await
            .context("not at rest")?;
        Ok(begun.elapsed())
    }

    async fn each_consumer(
        &self,
        bus: &Bus,
        within: Duration,
        is_well: impl Fn(Backlog) -> bool,
    ) -> Result<()> {
        let end = Instant::now() + within;
        for durable in Durable::all(&self.config.topology) {
            let reader = durable.service.as_str();
            if !self.roles.keys().any(|name| name.starts_with(reader)) {
                continue;
            }
            let left = end.saturating_duration_since(Instant::now());
            let what = format!("{} of {}", durable.name, durable.stream);
            until(&what, left, || async {
                bus.backlog(&durable).await.is_ok_and(&is_well)
            })
            .await?;
        }
        Ok(())
    }
}
