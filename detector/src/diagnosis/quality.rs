//! How good a model is, by incidents that the voting trees had not seen.

use serde::{Deserialize, Serialize};

use super::confidence::{Confidence, Test, highest};

/// Confidences are learnt from all but one of so many parts, and tested on that one.
const PARTS: usize = 5;
/// Bins of the calibration error.
const BINS: usize = 10;

/// What trees said of an incident that they had not seen.
pub(super) struct Trial {
    /// The right kind.
    pub(super) kind: usize,
    /// The share of each kind, as far as its cause is like the known ones.
    pub(super) shares: Vec<f64>,
    /// The root's place in the forest's ranking and in that of the rules, from 1.
    pub(super) place_by_forest: usize,
    pub(super) place_by_rules: usize,
}

/// How good a model is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// Each kind, how many incidents it had, and its F1.
    pub kinds: Vec<(String, usize, f64)>,
    /// The share of incidents whose kind was right.
    pub accuracy: f64,
    /// The mean F1 of all kinds; what is not answered counts as wrong.
    pub macro_f1: f64,
    /// The mean gap between confidence and accuracy in ten bins.
    pub calibration_error: f64,
    /// The share below which no kind is said.
    pub unknown_below: f64,
    /// The mean of one over the root's place in the forest's ranking.
    pub cause_by_forest: f64,
    /// The same in the ranking by rules.
    pub cause_by_rules: f64,
}

impl Quality {
    /// Whether the forest ranks causes better than the rules do: the better one is used.
    #[must_use]
    pub fn forest_ranks_better(&self) -> bool {
        self.cause_by_forest > self.cause_by_rules
    }

    /// Of those trials.
    pub(super) fn of(trials: &[Trial], kinds: &[String], unknown_below: f64) -> Self {
        let said: Vec<(usize, Option<usize>)> = trials
            .iter()
            .map(|trial| {
                let most = highest(&trial.shares);
                let first = trial.shares.iter().position(|share| *share >= most);
                (
                    trial.kind,
                    first.filter(|_| most > 0.0 && most >= unknown_below),
                )
            })
            .collect();
        let f1 = |kind: usize| {
            let both = said
                .iter()
                .filter(|(right, said)| *right == kind && *said == Some(kind));
            let right = said.iter().filter(|(right, _)| *right == kind).count();
            let answers = said.iter().filter(|(_, said)| *said == Some(kind)).count();
            2.0 * both.count() as f64 / (right + answers).max(1) as f64
        };
        let kinds: Vec<(String, usize, f64)> = kinds
            .iter()
            .enumerate()
            .map(|(kind, name)| {
                let count = trials.iter().filter(|trial| trial.kind == kind).count();
                (name.clone(), count, f1(kind))
            })
            .collect();
        Self {
            accuracy: mean(
                said.iter()
                    .map(|(right, said)| f64::from(u8::from(*said == Some(*right)))),
            ),
            macro_f1: mean(kinds.iter().map(|(_, _, f1)| *f1)),
            kinds,
            calibration_error: calibration_error(trials),
            unknown_below,
            cause_by_forest: mean(
                trials
                    .iter()
                    .map(|trial| 1.0 / trial.place_by_forest as f64),
            ),
            cause_by_rules: mean(trials.iter().map(|trial| 1.0 / trial.place_by_rules as f64)),
        }
    }
}

/// The mean gap between confidence and accuracy, confidences being learnt from other incidents.
fn calibration_error(trials: &[Trial]) -> f64 {
    let mut bins = [(0.0, 0.0); BINS];
    for part in 0..PARTS {
        let parts = |test: bool| {
            let trials = trials.iter().enumerate();
            trials
                .filter(move |(at, _)| (at % PARTS == part) == test)
                .map(|(_, trial)| trial)
        };
        let known: Vec<Test> = parts(false)
            .map(|trial| (trial.shares.clone(), trial.kind))
            .collect();
        let confidence = Confidence::learn(&known);
        for trial in parts(true) {
            let said = confidence.of(&trial.shares);
            let most = highest(&trial.shares);
            let right = most > 0.0 && trial.shares[trial.kind] >= most;
            let bin = &mut bins[((said * BINS as f64) as usize).min(BINS - 1)];
            bin.0 += said;
            bin.1 += f64::from(u8::from(right));
        }
    }
    let gaps = bins.iter().map(|(said, right)| (said - right).abs());
    gaps.sum::<f64>() / trials.len().max(1) as f64
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0_u32), |(sum, count), value| (sum + value, count + 1));
    sum / f64::from(count.max(1))
}
