//! How unlike itself a whole row is: what is left of it outside the directions in which it usually
//! moves, and its distance from its mean in all directions.
//!
//! The directions are the leading eigenvectors of a moving covariance, found again every
//! [`REFRESH_ROWS`] rows by a few subspace iterations that begin at the directions before, in a fixed
//! order of sums. Before the first refresh there is no voice here.

use serde::{Deserialize, Serialize};

/// Rows between two looks for the leading directions.
pub(super) const REFRESH_ROWS: u32 = 1_024;
/// The most directions, and the share of all movement that they must hold.
const MOST_DIRECTIONS: usize = 24;
const SHARE: f64 = 0.95;
/// Iterations at the first look, and at later ones.
const COLD: usize = 12;
const WARM: usize = 2;
/// The slowest rates at which mean and covariance, and the size of residuals, follow.
const RATE: f32 = 1e-4;
const RESIDUAL_RATE: f32 = 1e-3;
/// No residual counts as smaller than this.
const FLOOR: f32 = 0.05;

/// The two voices of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Voices {
    /// Sum of residuals, each against its usual size.
    pub(super) residual: f64,
    /// Squared distance from the mean.
    pub(super) distance: f64,
}

/// The past of a workload's rows of a fixed number of columns.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Multivariate {
    columns: usize,
    rows: u32,
    mean: Vec<f32>,
    /// Upper triangle of the covariance, row by row.
    covariance: Vec<f32>,
    /// Leading directions, one after the other, and the variance along each.
    directions: Vec<f32>,
    variances: Vec<f32>,
    /// Rows since the first refresh, and mean squares of the residuals since.
    judged: u32,
    squares: Vec<f32>,
    /// Of the newest row: offset from the mean, and what is left outside the directions.
    offset: Vec<f32>,
    rest: Vec<f32>,
}

impl Multivariate {
    /// No rows yet of so many columns.
    pub(super) fn new(columns: usize) -> Self {
        Self {
            columns,
            mean: vec![0.0; columns],
            covariance: vec![0.0; columns * (columns + 1) / 2],
            squares: vec![1.0; columns],
            offset: vec![0.0; columns],
            rest: vec![0.0; columns],
            ..Self::default()
        }
    }

    /// How many columns its rows have.
    pub(super) const fn columns(&self) -> usize {
        self.columns
    }

    /// Looks at a row: its voices, once there are directions.
    pub(super) fn look(&mut self, row: &[f32]) -> Option<Voices> {
        for ((offset, value), mean) in self.offset.iter_mut().zip(row).zip(&self.mean) {
            *offset = value - mean;
        }
        self.rest.copy_from_slice(&self.offset);
        if self.variances.is_empty() {
            return None;
        }
        let mut distance = 0.0_f32;
        for (direction, variance) in self
            .directions
            .chunks_exact(self.columns)
            .zip(&self.variances)
        {
            let along = dot(direction, &self.offset);
            distance += along * along / (variance + 1.0);
            for (rest, part) in self.rest.iter_mut().zip(direction) {
                *rest -= along * part;
            }
        }
        let mut residual = 0.0_f32;
        for (rest, square) in self.rest.iter().zip(&self.squares) {
            residual += rest.abs() / square.sqrt().max(FLOOR);
            distance += rest * rest;
        }
        Some(Voices {
            residual: f64::from(residual),
            distance: f64::from(distance),
        })
    }

    /// Learns the row that was looked at last, with `weight` from 0 to 1.
    pub(super) fn learn(&mut self, weight: f32) {
        self.rows = self.rows.saturating_add(1);
        let rate = (1.0 / self.rows as f32).max(RATE) * weight;
        let mut cells = self.covariance.iter_mut();
        for (i, a) in self.offset.iter().enumerate() {
            for (b, cell) in self.offset[i..].iter().zip(cells.by_ref()) {
                *cell += rate * (a * b - *cell);
            }
        }
        for (mean, offset) in self.mean.iter_mut().zip(&self.offset) {
            *mean += rate * offset;
        }
        if !self.variances.is_empty() {
            self.judged = self.judged.saturating_add(1);
            let rate = (1.0 / (self.judged as f32 + 1.0)).max(RESIDUAL_RATE) * weight;
            for (square, rest) in self.squares.iter_mut().zip(&self.rest) {
                *square += rate * ((rest * rest).min(16.0 * *square) - *square);
            }
        }
        if self.rows.is_multiple_of(REFRESH_ROWS) {
            self.refresh();
        }
    }

    fn refresh(&mut self) {
        let p = self.columns;
        let trace: f64 = (0..p).map(|i| f64::from(self.cell(i, i))).sum();
        if p == 0 || trace <= 1e-9 {
            return;
        }
        let count = MOST_DIRECTIONS.min(p);
        let iterations = if self.variances.is_empty() {
            COLD
        } else {
            WARM
        };
        let mut basis = std::mem::take(&mut self.directions);
        // Directions that are new begin at the axes, those that move most first.
        let mut axes: Vec<usize> = (0..p).collect();
        axes.sort_by(|a, b| self.cell(*b, *b).total_cmp(&self.cell(*a, *a)));
        for &axis in &axes[basis.len() / p..count] {
            let begin = basis.len();
            basis.resize(begin + p, 1e-3);
            basis[begin + axis] = 1.0;
        }
        orthonormalise(&mut basis, p);
        for _ in 0..iterations {
            basis = self.times(&basis);
            orthonormalise(&mut basis, p);
        }
        let image = self.times(&basis);
        let (mut held, mut kept) = (0.0, 0);
        self.variances.clear();
        for (direction, image) in basis.chunks_exact(p).zip(image.chunks_exact(p)) {
            let variance = dot(direction, image).max(0.0);
            held += f64::from(variance);
            self.variances.push(variance);
            kept += 1;
            if held >= SHARE * trace {
                break;
            }
        }
        basis.truncate(kept * p);
        self.directions = basis;
    }

    /// The covariance times each direction.
    fn times(&self, basis: &[f32]) -> Vec<f32> {
        let p = self.columns;
        let mut image = vec![0.0; basis.len()];
        for (from, to) in basis.chunks_exact(p).zip(image.chunks_exact_mut(p)) {
            let mut cells = self.covariance.iter();
            for i in 0..p {
                for j in i..p {
                    let Some(cell) = cells.next() else { break };
                    to[i] += cell * from[j];
                    if j > i {
                        to[j] += cell * from[i];
                    }
                }
            }
        }
        image
    }

    fn cell(&self, i: usize, j: usize) -> f32 {
        // Rows of the triangle before row i hold p, p - 1, … cells.
        self.covariance[i * self.columns - i * i.saturating_sub(1) / 2 + (j - i)]
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Gram-Schmidt, twice over each direction for precision; one that vanishes is left at zero.
fn orthonormalise(basis: &mut [f32], p: usize) {
    for at in 0..basis.len() / p {
        let (before, rest) = basis.split_at_mut(at * p);
        let direction = &mut rest[..p];
        for _ in 0..2 {
            for other in before.chunks_exact(p) {
                let along = dot(other, direction);
                for (x, y) in direction.iter_mut().zip(other) {
                    *x -= along * y;
                }
            }
            let length = dot(direction, direction).sqrt();
            let scale = if length > 1e-12 { 1.0 / length } else { 0.0 };
            direction.iter_mut().for_each(|x| *x *= scale);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Multivariate;

    #[test]
    fn a_broken_relation_is_heard_though_no_column_is_far_off() {
        let mut past = Multivariate::new(4);
        let mut state = 7_u64;
        let mut noise = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 40) as f32 / (1_u32 << 24) as f32 - 0.5
        };
        for _ in 0..4_000 {
            let (a, b) = (4.0 * noise(), 4.0 * noise());
            let row = [a, a + 0.1 * noise(), b, b + 0.1 * noise()];
            past.look(&row);
            past.learn(1.0);
        }
        let usual = past
            .look(&[1.5, 1.5, -1.5, -1.5])
            .expect("it has directions");
        let broken = past
            .look(&[1.5, -1.5, 1.5, -1.5])
            .expect("it has directions");
        assert!(
            broken.residual > 10.0 * usual.residual.max(1.0),
            "{usual:?} {broken:?}"
        );
    }
}
