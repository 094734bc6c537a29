//! Policy's configuration.

use std::path::PathBuf;

use aegis_schemas::Cluster;
use serde::{Deserialize, Serialize};

/// Policy's configuration. What is allowed is not here: policies and settings take effect on the log,
/// through `aegis provision` or `POST /api/v1/configurations`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The cluster that it decides for.
    pub cluster: Cluster,
    /// The file with the keys that decisions are signed with, of mode 0400 or 0600.
    pub keys_file: PathBuf,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            cluster: Cluster::parse("demo").expect("a valid name"),
            keys_file: PathBuf::from("secrets/decisions.keys"),
        }
    }
}
