//! How unusual a row is as a whole: one score of both voices of its shape, as -log10 p.
//!
//! The voices err in different ways: the residual hears many metrics that are a little off together, the
//! distance a few that are far off. Their geometric mean, a sum of three of its kind each (the distance
//! is squared), has the better of both; and so has the geometric mean of that with its own recent
//! average, since faults last and glitches do not.

use serde::{Deserialize, Serialize};

use super::column::Column;
use super::shape::{REFRESH_ROWS, Shape};
use super::tail::Tail;

/// Features of a column.
const FEATURES: usize = 4;
/// Deviations are bent: one of so many scales counts for half of that, and none for more.
const BEND: f64 = 5.0;
/// Rate of the recent average.
const RECENT: f64 = 0.3;
/// No voice is quieter than this, which keeps logarithms finite.
const QUIETEST: f64 = 1e-3;

/// The past of the rows of a stream with a fixed number of metrics.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Whole {
    shape: Shape,
    /// Average of the logarithm of the voices' mean.
    recent: f64,
    tail: Tail,
    /// Of the newest row, if there was one with voices.
    newest: Option<f64>,
}

impl Whole {
    /// No rows yet of so many metrics.
    pub(crate) fn new(metrics: usize) -> Self {
        Self {
            shape: Shape::new(FEATURES * metrics),
            ..Self::default()
        }
    }

    /// How many metrics its rows have.
    pub(crate) const fn metrics(&self) -> usize {
        self.shape.columns() / FEATURES
    }

    /// Bytes of memory that it takes beside itself.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.shape.heap_bytes()
    }

    /// Looks at a row. How unusual it is, as -log10 p, once enough rows were seen to tell.
    pub(crate) fn look<'a>(&mut self, columns: impl Iterator<Item = &'a Column>) -> Option<f64> {
        let row = columns.flat_map(|column| column.features().map(bend));
        self.newest = self.shape.look(row).map(|voices| {
            let residual = voices.residual.max(QUIETEST).ln();
            let distance = voices.distance.max(QUIETEST).ln();
            let mean = (2.0 * residual + distance) / 3.0;
            self.recent += RECENT * (mean - self.recent);
            f64::midpoint(mean, self.recent).exp()
        });
        let score = self.newest?;
        (self.tail.rows() >= REFRESH_ROWS).then(|| self.tail.height(score))
    }

    /// Learns the row that was looked at last, with `weight` from 0 to 1. What is far off teaches less.
    pub(crate) fn learn(&mut self, weight: f64) {
        let mut share = weight;
        if let Some(score) = self.newest {
            share *= (self.tail.quantile() / score).clamp(0.01, 1.0);
            self.tail.learn(score, weight);
        }
        self.shape.learn(share as f32);
    }
}

fn bend(deviation: f64) -> f32 {
    (deviation / (1.0 + deviation.abs() / BEND)) as f32
}
