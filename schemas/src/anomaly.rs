//! What the scorer finds.

use serde::{Deserialize, Serialize};

use crate::{Entity, EpisodeId, Name, Timestamp};

/// Where in its life an episode is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnomalyPhase {
    /// The score crossed the threshold.
    Opened,
    /// It lasts: said again when it grows, and every so often.
    Grew,
    /// It is calm again, or fell silent.
    Closed,
}

/// How much one feature has to do with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Blame {
    /// The feature, such as `cpu_utilisation` or `error_ratio`.
    pub feature: String,
    /// The pod that stands out from its siblings in this feature, if one does.
    #[serde(default)]
    pub pod: Option<Name>,
    /// What it is.
    pub value: f64,
    /// What it used to be.
    pub expected: f64,
    /// Deviation in robust standard deviations, signed.
    pub deviation: f64,
}

/// An episode in which an entity behaves unlike itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Anomaly {
    /// The episode.
    pub episode: EpisodeId,
    /// The workload or node.
    pub entity: Entity,
    /// Opened, grew, closed.
    pub phase: AnomalyPhase,
    /// When the episode began, by the samples' time.
    pub since: Timestamp,
    /// The time of the newest sample that it rests on.
    pub newest: Timestamp,
    /// -log10 of how unusual the entity's row is.
    pub score: f64,
    /// The score from which an episode is opened.
    pub threshold: f64,
    /// The features to blame, largest first.
    pub blame: Vec<Blame>,
}
