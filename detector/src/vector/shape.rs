//! How unlike itself a whole row is: what is left of it outside the directions in which it usually
//! moves, and its distance from its mean in all directions.
//!
//! The directions are the leading eigenvectors of a moving covariance (as principal component analysis
//! has them: Jackson and Mudholkar, Technometrics 1979), found again every [`REFRESH_ROWS`] rows by a few
//! subspace iterations that begin at the directions before, in a fixed order of sums. The distance is
//! that of Mahalanobis with a ridge. Before the first refresh there is no voice here.

use serde::{Deserialize, Serialize};

use super::covariance::Covariance;
use super::dot;

/// Rows between two looks for the leading directions.
pub(crate) const REFRESH_ROWS: u32 = 1_024;
/// The most directions, and the share of all movement that they must hold.
const MOST_DIRECTIONS: usize = 24;
const SHARE: f64 = 0.95;
/// Iterations at the first look, and at later ones.
const COLD: usize = 12;
const WARM: usize = 2;
/// The slowest rates at which mean and covariance, and the size of residuals, follow.
const RATE: f32 = 3e-5;
const RESIDUAL_RATE: f32 = 1e-3;
/// No residual counts as smaller than this.
const FLOOR: f32 = 0.05;
/// What the distance adds to each variance.
const RIDGE: f32 = 1.0;
/// Sums go in so many lanes, which compilers turn into vectors.
const LANES: usize = 8;

/// The two voices of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Voices {
    /// Sum of residuals, each against its usual size.
    pub(crate) residual: f64,
    /// Squared distance from the mean.
    pub(crate) distance: f64,
}

/// The past of a stream's rows of a fixed number of columns.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Shape {
    rows: u32,
    mean: Vec<f32>,
    covariance: Covariance,
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

impl Shape {
    /// No rows yet of so many columns.
    pub(crate) fn new(columns: usize) -> Self {
        Self {
            mean: vec![0.0; columns],
            covariance: Covariance::new(columns),
            squares: vec![1.0; columns],
            offset: vec![0.0; columns],
            rest: vec![0.0; columns],
            ..Self::default()
        }
    }

    /// How many columns its rows have.
    pub(crate) const fn columns(&self) -> usize {
        self.mean.len()
    }

    /// Bytes of memory that it takes beside itself.
    pub(crate) fn heap_bytes(&self) -> usize {
        let parts = [
            &self.mean,
            &self.directions,
            &self.variances,
            &self.squares,
            &self.offset,
            &self.rest,
        ];
        let own: usize = parts.iter().map(|part| size_of_val(part.as_slice())).sum();
        own + self.covariance.heap_bytes()
    }

    /// Looks at a row: its voices, once there are directions.
    pub(crate) fn look(&mut self, row: impl Iterator<Item = f32>) -> Option<Voices> {
        for ((offset, value), mean) in self.offset.iter_mut().zip(row).zip(&self.mean) {
            *offset = value - mean;
        }
        self.rest.copy_from_slice(&self.offset);
        if self.variances.is_empty() {
            return None;
        }
        let mut distance = 0.0_f32;
        let directions = self.directions.chunks_exact(self.mean.len());
        for (direction, variance) in directions.zip(&self.variances) {
            let along = dot(direction, &self.offset);
            distance += along * along / (variance + RIDGE);
            for (rest, part) in self.rest.iter_mut().zip(direction) {
                *rest -= along * part;
            }
        }
        distance += dot(&self.rest, &self.rest) / RIDGE;
        Some(Voices {
            residual: f64::from(residual(&self.rest, &self.squares)),
            distance: f64::from(distance),
        })
    }

    /// Learns the row that was looked at last, with `weight` from 0 to 1.
    pub(crate) fn learn(&mut self, weight: f32) {
        self.rows = self.rows.saturating_add(1);
        let rate = (1.0 / self.rows as f32).max(RATE) * weight;
        self.covariance.learn(&self.offset, rate);
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
        self.covariance.settle();
        let diagonal = self.covariance.diagonal();
        let trace: f64 = diagonal.iter().copied().map(f64::from).sum();
        let p = diagonal.len();
        if p == 0 || trace <= 1e-9 {
            return;
        }
        let iterations = if self.variances.is_empty() {
            COLD
        } else {
            WARM
        };
        let mut basis = std::mem::take(&mut self.directions);
        widen(&mut basis, &diagonal);
        orthonormalise(&mut basis, p);
        for _ in 0..iterations {
            basis = self.covariance.times(&basis);
            orthonormalise(&mut basis, p);
        }
        let image = self.covariance.times(&basis);
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
}

/// The sum of residuals, each against the root of its mean square.
fn residual(rest: &[f32], squares: &[f32]) -> f32 {
    let one = |rest: f32, square: f32| rest.abs() / square.sqrt().max(FLOOR);
    let mut lanes = [0.0_f32; LANES];
    let (rests, means) = (rest.chunks_exact(LANES), squares.chunks_exact(LANES));
    let ends = rests.remainder().iter().zip(means.remainder());
    let end: f32 = ends.map(|(rest, square)| one(*rest, *square)).sum();
    for (rests, means) in rests.zip(means) {
        for ((lane, rest), square) in lanes.iter_mut().zip(rests).zip(means) {
            *lane += one(*rest, *square);
        }
    }
    lanes.iter().sum::<f32>() + end
}

/// Adds directions until there are enough: the axes, those that move most first.
fn widen(basis: &mut Vec<f32>, diagonal: &[f32]) {
    let p = diagonal.len();
    let mut axes: Vec<usize> = (0..p).collect();
    axes.sort_by(|a, b| diagonal[*b].total_cmp(&diagonal[*a]));
    for &axis in &axes[basis.len() / p..MOST_DIRECTIONS.min(p)] {
        let begin = basis.len();
        basis.resize(begin + p, 1e-3);
        basis[begin + axis] = 1.0;
    }
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
    use super::Shape;

    #[test]
    fn a_broken_relation_is_heard_though_no_column_is_far_off() {
        let mut past = Shape::new(4);
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
            past.look(row.into_iter());
            past.learn(1.0);
        }
        let usual = past
            .look([1.5, 1.5, -1.5, -1.5].into_iter())
            .expect("it has directions");
        let broken = past
            .look([1.5, -1.5, 1.5, -1.5].into_iter())
            .expect("it has directions");
        assert!(
            broken.residual > 10.0 * usual.residual.max(1.0),
            "{usual:?} {broken:?}"
        );
    }
}
