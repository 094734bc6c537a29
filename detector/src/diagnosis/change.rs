//! How far a metric has moved since the failure, in units of how it moved before.

use super::robust::{median, spread};

/// The least that counts as a unit: a share of the level, and a share of the largest move ever seen
/// before. What hardly moves is not odd at its first step, and what jumps now and then not at the next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Floor {
    pub(super) level: f64,
    pub(super) excursion: f64,
}

/// For what is rarely wrong: only large moves count.
pub(super) const CAUTIOUS: Floor = Floor {
    level: 0.1,
    excursion: 0.25,
};
/// For what is steady by nature, such as memory: small moves count.
pub(super) const KEEN: Floor = Floor {
    level: 0.01,
    excursion: 0.1,
};

/// No move is larger than this.
const MOST: f64 = 1e4;

/// Where a metric went: in units, up is positive.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Change {
    /// The largest move, with its direction.
    pub(super) peak: f64,
    /// The mean size of the two largest moves.
    pub(super) size: f64,
    /// The typical move.
    pub(super) typical: f64,
}

/// The change from values before to values since. None where either says too little.
pub(super) fn change(before: &[f64], since: &[f64], floor: Floor) -> Option<Change> {
    if before.len() < 2 || since.is_empty() {
        return None;
    }
    let level = median(before);
    let farthest = before
        .iter()
        .map(|value| (value - level).abs())
        .fold(0.0, f64::max);
    let unit = spread(before)
        .max(floor.level * level.abs())
        .max(floor.excursion * farthest)
        .max(1e-9);
    let mut moves: Vec<f64> = since
        .iter()
        .map(|value| ((value - level) / unit).clamp(-MOST, MOST))
        .collect();
    moves.sort_by(|a, b| b.abs().total_cmp(&a.abs()));
    let largest = &moves[..moves.len().min(2)];
    Some(Change {
        peak: moves[0],
        size: largest.iter().map(|by| by.abs()).sum::<f64>() / largest.len() as f64,
        typical: median(&moves),
    })
}

/// Large and small moves on one scale: the sign times the logarithm.
pub(super) fn squashed(moved: f64) -> f64 {
    moved.signum() * moved.abs().ln_1p()
}
