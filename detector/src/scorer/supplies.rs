//! What a workload can run out of: the features that have a limit, each with its trend.

use aegis_schemas::{Forecast, Timestamp};
use serde::{Deserialize, Serialize};

use super::metric::Metric;
use crate::forecast::Exhaustion;

/// What is remembered of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Supplies {
    memory: Exhaustion,
    disk: Exhaustion,
}

impl Supplies {
    /// Takes the newest row in.
    pub(super) fn look(&mut self, at: Timestamp, metrics: &[Metric]) {
        let seconds = at.as_millis() as f64 / 1_000.0;
        for metric in metrics {
            let supply = match metric.kind() {
                "memory_utilisation" => &mut self.memory,
                "disk_utilisation" => &mut self.disk,
                _ => continue,
            };
            if let Some(level) = metric.level {
                supply.look(seconds, level);
            }
        }
    }

    /// Whether something will run out.
    pub(super) fn run_out(&self) -> bool {
        self.memory.forecast().is_some() || self.disk.forecast().is_some()
    }

    /// When `feature` will be at its limit.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "neither negative nor beyond an hour, but for `latest`, which saturates"
    )]
    pub(super) fn forecast(&self, feature: &str) -> Option<Forecast> {
        let supply = match feature {
            "memory_utilisation" => &self.memory,
            "disk_utilisation" => &self.disk,
            _ => return None,
        };
        supply.forecast().map(|found| Forecast {
            seconds: found.seconds as u64,
            earliest: found.earliest as u64,
            latest: found.latest as u64,
            confidence: (found.confidence * 1_000.0) as u16,
        })
    }
}
