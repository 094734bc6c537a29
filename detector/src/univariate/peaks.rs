//! How a sum of tails compares with the peaks that this metric usually has.
//!
//! A bursty metric peaks every day, a smooth one never: one threshold serves both only if each is
//! measured against its own peaks. The largest sum of every hundred rows is a block maximum, and block
//! maxima follow Gumbel's distribution (Gumbel, "Statistics of Extremes", 1958; Siffer et al., KDD 2017,
//! detect anomalies with its neighbour above a threshold). Its mean and mean deviation are learned from
//! the blocks that are over: no label, no later value.

use serde::{Deserialize, Serialize};

use crate::vector::Judgement;

/// Rows of a block.
const BLOCK: u32 = 100;
/// What is known before anything was seen, worth so many blocks.
const PRIOR_BLOCKS: f64 = 8.0;
const PRIOR_PEAK: f64 = 4.0;
const PRIOR_DEVIATION: f64 = 3.0;
/// How fast the peaks are followed: half of what is known is from the last 35 blocks.
const RATE: f64 = 0.02;
/// A peak of more than so many deviations teaches no more than that.
const CLIP: f64 = 3.0;
/// Peaks that differ by less than a decade are the same.
const LEAST_SCALE: f64 = 1.0;
/// Euler's constant: how far a Gumbel distribution's mean is above its mode, in scales. Its mean
/// deviation is one scale, but for a hundredth.
const EULER: f64 = 0.577_215_664_901_532_9;
/// An anomaly is what one row in a thousand is by chance.
const ALARM: f64 = 3.0;
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
    pub(super) fn look(&mut self, sum: f64) -> Judgement {
        let is_new = self.is_new_maximum(sum);
        let score = self.unusual(sum);
        let judged = Judgement {
            score,
            anomaly: is_new && score >= ALARM,
        };
        self.top = self.top.max(sum);
        self.rows += 1;
        if self.rows.is_multiple_of(BLOCK) {
            self.close_block();
        }
        judged
    }

    /// -log10 of the share of rows that are as odd: those of a block share the chance of its maximum.
    fn unusual(&self, sum: f64) -> f64 {
        let scale = self.deviation + LEAST_SCALE;
        let above_mode = (sum - self.mean) / scale + EULER;
        (f64::from(BLOCK) * above_mode.exp()).ln_1p() / std::f64::consts::LN_10
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
        assert!(calm.anomaly && !bursty.anomaly);
        assert!(calm.score > bursty.score + 1.0, "{calm:?} {bursty:?}");
    }

    #[test]
    fn an_anomaly_is_said_once_until_it_grows_or_the_rest_is_over() {
        let mut peaks = Peaks::default();
        let flags = |peaks: &mut Peaks, sum: f64, rows: u32| {
            (0..rows).filter(|_| peaks.look(sum).anomaly).count()
        };
        assert_eq!(flags(&mut peaks, 1.0, 50), 0);
        assert_eq!(flags(&mut peaks, 20.0, REST), 1);
        assert_eq!(flags(&mut peaks, 21.0, 10), 1);
        assert_eq!(flags(&mut peaks, 1.0, REST), 0);
        assert_eq!(flags(&mut peaks, 20.0, 10), 1);
    }
}
