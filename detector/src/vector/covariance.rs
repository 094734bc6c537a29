//! A moving covariance of rows, in the upper triangle of a matrix.
//!
//! Rows wait until [`BLOCK`] of them are there; then each cell is touched once for all of them. That is
//! the same weighted sum as one update per row, at a fraction of the memory traffic, and since the wait is
//! part of the state it does not depend on how rows were handed in.

use serde::{Deserialize, Serialize};

/// Rows that are added at once.
const BLOCK: usize = 16;

/// The covariance of rows of a fixed number of columns, as an exponentially weighted mean of products.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Covariance {
    columns: usize,
    /// The upper triangle, row by row.
    cells: Vec<f32>,
    /// Offsets that wait, one after the other, and the weight of each in the sum.
    waiting: Vec<f32>,
    weights: Vec<f32>,
}

impl Covariance {
    /// That of no rows of so many columns.
    pub(crate) fn new(columns: usize) -> Self {
        Self {
            columns,
            cells: vec![0.0; columns * (columns + 1) / 2],
            ..Self::default()
        }
    }

    /// Bytes of memory that it takes beside itself, at most.
    pub(crate) fn heap_bytes(&self) -> usize {
        size_of::<f32>() * (self.cells.len() + BLOCK * (self.columns + 1))
    }

    /// Moves by `rate`, from 0 to 1, towards the products of `offset` with itself.
    pub(crate) fn learn(&mut self, offset: &[f32], rate: f32) {
        for weight in &mut self.weights {
            *weight *= 1.0 - rate;
        }
        self.weights.push(rate);
        self.waiting.extend_from_slice(offset);
        if self.weights.len() == BLOCK {
            self.settle();
        }
    }

    /// Adds what waits.
    pub(crate) fn settle(&mut self) {
        let p = self.columns;
        let kept = 1.0 - self.weights.iter().sum::<f32>();
        self.waiting.resize(BLOCK * p, 0.0);
        self.weights.resize(BLOCK, 0.0);
        let mut rest = self.cells.as_mut_slice();
        for i in 0..p {
            let (cells, below) = rest.split_at_mut(p - i);
            rest = below;
            for cell in &mut *cells {
                *cell *= kept;
            }
            // Four rows at a time: more would not fit the registers.
            for (rows, weights) in self
                .waiting
                .chunks_exact(4 * p)
                .zip(self.weights.chunks_exact(4))
            {
                let factor: [f32; 4] = std::array::from_fn(|k| weights[k] * rows[k * p + i]);
                let [a, b, c, d] = std::array::from_fn(|k| &rows[k * p + i..(k + 1) * p]);
                for ((((cell, a), b), c), d) in cells.iter_mut().zip(a).zip(b).zip(c).zip(d) {
                    *cell += (factor[0] * a + factor[1] * b) + (factor[2] * c + factor[3] * d);
                }
            }
        }
        self.waiting.clear();
        self.weights.clear();
    }

    /// The variance of each column, of all that has settled.
    pub(crate) fn diagonal(&self) -> Vec<f32> {
        let p = self.columns;
        // The triangle's rows hold p, p - 1, ... cells, the diagonal's first.
        let starts = (0..p).scan(0, |start, i| {
            let here = *start;
            *start += p - i;
            Some(here)
        });
        starts.map(|start| self.cells[start]).collect()
    }

    /// The matrix times each of `vectors`, which stand one after the other; of all that has settled.
    pub(crate) fn times(&self, vectors: &[f32]) -> Vec<f32> {
        let p = self.columns;
        let mut image = vec![0.0; vectors.len()];
        for (from, to) in vectors.chunks_exact(p).zip(image.chunks_exact_mut(p)) {
            let mut rest = self.cells.as_slice();
            for i in 0..p {
                let (cells, below) = rest.split_at(p - i);
                rest = below;
                to[i] += super::dot(cells, &from[i..]);
                let own = from[i];
                for (to, cell) in to[i + 1..].iter_mut().zip(&cells[1..]) {
                    *to += own * cell;
                }
            }
        }
        image
    }
}

#[cfg(test)]
mod tests {
    use super::Covariance;

    #[test]
    fn it_is_the_sum_that_one_update_per_row_gives() {
        let p = 5;
        let mut covariance = Covariance::new(p);
        let mut plain = vec![0.0_f64; p * p];
        for row in 0..203_u32 {
            let offset: Vec<f32> = (0..5)
                .map(|i| ((row * 7 + i * i * 3) % 11) as f32 - 5.0)
                .collect();
            let rate = 1.0 / (row as f32 + 1.0).min(50.0);
            covariance.learn(&offset, rate);
            for (i, a) in offset.iter().enumerate() {
                for (j, b) in offset.iter().enumerate() {
                    let cell = &mut plain[i * p + j];
                    *cell += f64::from(rate) * (f64::from(a * b) - *cell);
                }
            }
        }
        covariance.settle();
        let unit: Vec<f32> = (0..p * p)
            .map(|at| f32::from(u8::from(at % (p + 1) == 0)))
            .collect();
        for (cell, plain) in covariance.times(&unit).iter().zip(&plain) {
            assert!((f64::from(*cell) - plain).abs() < 1e-3, "{cell} {plain}");
        }
        let diagonal = covariance.diagonal();
        assert!((0..p).all(|i| (f64::from(diagonal[i]) - plain[i * p + i]).abs() < 1e-3));
    }
}
