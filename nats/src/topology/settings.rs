//! What an installation may choose.

use aegis_schemas::Cluster;
use serde::{Deserialize, Serialize};

use crate::{Error, Service};

/// The few choices from which all streams, consumers and users follow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Bytes of disk that JetStream may fill; every stream gets its share.
    pub storage_bytes: u64,
    /// Copies of each stream: 1, or 3 in a cluster of servers.
    pub replicas: usize,
    /// Partitions of the scorer.
    pub partitions: u16,
    /// The clusters that are watched.
    pub clusters: Vec<Cluster>,
    /// Names of other systems that may hand in on AEGIS_INTAKE.
    pub publishers: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            storage_bytes: 1 << 30,
            replicas: 1,
            partitions: 1,
            clusters: vec![Cluster::parse("demo").expect("a valid name, written here")],
            publishers: Vec::new(),
        }
    }
}

impl Settings {
    /// Says everything that contradicts itself.
    ///
    /// # Errors
    ///
    /// One sentence per mistake.
    pub fn validate(&self) -> Result<(), Error> {
        let mut mistakes = Vec::new();
        if self.storage_bytes < 64 << 20 {
            mistakes.push("`storage_bytes` must be at least 64 MiB".to_owned());
        }
        if !matches!(self.replicas, 1 | 3 | 5) {
            mistakes.push("`replicas` must be 1, 3 or 5".to_owned());
        }
        if self.partitions == 0 {
            mistakes.push("`partitions` must be at least 1".to_owned());
        }
        if self.clusters.is_empty() {
            mistakes.push("`clusters` must name at least one cluster".to_owned());
        }
        let mut tokens: Vec<_> = self
            .clusters
            .iter()
            .map(|cluster| super::token(cluster.as_str()))
            .collect();
        tokens.sort_unstable();
        tokens.dedup();
        if tokens.len() != self.clusters.len() {
            mistakes.push("`clusters` must not name a cluster twice".to_owned());
        }
        for name in &self.publishers {
            let reserved = Service::ALL.iter().any(|service| service.as_str() == name);
            let token = !name.is_empty()
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
            if reserved || !token {
                mistakes.push(format!(
                    "publisher `{name}` must be letters, digits, `-` and `_`, and not a service of Aegis"
                ));
            }
        }
        if mistakes.is_empty() {
            Ok(())
        } else {
            Err(Error::Settings(mistakes.join("; ")))
        }
    }

    /// Every user that the server knows.
    #[must_use]
    pub fn services(&self) -> Vec<Service> {
        let outside = self.publishers.iter().cloned().map(Service::Publisher);
        Service::ALL.into_iter().chain(outside).collect()
    }
}
