//! What is usual for one column: a mean and a scale that follow slowly, how far off a value is, and
//! short averages of that.
//!
//! Exponentially weighted mean and variance (Roberts, Technometrics 1959) with clipped updates. A scale
//! has a floor, so that a column that never moved does not cry at its first wink: one in the column's own
//! unit where that is known, a part of the range seen elsewhere, since units are arbitrary.

use serde::{Deserialize, Serialize};

/// The part of the range seen below which no scale falls.
const RANGE_PART: f64 = 0.01;
/// Rates of the three short averages of the deviation.
const RATES: [f64; 3] = [0.5, 0.1, 0.03];
/// The largest deviation that goes into them.
const AVERAGED: f64 = 20.0;

/// How carefully a column learns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Rows before it has deviations at all: start-up spikes would poison tails for hours.
    pub(crate) quiet_rows: u32,
    /// Rows before surprises are clipped: until then the scale is not known.
    pub(crate) learn_rows: u32,
    /// A surprise of more than so many scales teaches the mean no more than that,
    pub(crate) clip: f64,
    /// and the scale no more than this.
    pub(crate) spread_clip: f64,
}

/// The past of one column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Column {
    /// The smallest scale, if it is known in the column's own unit.
    floor: Option<f64>,
    rows: u32,
    mean: f64,
    variance: f64,
    low: f64,
    high: f64,
    averages: [f64; 3],
    /// How far the newest value is from what is usual, in scales.
    pub(crate) deviation: f64,
}

impl Column {
    /// A column that was never seen. Without a `floor` its scale is at least a hundredth of the range seen.
    pub(crate) const fn new(floor: Option<f64>) -> Self {
        Self {
            floor,
            rows: 0,
            mean: 0.0,
            variance: 0.0,
            low: f64::INFINITY,
            high: f64::NEG_INFINITY,
            averages: [0.0; 3],
            deviation: 0.0,
        }
    }

    /// Rows that it was learned from.
    pub(crate) const fn rows(&self) -> u32 {
        self.rows
    }

    /// What is usual.
    pub(crate) const fn mean(&self) -> f64 {
        self.mean
    }

    /// How far one usually is from that.
    pub(crate) fn spread(&self) -> f64 {
        let floor = match self.floor {
            Some(floor) => floor,
            None if self.low < self.high => RANGE_PART * (self.high - self.low),
            None => 0.0,
        };
        self.variance.max(0.0).sqrt().max(floor)
    }

    /// How far `value` is from what is usual, in scales; none before that is known.
    pub(crate) fn deviation_of(&self, pace: &Pace, value: f64) -> f64 {
        let off = value - self.mean;
        if self.rows < pace.quiet_rows || off == 0.0 {
            return 0.0;
        }
        (off / self.spread()).clamp(-1e6, 1e6)
    }

    /// Looks at the newest value; `season` makes of its deviation what the time does not explain.
    pub(crate) fn look(&mut self, pace: &Pace, value: f64, season: impl FnOnce(f64) -> f64) {
        self.low = self.low.min(value);
        self.high = self.high.max(value);
        self.deviation = season(self.deviation_of(pace, value));
        self.average();
    }

    /// There is no newest value: what was off fades.
    pub(crate) fn miss(&mut self) {
        self.deviation = 0.9 * self.averages[0];
        self.average();
    }

    fn average(&mut self) {
        let z = self.deviation.clamp(-AVERAGED, AVERAGED);
        for (average, rate) in self.averages.iter_mut().zip(RATES) {
            *average += rate * (z - *average);
        }
    }

    /// The deviation and its averages: four columns of the row's shape.
    pub(crate) fn features(&self) -> [f64; 4] {
        let [a, b, c] = self.averages;
        [self.deviation, a, b, c]
    }

    /// Moves by `rate`, from 0 to 1, towards `value`.
    pub(crate) fn learn(&mut self, pace: &Pace, value: f64, rate: f64) {
        if self.rows == 0 {
            self.mean = value;
        }
        let mut error = value - self.mean;
        let mut square = error * error;
        if self.rows >= pace.learn_rows {
            let spread = self.spread();
            error = error.clamp(-pace.clip * spread, pace.clip * spread);
            square = square.min((pace.spread_clip * spread).powi(2));
        }
        self.mean += rate * error;
        self.variance += rate * (square - self.variance);
        self.rows = self.rows.saturating_add(1);
    }

    /// How far off it is now or was just now, whichever is more, in scales. Scores follow what lasts, so at
    /// the height of a fault a single column may be back for a row.
    pub(crate) fn loudness(&self) -> f64 {
        let [soon, later, _] = self.averages;
        let averaged = soon.abs().max(later.abs());
        self.deviation.abs().max(averaged)
    }
}
