//! Rows of metrics: how unusual each is, whether it alarms, and which metrics are to blame.
//!
//! Each metric knows what is usual for it ([`column`]), by the time of day too ([`season`]); the row as a
//! whole has a shape ([`shape`], over a moving [`covariance`]), and how unlike itself that is becomes a
//! tail probability ([`whole`], [`tail`]); a threshold that the stream itself sets tells which rows alarm, and is the unit of
//! the score ([`alarm`]); [`blame`] orders the metrics. Learning never stops. A function of the rows so far: no clock, no randomness, a fixed order of sums.

mod alarm;
mod blame;
pub(crate) mod column;
mod core;
mod covariance;
mod season;
mod shape;
pub(crate) mod tail;
pub(crate) mod whole;

pub use self::alarm::CALM_ROWS;
pub use self::core::{Judgement, Vector};

/// The sum of products. It goes in lanes, which compilers turn into vectors, in an order that is fixed.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 8;
    let mut lanes = [0.0_f32; LANES];
    let (left, right) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let ends = left.remainder().iter().zip(right.remainder());
    let end: f32 = ends.map(|(a, b)| a * b).sum();
    for (left, right) in left.zip(right) {
        for ((lane, a), b) in lanes.iter_mut().zip(left).zip(right) {
            *lane += a * b;
        }
    }
    lanes.iter().sum::<f32>() + end
}
