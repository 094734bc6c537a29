//! How a metric moves: by how much it jumped, and how far its recent mean is from the level before.
//!
//! The first difference finds what a level hides: a spike inside the daily range. The shift of a short
//! mean against a long one is the two-window test for a change of level (Page, 1954, in the form of
//! Kifer, Ben-David and Gehrke, VLDB 2004); the long one lags, so that it does not know the short one.

use serde::{Deserialize, Serialize};

/// Values of the short mean.
const SHORT: usize = 6;
/// How fast the long mean follows: half of what it knows is from the last 1,400 values.
const RATE: f64 = 0.0005;
/// Rows before a shift can be told.
const WARM: u32 = 30;

/// Recent values and the level before them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Motion {
    rows: u32,
    /// The last few values, oldest first.
    recent: Vec<f64>,
    /// The short means of as many rows, oldest first.
    means: Vec<f64>,
    long: f64,
    deviation: f64,
}

impl Motion {
    /// The jump to `x`, in its unit, and the shift of the level, in mean deviations; then learns it.
    pub(super) fn look(&mut self, x: f64) -> (Option<f64>, Option<f64>) {
        let jump = self.recent.last().map(|last| (x - last).abs());
        push(&mut self.recent, x);
        let mean = self.recent.iter().sum::<f64>() / self.recent.len() as f64;
        let is_known = self.rows >= WARM && self.deviation > 0.0;
        let shift = is_known.then(|| (mean - self.long).abs() / self.deviation);

        self.rows = self.rows.saturating_add(1);
        let rate = RATE.max(1.0 / f64::from(self.rows));
        self.deviation += rate * ((x - self.long).abs() - self.deviation);
        if let Some(lagged) = push(&mut self.means, mean) {
            self.long += rate * (lagged - self.long);
        }
        (jump, shift)
    }
}

/// Adds a value to the last few; the one that left them.
fn push(values: &mut Vec<f64>, value: f64) -> Option<f64> {
    values.push(value);
    (values.len() > SHORT).then(|| values.remove(0))
}

#[cfg(test)]
mod tests {
    use super::Motion;

    #[test]
    fn a_spike_jumps_and_a_new_level_shifts() {
        let mut motion = Motion::default();
        for row in 0..500 {
            motion.look(f64::from(row * 7 % 5) / 4.0);
        }
        let mut spiked = motion.clone();
        let (jump, _) = spiked.look(9.0);
        assert!(jump.expect("known by now") >= 8.0);
        let quiet = motion.look(0.5).1.expect("known by now");
        let shifted = (0..6)
            .map(|_| motion.look(9.0).1.expect("known by now"))
            .last()
            .expect("rows");
        assert!(quiet < 1.0 && shifted > 20.0, "{quiet} {shifted}");
    }
}
