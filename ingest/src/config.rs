//! ingest's configuration.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use aegis_schemas::Cluster;
use jiff::fmt::serde::unsigned_duration::friendly::compact::required as friendly;
use serde::{Deserialize, Serialize};

/// ingest's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The cluster that is watched and whose metrics arrive.
    pub cluster: Cluster,
    /// How many partitions AEGIS_METRICS has: `topology.partitions`.
    pub partitions: u16,
    /// Whether Kubernetes is watched. Without it only metrics that name their workload can be mapped.
    pub watch: bool,
    /// How to reach Kubernetes; without it `KUBECONFIG`, `~/.kube/config` or the pod's own account.
    pub kubeconfig: Option<PathBuf>,
    /// Where Prometheus remote write is taken, at `/api/v1/write`.
    pub listen: SocketAddr,
    /// The most bytes of a remote write request once decompressed.
    pub max_decoded_bytes: usize,
    /// What is older than this is refused.
    #[serde(with = "friendly")]
    pub max_sample_age: Duration,
    /// How far ahead of this clock a sample may be.
    #[serde(with = "friendly")]
    pub max_sample_ahead: Duration,
    /// How often a heartbeat is said.
    #[serde(with = "friendly")]
    pub heartbeat: Duration,
    /// How often every object's state is said again.
    #[serde(with = "friendly")]
    pub restate: Duration,
    /// Targets that are scraped.
    pub scrape: Vec<Target>,
    /// History that the scorer learns from before the first live sample.
    pub backfill: Backfill,
}

/// A target that is scraped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Its name in `source` and in metrics.
    pub name: String,
    /// Its page in the Prometheus text format.
    pub url: String,
    /// How often.
    #[serde(with = "friendly", default = "quarter_minute")]
    pub interval: Duration,
    /// Labels for series that do not have them, such as `namespace`.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// History from a Prometheus-compatible server, read once per log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Backfill {
    /// The server, such as `http://prometheus:9090`.
    pub prometheus_url: Option<String>,
    /// How far back; 0 for no backfill.
    #[serde(with = "friendly")]
    pub window: Duration,
    /// The distance of samples.
    #[serde(with = "friendly")]
    pub step: Duration,
    /// The metrics that are read.
    pub metrics: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            cluster: Cluster::parse("demo").expect("a valid name"),
            partitions: 1,
            watch: true,
            kubeconfig: None,
            listen: SocketAddr::from(([127, 0, 0, 1], 9091)),
            max_decoded_bytes: 8 << 20,
            max_sample_age: Duration::from_secs(3600),
            max_sample_ahead: Duration::from_secs(300),
            heartbeat: Duration::from_secs(5),
            restate: Duration::from_secs(3600),
            scrape: Vec::new(),
            backfill: Backfill::default(),
        }
    }
}

impl Default for Backfill {
    fn default() -> Self {
        let metrics = [
            "container_cpu_usage_seconds_total",
            "container_memory_working_set_bytes",
            "container_fs_usage_bytes",
            "container_fs_limit_bytes",
            "container_network_receive_packets_total",
            "container_network_receive_packets_dropped_total",
            "kube_pod_container_resource_limits",
            "node_cpu_usage_seconds_total",
            "node_memory_working_set_bytes",
            "kube_node_status_allocatable",
            "http_requests_total",
            "http_request_duration_seconds_bucket",
            "http_request_duration_seconds_sum",
            "http_request_duration_seconds_count",
            "http_client_requests_total",
            "http_client_request_duration_seconds_sum",
            "http_client_request_duration_seconds_count",
        ];
        Self {
            prometheus_url: None,
            window: Duration::ZERO,
            step: Duration::from_secs(15),
            metrics: metrics.map(str::to_owned).to_vec(),
        }
    }
}

/// Others take a minute without a heartbeat for a time in which nobody looked.
const MAX_HEARTBEAT: Duration = Duration::from_secs(30);

impl Config {
    /// What is wrong with it, a sentence each.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.partitions == 0 {
            faults.push("`partitions` must be at least 1".to_owned());
        }
        for (name, length) in [("heartbeat", self.heartbeat), ("restate", self.restate)] {
            if length < Duration::from_millis(100) {
                faults.push(format!("`{name}` must be at least 100ms"));
            }
        }
        if self.heartbeat > MAX_HEARTBEAT {
            faults.push("`heartbeat` must be at most 30s: time passes with it".to_owned());
        }
        let mut names: Vec<&str> = self.scrape.iter().map(|one| one.name.as_str()).collect();
        names.sort_unstable();
        if names.windows(2).any(|pair| pair[0] == pair[1]) {
            faults.push("`scrape` has two targets of one name".to_owned());
        }
        for target in &self.scrape {
            let http = ["http://", "https://"];
            if !http.iter().any(|scheme| target.url.starts_with(scheme)) {
                faults.push(format!(
                    "`scrape.url` of `{}` must begin with `http://` or `https://`",
                    target.name
                ));
            }
            if target.name.is_empty() || target.interval < Duration::from_millis(100) {
                faults.push(format!(
                    "target `{}` needs a name and an `interval` of at least 100ms",
                    target.name
                ));
            }
        }
        let backfill = &self.backfill;
        if backfill.is_wanted() && backfill.step < Duration::from_secs(1) {
            faults.push("`backfill.step` must be at least 1s".to_owned());
        }
        if !backfill.window.is_zero() && backfill.prometheus_url.is_none() {
            faults.push("`backfill.window` needs a `backfill.prometheus_url`".to_owned());
        }
        faults
    }
}

impl Backfill {
    /// Whether there is something to read.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.prometheus_url.is_some() && !self.window.is_zero()
    }
}

fn quarter_minute() -> Duration {
    Duration::from_secs(15)
}
