//! A Random Forest for classification that answers the same bytes for the same rows, always.
//!
//! Trees are grown on bootstrap samples of whole groups (all rows of an incident are drawn or left out
//! together), so that the votes of the trees that did not see a group are an honest test on it. Votes
//! are the class shares of the leaves, summed in the order of the trees; ties go to the lowest class.
//! Source: Breiman, "Random Forests", Machine Learning 45 (2001).

mod dice;
mod grow;
mod tree;

use serde::{Deserialize, Serialize};

pub(crate) use dice::Dice;
use grow::Grower;
use tree::Tree;

/// What a forest learns from: rows of features with their classes.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// A row of features each, all of one length, finite.
    pub features: Vec<Vec<f32>>,
    /// The class of each row, from 0.
    pub classes: Vec<usize>,
    /// Which rows are drawn together, from 0 and without gaps.
    pub groups: Vec<usize>,
}

/// How a forest is grown.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How many trees.
    pub trees: usize,
    /// What all randomness comes from.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            trees: 500,
            seed: 1,
        }
    }
}

/// Trees that vote.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Forest {
    classes: usize,
    trees: Vec<Tree>,
}

/// A forest with what its trees said of the rows that they had not seen.
#[derive(Debug)]
pub struct Grown {
    /// The forest.
    pub forest: Forest,
    /// For each row the class shares by the trees that did not see its group; `None` where all did.
    pub unseen: Vec<Option<Vec<f64>>>,
}

impl Forest {
    /// Grows a forest. Every class weighs the same, however many rows it has.
    ///
    /// # Panics
    ///
    /// When the lists of `rows` differ in length.
    #[must_use]
    pub fn grow(rows: &Rows, settings: Settings) -> Grown {
        assert_eq!(rows.features.len(), rows.classes.len(), "a class each");
        assert_eq!(rows.features.len(), rows.groups.len(), "a group each");
        let grower = Grower::new(rows);
        let groups = rows.groups.iter().max().map_or(0, |last| last + 1);
        let mut votes = vec![vec![0.0; grower.classes()]; rows.features.len()];
        let mut voters = vec![0_u32; rows.features.len()];
        let mut trees = Vec::with_capacity(settings.trees);
        for number in 0..settings.trees {
            let mut dice = Dice::new(settings.seed, number as u64);
            let mut drawn = vec![0_u32; groups];
            for _ in 0..groups {
                drawn[dice.below(groups)] += 1;
            }
            let times: Vec<u32> = rows.groups.iter().map(|group| drawn[*group]).collect();
            let tree = grower.grow(&times, &mut dice);
            for row in (0..times.len()).filter(|row| times[*row] == 0) {
                add(&mut votes[row], tree.shares(&rows.features[row]));
                voters[row] += 1;
            }
            trees.push(tree);
        }
        let unseen = votes.into_iter().zip(voters);
        Grown {
            forest: Self {
                classes: grower.classes(),
                trees,
            },
            unseen: unseen
                .map(|(votes, voters)| (voters > 0).then(|| divided(votes, f64::from(voters))))
                .collect(),
        }
    }

    /// The share of votes of each class; they sum to one. All zero when there is no tree.
    #[must_use]
    pub fn votes(&self, features: &[f32]) -> Vec<f64> {
        let mut votes = vec![0.0; self.classes];
        for tree in &self.trees {
            add(&mut votes, tree.shares(features));
        }
        divided(votes, self.trees.len().max(1) as f64)
    }

    /// How many trees it has.
    #[must_use]
    pub const fn trees(&self) -> usize {
        self.trees.len()
    }

    /// Whether every tree leads somewhere for rows of that many features and knows all classes. Files
    /// from outside are asked this before their trees are walked.
    #[must_use]
    pub fn is_sound(&self, features: usize, classes: usize) -> bool {
        let sound = |tree: &Tree| tree.is_sound(features, classes);
        self.classes == classes && self.trees.iter().all(sound)
    }
}

fn add(votes: &mut [f64], shares: &[f32]) {
    for (vote, share) in votes.iter_mut().zip(shares) {
        *vote += f64::from(*share);
    }
}

fn divided(votes: Vec<f64>, by: f64) -> Vec<f64> {
    votes.into_iter().map(|vote| vote / by).collect()
}

#[cfg(test)]
mod tests;
