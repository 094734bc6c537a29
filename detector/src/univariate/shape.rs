//! How far the last values are from any stretch that was seen before.
//!
//! The distance of the newest delay vector to its fifth nearest neighbour among the older ones: kNN on a
//! delay embedding (Burnaev and Ishimtsev, "Conformalized density- and distance-based anomaly detection
//! in time-series data", 2016), the left discord of the matrix profile literature (Yeh et al., 2016).
//! All vectors are stretches of one row of values, so only that is kept, a byte a value.

use serde::{Deserialize, Serialize};

/// Values of a short and of a long stretch.
const SHORT: usize = 10;
const LONG: usize = 24;
/// Which neighbour counts: one odd stretch seen before does not make the next one usual.
const NEIGHBOUR: usize = 5;
/// Values that are remembered, and how many more before the oldest are dropped.
const MEMORY: usize = 1000;
const SLACK: usize = 100;
/// The first value that differs from the very first is so many units off it.
const START: f64 = 16.0;
/// Largest number of units that a byte holds.
const LIMIT: f64 = 127.0;

/// The values of the past, in units that double when one no longer fits.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Shape {
    unit: f64,
    #[serde(with = "super::packed")]
    values: Vec<i8>,
}

impl Shape {
    /// The distance of the short and of the long stretch that end in `x`; then learns it. None while
    /// there is too little to compare with.
    pub(super) fn look(&mut self, x: f64) -> [Option<f64>; 2] {
        self.push(x);
        let mut short = [i32::MAX; NEIGHBOUR];
        let mut long = [i32::MAX; NEIGHBOUR];
        let past = self.values.len().saturating_sub(LONG);
        let last = &self.values[past..];
        for old in self.values.windows(LONG).take(past) {
            let head = distance(&old[..LONG - SHORT], &last[..LONG - SHORT]);
            let tail = distance(&old[LONG - SHORT..], &last[LONG - SHORT..]);
            insert(&mut short, tail);
            insert(&mut long, head + tail);
        }
        [(SHORT, short), (LONG, long)].map(|(length, nearest)| {
            let is_known = past >= 2 * length + NEIGHBOUR;
            // Half a unit is what rounding hides.
            is_known.then(|| (f64::from(nearest[NEIGHBOUR - 1]) + 0.25).sqrt() * self.unit)
        })
    }

    fn push(&mut self, x: f64) {
        if self.unit == 0.0 {
            self.unit = x.abs() / START;
        }
        while self.unit > 0.0 && x.abs() > LIMIT * self.unit {
            self.unit *= 2.0;
            self.values.iter_mut().for_each(|value| *value /= 2);
        }
        let value = if self.unit > 0.0 { x / self.unit } else { 0.0 };
        self.values.push(value.round() as i8);
        if self.values.len() >= MEMORY + SLACK {
            self.values.drain(..SLACK);
        }
    }
}

/// Squared Euclidean distance, in units.
fn distance(a: &[i8], b: &[i8]) -> i32 {
    a.iter()
        .zip(b)
        .map(|(a, b)| (i32::from(*a) - i32::from(*b)).pow(2))
        .sum()
}

/// Keeps the smallest, in rising order.
fn insert(nearest: &mut [i32; NEIGHBOUR], distance: i32) {
    if distance >= nearest[NEIGHBOUR - 1] {
        return;
    }
    let place = nearest.partition_point(|near| *near <= distance);
    nearest[place..].rotate_right(1);
    nearest[place] = distance;
}

#[cfg(test)]
mod tests {
    use super::{MEMORY, SLACK, Shape};

    fn wave(row: i32) -> f64 {
        (f64::from(row) * 0.3).sin()
    }

    #[test]
    fn a_stretch_that_never_was_is_far_from_all() {
        let mut shape = Shape::default();
        let usual = (0..500)
            .map(|row| shape.look(wave(row)))
            .last()
            .expect("rows");
        let flat = (0..10).map(|_| shape.look(0.5)).last().expect("rows");
        for (usual, flat) in usual.into_iter().zip(flat) {
            assert!(
                flat.expect("known by now") > 3.0 * usual.expect("known by now"),
                "{usual:?} {flat:?}"
            );
        }
    }

    #[test]
    fn an_outlier_costs_resolution_and_memory_stays_bounded() {
        let mut shape = Shape::default();
        for row in 0..5000 {
            shape.look(if row == 100 { 50.0 } else { wave(row) });
        }
        assert!(shape.values.len() < MEMORY + SLACK);
        assert!(shape.unit * 127.0 >= 50.0 && shape.unit < 1.0);
    }
}
