//! How a sum of tails compares with the peaks that this metric usually has.
//!
//! A bursty metric peaks every day, a smooth one never: one threshold serves both only if each is
//! measured against its own peaks. The largest sum of every hundred rows is a block maximum; its
//! distribution is close to Gumbel's (Siffer et al., "Anomaly detection in streams with extreme value
//! theory", KDD 2017, use its neighbour above a threshold). Mean and mean deviation of it are all that
//! is learned, so that no label and no future value is needed.

use serde::{Deserialize, Serialize};

use super::Verdict;

/// Rows of a block.
const BLOCK: u32 = 100;
/// What is known before anything was seen, worth so many blocks: a peak of four decades.
const PRIOR_BLOCKS: f64 = 8.0;
const PRIOR_PEAK: f64 = 4.0;
const PRIOR_DEVIATION: f64 = 3.0;
/// How fast the peaks are followed: half of what is known is from the last 35 blocks.
const RATE: f64 = 0.02;
/// A peak of more than so many deviations teaches no more than that.
const CLIP: f64 = 3.0;
/// Added to the usual peak before a sum is divided by it: a peak of nothing is no measure.
const SHRINK: f64 = 8.0;
/// An anomaly is a peak that one block in ten has by chance: so many deviations above the mean.
const ALARM: f64 = 1.67;
/// It is only the first of its kind: it beats all sums of so many rows before it.
const REST: u32 = 120;

/// The peaks of the past.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Peaks {
    blocks: f64,
    mean: f64,
    deviation: f64,
    rows: u32,
    /// Largest sum of this block.
    top: f64,
    /// Sums that no later one has reached, with the row of each: oldest and largest first.
    record: Vec<(u32, f32)>,
}

impl Default for Peaks {
    fn default() -> Self {
        Self {
            blocks: PRIOR_BLOCKS,
            mean: PRIOR_PEAK,
            deviation: PRIOR_DEVIATION,
            rows: 0,
            top: 0.0,
            record: Vec::new(),
        }
    }
}

impl Peaks {
    /// What `sum` is worth; then learns it.
    pub(super) fn look(&mut self, sum: f64) -> Verdict {
        let is_new = self.is_new_maximum(sum);
        let verdict = Verdict {
            score: SHRINK * sum / (self.mean + SHRINK),
            is_anomalous: is_new && sum > self.mean + ALARM * self.deviation,
        };
        self.top = self.top.max(sum);
        self.rows += 1;
        if self.rows.is_multiple_of(BLOCK) {
            self.close_block();
        }
        verdict
    }

    fn close_block(&mut self) {
        self.blocks += 1.0;
        let rate = RATE.max(1.0 / self.blocks);
        let error = (self.top - self.mean).min(CLIP * self.deviation);
        self.deviation += rate * (error.abs() - self.deviation);
        self.mean += rate * error;
        self.top = 0.0;
    }

    /// Whether `sum` beats all sums of the rest before it.
    fn is_new_maximum(&mut self, sum: f64) -> bool {
        let sum = sum as f32;
        self.record
            .retain(|(row, _)| self.rows.wrapping_sub(*row) <= REST);
        let is_new = self.record.first().is_none_or(|(_, top)| sum > *top);
        while self.record.pop_if(|(_, other)| *other <= sum).is_some() {}
        self.record.push((self.rows, sum));
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::{Peaks, REST};

    #[test]
    fn the_same_sum_is_an_anomaly_where_peaks_are_rare() {
        let [mut calm, mut bursty] = [Peaks::default(), Peaks::default()];
        for row in 0..5000 {
            calm.look(0.5);
            bursty.look(if row % 90 == 0 { 12.0 } else { 0.5 });
        }
        let (calm, bursty) = (calm.look(13.0), bursty.look(13.0));
        assert!(calm.is_anomalous && !bursty.is_anomalous);
        assert!(calm.score > 1.5 * bursty.score);
    }

    #[test]
    fn an_anomaly_is_said_once_until_it_grows_or_the_rest_is_over() {
        let mut peaks = Peaks::default();
        let flags = |peaks: &mut Peaks, sum: f64, rows: u32| {
            (0..rows).filter(|_| peaks.look(sum).is_anomalous).count()
        };
        assert_eq!(flags(&mut peaks, 1.0, 50), 0);
        assert_eq!(flags(&mut peaks, 20.0, REST), 1);
        assert_eq!(flags(&mut peaks, 21.0, 10), 1);
        assert_eq!(flags(&mut peaks, 1.0, REST), 0);
        assert_eq!(flags(&mut peaks, 20.0, 10), 1);
    }
}
