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

/// When what is used of something limited will be all of it, if it goes on like this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forecast {
    /// Seconds from the newest sample until then.
    pub seconds: u64,
    /// At the soonest.
    pub earliest: u64,
    /// At the latest.
    pub latest: u64,
    /// How much of what was seen agrees, in thousandths.
    pub confidence: u16,
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
    /// When it will be at its limit, if it rises steadily towards it. Not written when there is none, so
    /// that the bytes of earlier versions stay what they were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forecast: Option<Forecast>,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec;

    #[test]
    fn a_forecast_is_read_back_and_takes_no_byte_when_there_is_none() {
        let without = Blame {
            feature: "memory_utilisation".to_owned(),
            pod: None,
            value: 0.6,
            expected: 0.5,
            deviation: 2.0,
            forecast: None,
        };
        let with = Blame {
            forecast: Some(Forecast {
                seconds: 2_400,
                earliest: 1_900,
                latest: 3_300,
                confidence: 900,
            }),
            ..without.clone()
        };
        for (blame, written) in [(without, false), (with, true)] {
            let bytes = codec::encode(&blame).expect("it can be written");
            let named = bytes.windows(8).any(|part| part == b"forecast");
            assert_eq!(named, written);
            let read: Blame = codec::decode(&bytes).expect("it can be read");
            assert_eq!(read, blame);
        }
    }
}
