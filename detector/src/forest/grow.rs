//! Grows a tree: at each node the best question of a few features drawn at random, by Gini impurity,
//! until a node is pure or no question parts it.
//! Source: Breiman, Friedman, Olshen and Stone, "Classification and Regression Trees" (1984).

use super::tree::{Node, Tree};
use super::{Dice, Rows};

/// Rows made ready: values replaced by their ranks, which sort quickly.
pub(super) struct Grower<'a> {
    rows: &'a Rows,
    /// For each feature its values, rising and without repetition.
    values: Vec<Vec<f32>>,
    /// For each feature the rank of each row's value.
    ranks: Vec<Vec<u32>>,
    /// The weight of a row of each class: all classes weigh the same.
    weights: Vec<f64>,
    /// Features asked at a node: the square root of all of them.
    asked: usize,
}

/// The best question so far.
struct Question {
    feature: usize,
    /// Rows of at most this rank go to the low side.
    rank: u32,
    most: f32,
    gain: f64,
}

impl<'a> Grower<'a> {
    pub(super) fn new(rows: &'a Rows) -> Self {
        let classes = rows.classes.iter().max().map_or(0, |last| last + 1);
        let mut sizes = vec![0_u32; classes];
        for class in &rows.classes {
            sizes[*class] += 1;
        }
        let width = rows.features.first().map_or(0, Vec::len);
        let (values, ranks) = (0..width).map(|feature| ranked(rows, feature)).unzip();
        Self {
            rows,
            values,
            ranks,
            weights: sizes.iter().map(|n| 1.0 / f64::from((*n).max(1))).collect(),
            asked: (width as f64).sqrt().ceil() as usize,
        }
    }

    pub(super) fn classes(&self) -> usize {
        self.weights.len()
    }

    /// A tree of the rows, each taken that many times.
    pub(super) fn grow(&self, times: &[u32], dice: &mut Dice) -> Tree {
        let rows: Vec<usize> = (0..times.len()).filter(|row| times[*row] > 0).collect();
        let mut nodes = vec![Node::Leaf(Vec::new())];
        let mut open = vec![(0, rows)];
        while let Some((at, rows)) = open.pop() {
            let weights = self.class_weights(&rows, times);
            let Some(best) = self.best(&rows, times, &weights, dice) else {
                nodes[at] = Node::Leaf(shares(&weights));
                continue;
            };
            let ranks = &self.ranks[best.feature];
            let (low, high) = rows.into_iter().partition(|row| ranks[*row] <= best.rank);
            let next = nodes.len();
            nodes.resize(next + 2, Node::Leaf(Vec::new()));
            nodes[at] = Node::Ask {
                feature: best.feature as u32,
                most: best.most,
                low: next as u32,
                high: next as u32 + 1,
            };
            open.push((next + 1, high));
            open.push((next, low));
        }
        Tree::new(nodes)
    }

    fn class_weights(&self, rows: &[usize], times: &[u32]) -> Vec<f64> {
        let mut weights = vec![0.0; self.classes()];
        for row in rows {
            weights[self.rows.classes[*row]] += self.weight(*row, times);
        }
        weights
    }

    fn weight(&self, row: usize, times: &[u32]) -> f64 {
        f64::from(times[row]) * self.weights[self.rows.classes[row]]
    }

    /// The best question of features drawn at random. Features that part nothing do not count as drawn.
    fn best(
        &self,
        rows: &[usize],
        times: &[u32],
        weights: &[f64],
        dice: &mut Dice,
    ) -> Option<Question> {
        if weights.iter().filter(|weight| **weight > 0.0).count() < 2 {
            return None;
        }
        let mut features: Vec<usize> = (0..self.ranks.len()).collect();
        let mut best: Option<Question> = None;
        let mut asked = 0;
        for drawn in 0..features.len() {
            let pick = drawn + dice.below(features.len() - drawn);
            features.swap(drawn, pick);
            let found = self.best_of(features[drawn], rows, times, weights);
            asked += usize::from(found.is_some());
            best = match (best, found) {
                (Some(best), Some(found)) if found.gain > best.gain => Some(found),
                (best, found) => best.or(found),
            };
            if asked == self.asked {
                break;
            }
        }
        best
    }

    /// The best question about one feature, if its values differ.
    fn best_of(
        &self,
        feature: usize,
        rows: &[usize],
        times: &[u32],
        weights: &[f64],
    ) -> Option<Question> {
        let ranks = &self.ranks[feature];
        let mut sorted: Vec<(u32, u32)> =
            rows.iter().map(|row| (ranks[*row], *row as u32)).collect();
        sorted.sort_unstable();
        let (mut low, mut high) = (vec![0.0; weights.len()], weights.to_vec());
        let mut best: Option<Question> = None;
        for pair in sorted.windows(2) {
            let (rank, row) = (pair[0].0, pair[0].1 as usize);
            let (class, weight) = (self.rows.classes[row], self.weight(row, times));
            low[class] += weight;
            high[class] -= weight;
            if rank == pair[1].0 {
                continue;
            }
            let gain = purity(&low) + purity(&high);
            if best.as_ref().is_none_or(|best| gain > best.gain) {
                let (below, above) = (rank as usize, pair[1].0 as usize);
                best = Some(Question {
                    feature,
                    rank,
                    most: between(self.values[feature][below], self.values[feature][above]),
                    gain,
                });
            }
        }
        best
    }
}

/// Weight times one minus the Gini impurity, but for a constant.
fn purity(weights: &[f64]) -> f64 {
    let (sum, squares) = weights.iter().fold((0.0, 0.0), |(sum, squares), weight| {
        (sum + weight, squares + weight * weight)
    });
    if sum > 0.0 { squares / sum } else { 0.0 }
}

/// A number from `low` to below `high`: the middle, where there is one.
fn between(low: f32, high: f32) -> f32 {
    let middle = low + (high - low) / 2.0;
    if middle < high { middle } else { low }
}

/// The values of a feature, and the rank of each row's value among them.
fn ranked(rows: &Rows, feature: usize) -> (Vec<f32>, Vec<u32>) {
    let column = || rows.features.iter().map(|row| row[feature]);
    let mut values: Vec<f32> = column().collect();
    values.sort_unstable_by(f32::total_cmp);
    values.dedup();
    let rank = |value: f32| values.partition_point(|known| *known < value) as u32;
    let ranks = column().map(rank).collect();
    (values, ranks)
}

fn shares(weights: &[f64]) -> Vec<f32> {
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|weight| (weight / sum) as f32).collect()
}
