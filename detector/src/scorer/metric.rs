//! What is usual for one feature: a mean and a scale that follow slowly, and how far off a value is.
//!
//! Rates and latencies are seen on a logarithmic scale, so that a doubling weighs the same by day and
//! by night. No scale falls below what could matter to anybody in that feature: that keeps a series
//! that never moved from crying at its first wink.

use serde::{Deserialize, Serialize};

/// A surprise of more than so many scales teaches no more than that.
const CLIP: f64 = 4.0;
/// Nor does it widen the scale by more than this: a leak must not hide in the scale that it made.
const SPREAD_CLIP: f64 = 2.5;
/// Rows before surprises are clipped: until then the scale is not known.
const LEARN_ROWS: u32 = 30;
/// Rows before a feature has deviations at all: start-up spikes would poison tails for hours.
const QUIET_ROWS: u32 = 30;
/// Rates of the three short averages of the deviation.
const RATES: [f64; 3] = [0.5, 0.1, 0.03];

/// How values of a feature are compared.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Scale {
    /// On a logarithmic scale, after adding this much; by difference if none.
    log: Option<f64>,
    /// The smallest scale.
    floor: f64,
}

impl Scale {
    fn of(feature: &str) -> Self {
        let (log, floor) = match feature {
            "cpu_utilisation" | "memory_utilisation" => (None, 0.02),
            "error_ratio" | "call_error_ratio" => (None, 0.005),
            "request_rate" => (Some(0.5), 0.05),
            // The slowest hundredth jumps between the bounds of the histogram.
            "latency_p99" => (Some(0.005), 0.1),
            _ => (Some(0.005), 0.05),
        };
        Self { log, floor }
    }

    fn forward(self, value: f64) -> f64 {
        self.log
            .map_or(value, |offset| (value.max(0.0) + offset).ln())
    }

    fn backward(self, level: f64) -> f64 {
        self.log
            .map_or(level, |offset| (level.exp() - offset).max(0.0))
    }
}

/// One feature of one workload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Metric {
    name: String,
    peer: Option<String>,
    scale: Scale,
    rows: u32,
    /// How much time it has learned from, up to what it remembers.
    seconds: f64,
    mean: f64,
    variance: f64,
    /// How surprising it usually is: what it is blamed for is measured against that.
    habit: f64,
    averages: [f64; 3],
    /// Its value in the newest row, if it has one.
    pub(super) level: Option<f64>,
    /// Deviation of the smoothed value, in scales.
    pub(super) deviation: f64,
    /// Deviation of the newest row alone.
    pub(super) instant: f64,
}

impl Metric {
    /// A feature that was never seen.
    pub(super) fn new(name: &str, peer: Option<&str>) -> Self {
        Self {
            scale: Scale::of(name),
            name: name.to_owned(),
            peer: peer.map(str::to_owned),
            rows: 0,
            seconds: 0.0,
            mean: 0.0,
            variance: 0.0,
            habit: 0.0,
            averages: [0.0; 3],
            level: None,
            deviation: 0.0,
            instant: 0.0,
        }
    }

    /// Whether it is that feature.
    pub(super) fn is(&self, name: &str, peer: Option<&str>) -> bool {
        self.name == name && self.peer.as_deref() == peer
    }

    /// The feature without its peer.
    pub(super) fn kind(&self) -> &str {
        &self.name
    }

    /// The feature as blame names it.
    pub(super) fn full_name(&self) -> String {
        match &self.peer {
            Some(peer) => format!("{}.{peer}", self.name),
            None => self.name.clone(),
        }
    }

    /// Rows that it was seen in.
    pub(super) const fn rows(&self) -> u32 {
        self.rows
    }

    /// What is usual.
    pub(super) fn expected(&self) -> f64 {
        self.scale.backward(self.mean)
    }

    /// How far `value` is from what is usual, in scales.
    pub(super) fn deviation_of(&self, value: f64) -> f64 {
        if self.rows < QUIET_ROWS {
            return 0.0;
        }
        let spread = self.variance.max(0.0).sqrt().max(self.scale.floor);
        ((self.scale.forward(value) - self.mean) / spread).clamp(-1e6, 1e6)
    }

    /// Between what a value is expected that is at most `width` scales off; nothing before that is known.
    pub(super) fn band(&self, width: f64) -> Option<(f64, f64)> {
        let spread = self.variance.max(0.0).sqrt().max(self.scale.floor);
        let edge = |side: f64| self.scale.backward(side.mul_add(width * spread, self.mean));
        (self.rows >= QUIET_ROWS).then(|| (edge(-1.0).max(0.0), edge(1.0)))
    }

    /// How much more surprising it is than usual.
    pub(super) fn surprise(&self) -> f64 {
        self.deviation.abs().ln_1p() - self.habit
    }

    /// Looks at the newest row: the smoothed value and the row's own.
    pub(super) fn look(&mut self, level: f64, instant: f64) {
        self.level = Some(level);
        self.deviation = self.deviation_of(level);
        self.instant = self.deviation_of(instant);
    }

    /// Nothing was seen of it in the newest row: what was off fades.
    pub(super) fn miss(&mut self) {
        self.level = None;
        self.deviation = 0.9 * self.averages[0].clamp(-20.0, 20.0);
        self.instant = 0.0;
    }

    /// Moves the short averages.
    pub(super) fn average(&mut self) {
        let z = self.deviation.clamp(-20.0, 20.0);
        for (average, rate) in self.averages.iter_mut().zip(RATES) {
            *average += rate * (z - *average);
        }
    }

    /// The deviation and its averages: four columns of the workload's row.
    pub(super) fn columns(&self) -> [f32; 4] {
        let [a, b, c] = self.averages;
        [self.deviation, a, b, c].map(|z| z.clamp(-10.0, 10.0) as f32)
    }

    /// Learns from the newest row, which stands for `step` seconds, as one that remembers `memory`
    /// seconds. By time, not by rows: history has a row where the present has fifteen.
    pub(super) fn learn(&mut self, step: f64, memory: f64, weight: f64) {
        let Some(level) = self.level else { return };
        let x = self.scale.forward(level);
        if self.rows == 0 {
            self.mean = x;
        }
        self.seconds = (self.seconds + step).min(memory);
        let rate = if self.seconds > 0.0 {
            (step / self.seconds).min(1.0) * weight
        } else {
            0.0
        };
        let spread = self.variance.max(0.0).sqrt().max(self.scale.floor);
        let mut error = x - self.mean;
        if self.rows >= LEARN_ROWS {
            error = error.clamp(-CLIP * spread, CLIP * spread);
        }
        self.mean += rate * error;
        let square = if self.rows >= LEARN_ROWS {
            (error * error).min((SPREAD_CLIP * spread).powi(2))
        } else {
            error * error
        };
        self.variance += rate * (square - self.variance);
        self.habit += rate * (self.deviation.abs().ln_1p() - self.habit);
        self.rows = self.rows.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::Metric;

    fn taught(name: &str, values: impl Iterator<Item = f64>) -> Metric {
        let mut metric = Metric::new(name, None);
        for value in values {
            metric.look(value, value);
            metric.average();
            metric.learn(15.0, 1800.0, 1.0);
        }
        metric
    }

    #[test]
    fn the_floor_decides_for_what_never_moved() {
        let metric = taught("error_ratio", (0..300).map(|_| 0.0));
        assert!((metric.deviation_of(0.05) - 10.0).abs() < 1e-9);
        assert!(metric.deviation_of(0.004) < 1.0);
    }

    #[test]
    fn a_doubling_weighs_the_same_at_any_height() {
        let low = taught("request_rate", (0..300).map(|_| 100.0));
        let high = taught("request_rate", (0..300).map(|_| 10_000.0));
        let (a, b) = (low.deviation_of(200.0), high.deviation_of(20_000.0));
        assert!(a > 10.0 && (a / b - 1.0).abs() < 0.02, "{a} {b}");
        assert!((low.expected() - 100.0).abs() < 1e-6);
    }

    #[test]
    fn one_wild_value_teaches_little() {
        let mut metric = taught("cpu_utilisation", (0..300).map(|_| 0.3));
        metric.look(1e9, 1e9);
        metric.learn(15.0, 1800.0, 1.0);
        assert!((metric.expected() - 0.3).abs() < 0.002);
    }
}
