//! The executor's configuration.

use std::path::PathBuf;
use std::time::Duration;

use aegis_schemas::Cluster;
use serde::{Deserialize, Serialize};

/// The executor's configuration.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The cluster that it acts on.
    pub cluster: Cluster,
    /// The file with the keys that decisions are signed with; only its owner may read it.
    pub keys_file: PathBuf,
    /// How to reach the API server; without it the pod's service account, else `~/.kube/config`.
    pub kubeconfig: Option<PathBuf>,
    /// The namespace that Aegis runs in: annotated `aegis.dev/halt=true`, it stops every act.
    pub own_namespace: String,
    /// How long one request to the API server may take.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub request_timeout: Duration,
    /// How long the write may take, counted from the last look at the kill switch: what the kill switch
    /// comes too late for happens within this time, or never.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub write_timeout: Duration,
    /// What it refuses whatever the decision says.
    pub limits: Limits,
}

/// What the executor refuses whatever the decision says: a last resort, far above what policy allows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Acts a minute, undo aside.
    pub max_acts_per_minute: u32,
    /// Pods that may be taken down in ten minutes, by the decisions' own word, undo aside.
    pub max_pods_per_ten_minutes: u32,
    /// The largest number of replicas that it sets.
    pub max_replicas: i32,
    /// How old the oldest event may be that is not yet in the audit log.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub audit_max_lag: Duration,
    /// How much of what the streams may hold may be missing in the audit log, from 0 to 100.
    pub audit_max_fill_percent: u8,
    /// How old the audit sink's last word on that may be.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub audit_max_silence: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            cluster: Cluster::parse("default").expect("a valid name"),
            keys_file: PathBuf::from("secrets/decisions.keys"),
            kubeconfig: None,
            own_namespace: "aegis".to_owned(),
            request_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_millis(500),
            limits: Limits::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_acts_per_minute: 10,
            max_pods_per_ten_minutes: 100,
            max_replicas: 100,
            audit_max_lag: Duration::from_secs(3600),
            audit_max_fill_percent: 25,
            audit_max_silence: Duration::from_secs(30),
        }
    }
}
