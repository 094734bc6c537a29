//! Hands in what the workloads measure, each once a second at its own moment, and lets one after the other
//! come under load.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use reqwest::{Client, StatusCode};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::remote_write::{Sample, body};
use super::workload::Workload;
use crate::local::now;

/// The distance of samples in the history that is handed in first.
const STEP_S: i64 = 15;
/// How much history: less than what ingest takes for stale.
const HISTORY_S: i64 = 58 * 60;
/// How many requests of history are under way at once.
const AT_ONCE: usize = 4;

/// The workloads, as they are handed in.
#[derive(Clone)]
pub(super) struct Load {
    url: String,
    client: Client,
    workloads: Vec<Arc<Mutex<Workload>>>,
    sent: Arc<AtomicU64>,
}

/// How long a sender tries while nothing is taken.
const PATIENCE: Duration = Duration::from_secs(30);

impl Load {
    /// To that receiver of remote write.
    pub(super) fn new(url: String, workloads: Vec<Workload>) -> Self {
        Self {
            url,
            client: Client::new(),
            workloads: workloads
                .into_iter()
                .map(|one| Arc::new(Mutex::new(one)))
                .collect(),
            sent: Arc::new(AtomicU64::new(0)),
        }
    }

    /// Hands in an hour in which nothing happened: baselines are warm before anything is measured.
    pub(super) async fn history(&self) -> Result<()> {
        let end = now().as_millis();
        let mut tasks = JoinSet::new();
        for workload in &self.workloads {
            let rows = (1..HISTORY_S / STEP_S)
                .rev()
                .map(|back| end - back * STEP_S * 1000);
            let samples: Vec<Sample> = {
                let mut workload = workload.lock().unwrap_or_else(PoisonError::into_inner);
                rows.flat_map(|at| workload.row(at, STEP_S as f64))
                    .collect()
            };
            let load = self.clone();
            tasks.spawn(async move { load.hand_in(&samples).await });
            if tasks.len() >= AT_ONCE {
                joined(tasks.join_next().await)?;
            }
        }
        while let Some(ended) = tasks.join_next().await {
            joined(Some(ended))?;
        }
        Ok(())
    }

    /// Hands in a row of every workload each second, until `stop`.
    pub(super) fn go_on(&self, tasks: &mut JoinSet<Result<()>>, stop: &CancellationToken) {
        let count = self.workloads.len().max(1) as u64;
        for (place, workload) in (0_u64..).zip(&self.workloads) {
            let (load, workload, stop) = (self.clone(), workload.clone(), stop.clone());
            let offset = Duration::from_micros(1_000_000 * place / count);
            tasks.spawn(async move {
                let start = tokio::time::Instant::now() + offset;
                let mut ticks = tokio::time::interval_at(start, Duration::from_secs(1));
                let mut before = now();
                while stop.run_until_cancelled(ticks.tick()).await.is_some() {
                    let at = now();
                    let seconds = at.since(before).as_secs_f64();
                    before = at;
                    let row = workload
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .row(at.as_millis(), seconds);
                    load.hand_in(&row).await?;
                }
                Ok(())
            });
        }
    }

    /// Lets the workload at that place come under load.
    pub(super) fn surge(&self, place: usize) {
        if let Some(workload) = self.workloads.get(place) {
            workload
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .surge = true;
        }
    }

    /// How many samples were taken.
    pub(super) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    async fn hand_in(&self, samples: &[Sample]) -> Result<()> {
        let body = body(samples);
        let begun = Instant::now();
        let answer = loop {
            let request = self
                .client
                .post(&self.url)
                .header("content-type", "application/x-protobuf")
                .header("content-encoding", "snappy")
                .header("x-prometheus-remote-write-version", "0.1.0")
                .body(body.clone());
            let answer = request.send().await.context("ingest does not answer")?;
            // As a sender of Prometheus does: at its start ingest waits for the audit sink's first word.
            let again = answer.status() == StatusCode::SERVICE_UNAVAILABLE;
            if !again || begun.elapsed() > PATIENCE {
                break answer;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        };
        let status = answer.status();
        if !status.is_success() {
            bail!(
                "ingest refused samples ({status}): {}",
                answer.text().await.unwrap_or_default()
            );
        }
        self.sent.fetch_add(samples.len() as u64, Ordering::Relaxed);
        Ok(())
    }
}

fn joined(ended: Option<Result<Result<()>, tokio::task::JoinError>>) -> Result<()> {
    match ended {
        Some(ended) => ended?,
        None => Ok(()),
    }
}
