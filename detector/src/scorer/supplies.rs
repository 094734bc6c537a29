//! What a workload can run out of: the features that have a limit, each with its trend.

use aegis_schemas::{Forecast, Timestamp};
use serde::{Deserialize, Serialize};

use super::metric::Metric;
use crate::forecast::Exhaustion;

/// From which use of its disk on a node evicts pods: a kubelet's default for `nodefs.available` is a tenth.
/// What others wrote there is not known, so a disk is full at the latest when it is said to be.
const FULL_DISK: f64 = 0.9;

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
            let Some(level) = metric.level else { continue };
            match metric.kind() {
                "memory_utilisation" => self.memory.look(seconds, level),
                "disk_utilisation" => self.disk.look(seconds, level / FULL_DISK),
                _ => {}
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
        reason = "neither negative nor beyond a few hours"
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
