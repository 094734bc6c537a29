//! What is usual for one feature: a mean and a scale that follow slowly, and how far off a value is.
//!
//! Rates and latencies are seen on a logarithmic scale, so that a doubling weighs the same by day and
//! by night. No scale falls below what could matter to anybody in that feature: that keeps a series
//! that never moved from crying at its first wink.

use serde::{Deserialize, Serialize};

use crate::vector::column::{Column, Pace};

/// How carefully features learn. A leak must not hide in the scale that it made, so surprises widen the
/// scale less than they move the mean.
const PACE: Pace = Pace {
    quiet_rows: 30,
    learn_rows: 30,
    clip: 4.0,
    spread_clip: 2.5,
};

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
            "cpu_utilisation" | "memory_utilisation" | "disk_utilisation" | "pool_utilisation" => {
                (None, 0.02)
            }
            "error_ratio" | "call_error_ratio" | "packet_loss" => (None, 0.005),
            "request_rate" => (Some(0.5), 0.05),
            // One line more or less in a minute is nothing, whatever the level.
            "log_rate" | "log_template" => (Some(0.1), 0.2),
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
    /// How much time it has learned from, up to what it remembers.
    seconds: f64,
    /// Of its smoothed values, on its scale.
    pub(super) column: Column,
    /// How surprising it usually is: what it is blamed for is measured against that.
    habit: f64,
    /// Its value in the newest row, if it has one.
    pub(super) level: Option<f64>,
    /// Deviation of the newest row alone.
    pub(super) instant: f64,
}

impl Metric {
    /// A feature that was never seen.
    pub(super) fn new(name: &str, peer: Option<&str>) -> Self {
        let scale = Scale::of(name);
        Self {
            scale,
            name: name.to_owned(),
            peer: peer.map(str::to_owned),
            seconds: 0.0,
            column: Column::new(Some(scale.floor)),
            habit: 0.0,
            level: None,
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
        self.column.rows()
    }

    /// Whether it is known what is usual.
    pub(super) const fn is_settled(&self) -> bool {
        self.rows() >= PACE.quiet_rows
    }

    /// Deviation of the smoothed value, in scales.
    pub(super) const fn deviation(&self) -> f64 {
        self.column.deviation
    }

    /// What is usual.
    pub(super) fn expected(&self) -> f64 {
        self.scale.backward(self.column.mean())
    }

    /// How far `value` is from what is usual, in scales.
    pub(super) fn deviation_of(&self, value: f64) -> f64 {
        self.column.deviation_of(&PACE, self.scale.forward(value))
    }

    /// How far `value` is from nothing, in the smallest scales.
    pub(super) fn deviation_from_nothing(&self, value: f64) -> f64 {
        (self.scale.forward(value) - self.scale.forward(0.0)) / self.scale.floor
    }

    /// Between what a value is expected that is at most `width` scales off; nothing before that is known.
    pub(super) fn band(&self, width: f64) -> Option<(f64, f64)> {
        let spread = self.column.spread();
        let edge = |side: f64| {
            let level = side.mul_add(width * spread, self.column.mean());
            self.scale.backward(level)
        };
        self.is_settled().then(|| (edge(-1.0).max(0.0), edge(1.0)))
    }

    /// How much more surprising it is than usual.
    pub(super) fn surprise(&self) -> f64 {
        self.deviation().abs().ln_1p() - self.habit
    }

    /// Looks at the newest row: the smoothed value and the row's own.
    pub(super) fn look(&mut self, level: f64, instant: f64) {
        self.level = Some(level);
        let level = self.scale.forward(level);
        // Its memory is shorter than a day: there is no season to it.
        self.column.look(&PACE, level, |deviation| deviation);
        self.instant = self.deviation_of(instant);
    }

    /// Nothing was seen of it in the newest row: what was off fades.
    pub(super) fn miss(&mut self) {
        self.level = None;
        self.column.miss();
        self.instant = 0.0;
    }

    /// Learns from the newest row, which stands for `step` seconds, as one that remembers `memory`
    /// seconds. By time, not by rows: history has a row where the present has fifteen.
    pub(super) fn learn(&mut self, step: f64, memory: f64, weight: f64) {
        let Some(level) = self.level else { return };
        self.seconds = (self.seconds + step).min(memory);
        let rate = if self.seconds > 0.0 {
            (step / self.seconds).min(1.0) * weight
        } else {
            0.0
        };
        self.column.learn(&PACE, self.scale.forward(level), rate);
        self.habit += rate * self.surprise();
    }
}

#[cfg(test)]
mod tests {
    use super::Metric;

    fn taught(name: &str, values: impl Iterator<Item = f64>) -> Metric {
        let mut metric = Metric::new(name, None);
        for value in values {
            metric.look(value, value);
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
