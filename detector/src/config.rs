//! The detector's configuration.

use aegis_schemas::Cluster;
use serde::{Deserialize, Serialize};

use crate::scorer;

/// The detector's configuration. The incident core's thresholds are not here: they take effect on the
/// log, through `aegis provision` or `POST /api/v1/configurations`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The cluster whose incidents it finds.
    pub cluster: Cluster,
    /// The partitions of the scorer that this process stands ready for; each has one active holder.
    pub partitions: Vec<u16>,
    /// How the scorer scores.
    pub scorer: scorer::Config,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            cluster: Cluster::parse("demo").expect("a valid name"),
            partitions: vec![0],
            scorer: scorer::Config::default(),
        }
    }
}
