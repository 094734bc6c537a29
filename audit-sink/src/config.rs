//! What an operator can set.

use std::path::PathBuf;
use std::time::Duration;

use jiff::fmt::serde::unsigned_duration::friendly::compact::required as friendly;
use serde::{Deserialize, Serialize};

use crate::loki;

/// Configuration of the audit sink.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// A file with the URL of the database, password included: `postgres://aegis_audit:…@host/aegis`.
    pub database_url_file: PathBuf,
    /// The key that checkpoints are signed with; only its owner may read the file.
    pub signing_key_file: PathBuf,
    /// The name of this log in its checkpoints: a host and path of your own, such as
    /// `example.org/aegis/production`. The key carries the same name.
    pub origin: String,
    /// The most messages of one transaction.
    pub batch: usize,
    /// How long a batch waits for more messages.
    #[serde(with = "friendly")]
    pub linger: Duration,
    /// How often a new head is signed.
    #[serde(with = "friendly")]
    pub checkpoint_every: Duration,
    /// How often the health is said.
    #[serde(with = "friendly")]
    pub health_every: Duration,
    /// Where a copy for searching goes, if anywhere.
    pub loki: loki::Config,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            database_url_file: PathBuf::from("audit-sink.database-url"),
            signing_key_file: PathBuf::from("audit-sink.key"),
            origin: "aegis.local/audit".to_owned(),
            batch: 1_000,
            linger: Duration::from_millis(20),
            checkpoint_every: Duration::from_millis(500),
            health_every: Duration::from_secs(5),
            loki: loki::Config::default(),
        }
    }
}

impl Config {
    /// What is wrong with it.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if !(1..=1_000).contains(&self.batch) {
            faults.push(format!("`batch` is {}, it must be 1 to 1000", self.batch));
        }
        if !crate::checkpoint::is_key_name(&self.origin) {
            faults.push(format!(
                "`origin` is `{}`, it must be a name without spaces and `+`",
                self.origin
            ));
        }
        if self.checkpoint_every.is_zero() || self.checkpoint_every > Duration::from_secs(1) {
            faults.push("`checkpoint_every` must be at most 1s".to_owned());
        }
        if self.health_every.is_zero() || self.health_every > Duration::from_secs(10) {
            faults.push(
                "`health_every` must be at most 10s: others stop acting after 30s".to_owned(),
            );
        }
        faults.extend(self.loki.faults());
        faults
    }
}
