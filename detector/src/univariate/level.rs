//! How far a value is from the level, in standard deviations.
//!
//! Exponentially weighted mean and variance (Roberts, 1959; Lucas and Saccucci, 1990), with surprises
//! clipped before they teach, so that an outlier neither moves the level nor hides the next one.

use serde::{Deserialize, Serialize};

/// How fast level and variance follow: half of what they know is from the last 140 values.
const RATE: f64 = 0.005;
/// A surprise of more than so many deviations teaches no more than that, from this row on.
const CLIP: f64 = 4.0;
const CLIP_FROM: u32 = 200;
/// Rows before there is a deviation.
const WARM: u32 = 10;
/// The smallest standard deviation, as a share of the range that was seen.
const FLOOR: f64 = 0.01;
/// No deviation is larger.
const MOST: f64 = 100.0;

/// Level, variance and range.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Level {
    rows: u32,
    mean: f64,
    variance: f64,
    low: f64,
    high: f64,
}

impl Level {
    /// The signed deviation of `x`; then learns it. The first value is expected to be 0.
    pub(super) fn look(&mut self, x: f64) -> f64 {
        self.low = self.low.min(x);
        self.high = self.high.max(x);
        let spread = self
            .variance
            .max(0.0)
            .sqrt()
            .max(FLOOR * (self.high - self.low));
        let mut error = x - self.mean;
        let deviation = if self.rows < WARM || spread <= 0.0 {
            0.0
        } else {
            (error / spread).clamp(-MOST, MOST)
        };
        if self.rows > CLIP_FROM {
            error = error.clamp(-CLIP * spread, CLIP * spread);
        }
        self.rows = self.rows.saturating_add(1);
        let rate = RATE.max(1.0 / f64::from(self.rows));
        self.mean += rate * error;
        self.variance += rate * (error * error - self.variance);
        deviation
    }
}
