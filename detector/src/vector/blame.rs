//! Which metrics are to blame for a row.
//!
//! A metric that is loud every day says little by being loud today. So its loudness counts against how loud
//! it has been of late: about the last thousand rows, long against a fault and short against drift.

use serde::{Deserialize, Serialize};

use super::column::Column;

/// How fast the usual loudness follows.
const RATE: f32 = 1e-3;
/// No row teaches more than so many scales.
const CLIP: f32 = 20.0;
/// What counts as usual for a metric that has never been loud, in scales.
const LEAST: f64 = 1.0;

/// How loud each metric usually is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Blame {
    rows: u32,
    usual: Vec<f32>,
}

impl Blame {
    /// No rows yet of so many metrics.
    pub(crate) fn new(metrics: usize) -> Self {
        Self {
            rows: 0,
            usual: vec![0.0; metrics],
        }
    }

    /// Bytes of memory that it takes beside itself.
    pub(crate) fn heap_bytes(&self) -> usize {
        size_of_val(self.usual.as_slice())
    }

    /// The metrics that are to blame for the newest row, the most blamed first, into `blamed`.
    pub(crate) fn order(&self, columns: &[Column], blamed: &mut Vec<usize>) {
        let blame =
            |metric: usize| columns[metric].loudness() / (LEAST + f64::from(self.usual[metric]));
        blamed.clear();
        blamed.extend((0..columns.len()).filter(|metric| blame(*metric) > 0.0));
        blamed.sort_by(|a, b| blame(*b).total_cmp(&blame(*a)));
    }

    /// Learns how loud the newest row is.
    pub(crate) fn learn(&mut self, columns: &[Column]) {
        self.rows = self.rows.saturating_add(1);
        let rate = (1.0 / self.rows as f32).max(RATE);
        for (usual, column) in self.usual.iter_mut().zip(columns) {
            *usual += rate * ((column.loudness() as f32).min(CLIP) - *usual);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Blame;
    use crate::vector::column::{Column, Pace};

    const PACE: Pace = Pace {
        quiet_rows: 0,
        learn_rows: 0,
        clip: 4.0,
        spread_clip: 4.0,
    };

    #[test]
    fn what_is_always_loud_is_blamed_after_what_is_loud_for_once() {
        // The scale of both is 1.
        let mut columns = vec![Column::new(Some(1.0)); 2];
        let mut blame = Blame::new(2);
        let mut order = |values: [f64; 2]| {
            for (column, value) in columns.iter_mut().zip(values) {
                column.look(&PACE, value, |deviation| deviation);
            }
            let mut blamed = Vec::new();
            blame.order(&columns, &mut blamed);
            blame.learn(&columns);
            blamed
        };
        for _ in 0..500 {
            assert_eq!(order([8.0, 0.0]), [0]);
        }
        assert_eq!(order([10.0, 6.0]), [1, 0]);
    }
}
