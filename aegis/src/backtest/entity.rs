//! The detector of one recorded entity: the one place that chooses a core by the number of metrics.

use aegis_detector::vector::{Judgement, Vector};

use super::table::Row;

/// The detector of one entity.
pub(super) struct Entity {
    vector: Vector,
    blamed: Vec<usize>,
}

impl Entity {
    /// One of so many metrics, of which nothing is known.
    pub(super) fn new(metrics: usize) -> Self {
        Self {
            vector: Vector::new(metrics),
            blamed: Vec::with_capacity(metrics),
        }
    }

    /// Judges a row by all before it, then learns it.
    pub(super) fn look(&mut self, row: &Row<'_>) -> Judgement {
        self.vector.look(row.at.as_second(), row.values)
    }

    /// The metrics that are to blame for the newest row, the most blamed first.
    pub(super) fn blame(&mut self) -> &[usize] {
        self.vector.blame(&mut self.blamed);
        &self.blamed
    }
}
