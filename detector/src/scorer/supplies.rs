//! What a workload can run out of: the features that have a limit, each with its trend.

use aegis_schemas::{Blame, Forecast, Timestamp};
use serde::{Deserialize, Serialize};

use super::certificates::Certificates;
use super::features::Prepared;
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
    /// Connections. Neither this nor certificates are written where there are none.
    #[serde(skip_serializing_if = "Exhaustion::is_unknown")]
    pool: Exhaustion,
    #[serde(skip_serializing_if = "Certificates::is_empty")]
    certificates: Certificates,
}

impl Supplies {
    /// Takes row `row` of a batch in, and what its features are by now.
    pub(super) fn look(
        &mut self,
        (row, at): (usize, Timestamp),
        series: &[Prepared<'_>],
        metrics: &[Metric],
    ) {
        self.certificates.look((row, at), series);
        let seconds = at.as_millis() as f64 / 1_000.0;
        for metric in metrics {
            let Some(level) = metric.level else { continue };
            match metric.kind() {
                "memory_utilisation" => self.memory.look(seconds, level),
                "disk_utilisation" => self.disk.look(seconds, level / FULL_DISK),
                "pool_utilisation" => self.pool.look(seconds, level),
                _ => {}
            }
        }
    }

    /// Notes what row `row` tells of certificates, for the next row to see.
    pub(super) fn note(&mut self, (row, at): (usize, Timestamp), series: &[Prepared<'_>]) {
        self.certificates.look((row, at), series);
    }

    /// Whether as many certificates are remembered as may be.
    pub(super) fn is_full(&self) -> bool {
        self.certificates.is_full()
    }

    /// Whether something will run out, as of `at`.
    pub(super) fn run_out(&self, at: Timestamp) -> bool {
        let mut all = [&self.memory, &self.disk, &self.pool].into_iter();
        all.any(|supply| supply.forecast().is_some()) || self.certificates.are_due(at)
    }

    /// The certificates that should have been renewed by `at`, the one that ends first before the others.
    pub(super) fn due(&self, at: Timestamp) -> Vec<Blame> {
        self.certificates.due(at)
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
            "pool_utilisation" => &self.pool,
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
