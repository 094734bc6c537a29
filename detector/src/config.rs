//! The detector's configuration.

use std::path::PathBuf;

use aegis_schemas::{Cluster, Digest};
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
    /// A model of failure kinds, asked where the rules are not sure. Without one they speak alone.
    pub model: Option<ModelFile>,
}

/// A file that `aegis train` made, of incidents that `aegis simulate incidents --as-seen` wrote or operators
/// labelled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFile {
    /// The file.
    pub file: PathBuf,
    /// Its digest as `aegis train` printed it: another model is refused.
    pub sha256: Digest,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            cluster: Cluster::parse("demo").expect("a valid name"),
            partitions: vec![0],
            scorer: scorer::Config::default(),
            model: None,
        }
    }
}
