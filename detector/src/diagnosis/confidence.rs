//! From shares of votes to the probability that the answer is right, learnt from votes of trees on
//! incidents that they had not seen.
//!
//! With few incidents one number is learnt, a temperature (Guo et al., "On Calibration of Modern Neural
//! Networks", ICML 2017); with many the whole curve, by pooling adjacent violators (Zadrozny and Elkan,
//! "Transforming classifier scores into accurate multiclass probability estimates", KDD 2002).

use serde::{Deserialize, Serialize};

use super::robust::quantile;

/// From this many incidents on the whole curve is learnt.
const MANY: usize = 200;
/// The least share of votes: no tree ever saw everything.
const LEAST: f64 = 1e-3;

/// How shares of votes become probabilities. What is far from all that is known of its kind has small shares, which
/// sum to less than one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Confidence {
    /// Shares to this power, made to sum to one; less where shares sum to less than is usual, as they do.
    Power {
        /// From 1/8 to 8.
        power: f64,
        /// What the shares of three of four known incidents sum to, at least.
        usual: f64,
    },
    /// The highest share and the probability, rising; between them by straight lines.
    Curve(Vec<(f64, f64)>),
}

/// The shares of one incident's kinds, and which kind was right.
pub(super) type Test = (Vec<f64>, usize);

impl Confidence {
    /// Learns from tests.
    pub(super) fn learn(tests: &[Test]) -> Self {
        if tests.len() < MANY {
            let sums: Vec<f64> = tests
                .iter()
                .map(|(shares, _)| shares.iter().sum())
                .collect();
            Self::Power {
                power: best_power(tests),
                usual: quantile(&sums, 0.25).max(LEAST),
            }
        } else {
            Self::Curve(curve(tests))
        }
    }

    /// The probability that the kind with the most votes is right.
    pub(super) fn of(&self, shares: &[f64]) -> f64 {
        let most = highest(shares);
        match self {
            Self::Power { power, usual } => {
                let sum: f64 = shares.iter().sum();
                powered(shares, *power, most) * (sum / usual).min(1.0)
            }
            Self::Curve(points) => on_curve(points, most),
        }
        .clamp(0.0, 1.0)
    }
}

/// The highest share.
pub(super) fn highest(shares: &[f64]) -> f64 {
    shares.iter().copied().fold(0.0, f64::max)
}

/// A share to a power, where all sum to one, then to one again. 0 where there is none.
fn powered(shares: &[f64], power: f64, of: f64) -> f64 {
    let sum: f64 = shares.iter().sum();
    if sum <= 0.0 {
        return 0.0;
    }
    let raised = |share: f64| (share / sum).max(LEAST).powf(power);
    raised(of) / shares.iter().map(|share| raised(*share)).sum::<f64>()
}

/// The power under which the right kinds are likeliest, from 1/8 to 8 in steps of 2 %.
fn best_power(tests: &[Test]) -> f64 {
    let fit = |power: f64| -> f64 {
        let said = |(shares, right): &Test| powered(shares, power, shares[*right]).max(LEAST).ln();
        tests.iter().map(said).sum()
    };
    (-105_i32..=105)
        .map(|step| 1.02_f64.powi(step))
        .map(|power| (power, fit(power)))
        .fold((1.0, f64::NEG_INFINITY), |best, next| {
            if next.1 > best.1 { next } else { best }
        })
        .0
}

/// Blocks of tests in order of their highest share, merged until the part that was right rises.
fn curve(tests: &[Test]) -> Vec<(f64, f64)> {
    let mut sorted: Vec<(f64, f64)> = tests
        .iter()
        .map(|(shares, right)| {
            let most = highest(shares);
            (most, f64::from(u8::from(first(shares, most) == *right)))
        })
        .collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut blocks: Vec<(f64, f64, f64)> = Vec::new();
    for (share, right) in sorted {
        blocks.push((share, right, 1.0));
        while let [.., low, high] = blocks[..]
            && (low.1 / low.2 >= high.1 / high.2 || low.0 / low.2 >= high.0 / high.2)
        {
            blocks.truncate(blocks.len() - 2);
            blocks.push((low.0 + high.0, low.1 + high.1, low.2 + high.2));
        }
    }
    // One that is always right in few tests may be wrong in the next: a test each way is added.
    let point =
        |(shares, right, count): (f64, f64, f64)| (shares / count, (right + 0.5) / (count + 1.0));
    let mut points: Vec<(f64, f64)> = blocks.into_iter().map(point).collect();
    let mut least = 0.0_f64;
    for (_, probability) in &mut points {
        least = least.max(*probability);
        *probability = least;
    }
    points
}

fn first(shares: &[f64], most: f64) -> usize {
    shares.iter().position(|share| *share >= most).unwrap_or(0)
}

fn on_curve(points: &[(f64, f64)], at: f64) -> f64 {
    let above = points.partition_point(|(share, _)| *share <= at);
    match (
        above.checked_sub(1).map(|low| points[low]),
        points.get(above),
    ) {
        (Some(low), Some(high)) => {
            let way = (at - low.0) / (high.0 - low.0).max(1e-12);
            (low.1 + way * (high.1 - low.1)).min(high.1)
        }
        (Some(one), None) => one.1,
        (None, Some(one)) => one.1,
        (None, None) => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::{Confidence, Test};

    /// Tests with shares from .4 to .8, right as often as `rate` says.
    fn tests(count: usize, rate: impl Fn(f64) -> f64) -> Vec<Test> {
        let test = |at: usize| {
            let share = 0.4 + 0.4 * (at % 41) as f64 / 41.0;
            // An even spread without randomness: the golden ratio's multiples.
            let draw = (at as f64 * 0.618_033_988_749_895).fract();
            let right = usize::from(draw >= rate(share));
            (vec![share, (1.0 - share) / 2.0, (1.0 - share) / 2.0], right)
        };
        (0..count).map(test).collect()
    }

    fn at(confidence: &Confidence, share: f64) -> f64 {
        confidence.of(&[share, (1.0 - share) / 2.0, (1.0 - share) / 2.0])
    }

    #[test]
    fn votes_that_are_always_right_are_trusted_and_those_of_chance_are_not() {
        for count in [60, 600] {
            let (sure, chance) = (
                Confidence::learn(&tests(count, |_| 1.0)),
                Confidence::learn(&tests(count, |_| 0.4)),
            );
            assert!(at(&sure, 0.6) > 0.9, "{count}: {sure:?}");
            assert!(at(&chance, 0.6) < 0.55, "{count}: {chance:?}");
        }
    }

    #[test]
    fn what_is_farther_from_its_kind_is_less_sure() {
        let confidence = Confidence::learn(&tests(60, |_| 1.0));
        let said: Vec<f64> = [0.0, 0.5, 1.0, 10.0, f64::INFINITY]
            .map(|apart| [0.6, 0.3, 0.1].map(|share| share / (1.0 + apart)))
            .map(|shares| confidence.of(&shares))
            .to_vec();
        assert!(said.windows(2).all(|pair| pair[0] > pair[1]), "{said:?}");
        assert!(said[0] > 0.9 && said[3] < 0.1 && said[4] == 0.0, "{said:?}");
    }

    #[test]
    fn a_curve_rises_and_says_how_often_a_share_is_right() {
        let curve = Confidence::learn(&tests(2_000, |share| (share - 0.4) * 2.0));
        let said: Vec<f64> = (34..100)
            .map(|share| at(&curve, f64::from(share) / 100.0))
            .collect();
        let falls = said.windows(2).find(|pair| pair[0] > pair[1]);
        assert_eq!(falls, None, "{curve:?}");
        for share in [0.5, 0.6, 0.7] {
            let said = at(&curve, share);
            assert!((said - (share - 0.4) * 2.0).abs() < 0.1, "{share}: {said}");
        }
    }
}
