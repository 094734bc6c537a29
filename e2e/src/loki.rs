//! A real Loki, run with the configuration that Aegis ships.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use aegis::local::children::Running;
use aegis::local::ports;
use aegis_xtask::{root, servers};
use anyhow::{Context, Result};
use reqwest::Url;
use serde::Deserialize;
use tempfile::TempDir;
use tokio::process::Command;

use crate::until;

/// How long it may take until it is ready.
const START: Duration = Duration::from_secs(60);

/// A Loki that keeps what it has when it is killed; all of it ends with this value.
pub struct Loki {
    binary: PathBuf,
    port: u16,
    arguments: Vec<String>,
    running: Option<Running>,
    home: TempDir,
}

/// A line with its labels, structured metadata among them.
#[derive(Clone, Debug)]
pub struct Line {
    /// The labels.
    pub labels: BTreeMap<String, String>,
    /// What it says.
    pub text: String,
}

#[derive(Deserialize)]
struct Answer {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    result: Vec<Found>,
}

#[derive(Deserialize)]
struct Found {
    stream: BTreeMap<String, String>,
    values: Vec<(String, String)>,
}

impl Loki {
    /// Starts one with these arguments besides its configuration; `None` on a machine that cannot have it,
    /// after saying so.
    ///
    /// # Errors
    ///
    /// When it does not start, or cannot be had where `CI` is `true`.
    pub async fn start(arguments: &[&str]) -> Result<Option<Self>> {
        // Whoever runs tests has not chosen a TLS backend yet.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let Some(binary) = tokio::task::spawn_blocking(servers::loki).await?? else {
            return Ok(None);
        };
        let home = tempfile::Builder::new().prefix("aegis-loki-").tempdir()?;
        let mut loki = Self {
            binary,
            port: ports::free()?.local_addr()?.port(),
            arguments: arguments.iter().map(ToString::to_string).collect(),
            running: None,
            home,
        };
        loki.go_on().await?;
        Ok(Some(loki))
    }

    /// Starts it again with what it had, and waits until it is ready.
    ///
    /// # Errors
    ///
    /// When it does not get ready.
    pub async fn go_on(&mut self) -> Result<()> {
        let config = root().join("observability/loki/loki.yaml");
        let grpc = ports::free()?.local_addr()?.port();
        let mut command = Command::new(&self.binary);
        command
            .arg(format!("-config.file={}", config.display()))
            .arg("-config.expand-env=true")
            .args(&self.arguments)
            .env("LOKI_ADDRESS", "127.0.0.1")
            .env("LOKI_PORT", self.port.to_string())
            .env("LOKI_GRPC_PORT", grpc.to_string())
            .env("LOKI_FOLDER", self.home.path());
        let mut running = Running::start("loki", self.home.path(), &mut command)?;
        let ready = format!("{}/ready", self.url());
        let is_ready = || async {
            reqwest::get(&ready)
                .await
                .is_ok_and(|answer| answer.status().is_success())
        };
        tokio::select! {
            done = until("Loki", START, is_ready) => done?,
            how = running.died() => anyhow::bail!(how),
        }
        self.running = Some(running);
        Ok(())
    }

    /// Kills it as `kill -9` does.
    ///
    /// # Errors
    ///
    /// When it does not run.
    pub async fn kill(&mut self) -> Result<()> {
        let running = self.running.take().context("Loki does not run")?;
        running.kill().await;
        Ok(())
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The lines of the last hour that a query finds, at most a thousand.
    ///
    /// # Errors
    ///
    /// When Loki does not answer.
    pub async fn lines(&self, query: &str) -> Result<Vec<Line>> {
        let mut url = Url::parse(&format!("{}/loki/api/v1/query_range", self.url()))?;
        url.query_pairs_mut()
            .append_pair("query", query)
            .append_pair("since", "1h")
            .append_pair("limit", "1000");
        let answer = reqwest::get(url).await?.error_for_status()?.text().await?;
        let answer: Answer = serde_json::from_str(&answer)?;
        let of = |found: Found| {
            let labels = found.stream;
            found.values.into_iter().map(move |(_, text)| Line {
                labels: labels.clone(),
                text,
            })
        };
        Ok(answer.data.result.into_iter().flat_map(of).collect())
    }
}
