//! `aegis bench`: measurements in the shipped configuration, of the pipeline on real servers and of the
//! detector's core alone.

mod chain;
mod cluster;
pub mod detector;
mod floor;
mod gateway;
mod latency;
mod load;
mod remote_write;
mod workload;

use anyhow::Result;
use clap::Subcommand;

use crate::config::Config;

/// Measures.
#[derive(Debug, Subcommand)]
pub enum Bench {
    /// From a metric that is handed in to the act that it leads to, accepted by the API server.
    ///
    /// Starts nats-server, PostgreSQL, every service, and a simulated API server. Workloads are handed in over
    /// Prometheus remote write, at 1,000 samples a second together; one after the other comes under load
    /// and is scaled out. Each act is led back over the audit log to the metric that caused it. Beside it
    /// stands the floor: messages of the same sizes over as many hops through JetStream alone, while the
    /// same load goes on.
    #[command(
        after_help = "Examples:\n  aegis bench latency\n  aegis bench latency --samples 20 --json"
    )]
    Latency(latency::Latency),
    /// What the gateway answers in a second, beside handlers that do the same with nothing around it.
    ///
    /// Starts nats-server, PostgreSQL, the audit sink and the gateway, stores incidents, and asks as people
    /// and programs do: published metrics, the list of incidents, one incident, and both as pages. Then it
    /// opens many streams of events and says when the last of them heard of an incident.
    #[command(
        after_help = "Examples:\n  aegis bench gateway\n  aegis bench gateway --incidents 10000 --json"
    )]
    Gateway(gateway::Gateway),
    /// The handlers with nothing around them, for `bench gateway`.
    #[command(hide = true)]
    Bare(gateway::Bare),
    /// Rows a second of one core that the detector judges and learns, and the bytes that it remembers.
    ///
    /// In memory, without servers: one stream of 1, 8 and 38 metrics, and ten thousand streams that take
    /// turns, so that none of them is in the cache. Rows are made up; nothing else may run meanwhile.
    #[command(
        after_help = "Examples:\n  aegis bench detector\n  aegis bench detector --rows 1000000 --json"
    )]
    Detector(detector::Detector),
}

impl Bench {
    /// Does it.
    ///
    /// # Errors
    ///
    /// When something does not start, or too little happened to say anything.
    pub async fn run(self, config: impl FnOnce() -> Result<Config>) -> Result<()> {
        match self {
            Self::Latency(latency) => latency.run().await,
            Self::Gateway(gateway) => gateway.run().await,
            Self::Bare(bare) => bare.run(&config()?).await,
            Self::Detector(detector) => detector.run(),
        }
    }
}
