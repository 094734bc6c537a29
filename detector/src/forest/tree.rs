//! A grown tree: questions on the way, class shares at the end.

use serde::{Deserialize, Serialize};

/// A tree. The first node is the root.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Tree {
    nodes: Vec<Node>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Node {
    /// Rows whose `feature` is at most `most` go on at `low`, the others at `high`.
    Ask {
        feature: u32,
        most: f32,
        low: u32,
        high: u32,
    },
    /// The share of each class.
    Leaf(Vec<f32>),
}

impl Tree {
    /// `nodes` point forward only: that is how they are grown.
    pub(super) const fn new(nodes: Vec<Node>) -> Self {
        Self { nodes }
    }

    /// The class shares of the leaf that the row falls into.
    pub(super) fn shares(&self, features: &[f32]) -> &[f32] {
        let mut at = 0;
        loop {
            match &self.nodes[at] {
                Node::Leaf(shares) => return shares,
                Node::Ask {
                    feature,
                    most,
                    low,
                    high,
                } => {
                    let low_side = features[*feature as usize] <= *most;
                    at = if low_side { *low } else { *high } as usize;
                }
            }
        }
    }

    /// Whether every way ends at a leaf of `classes` shares and asks for features that there are.
    pub(super) fn is_sound(&self, features: usize, classes: usize) -> bool {
        let sound = |(at, node): (usize, &Node)| match node {
            Node::Leaf(shares) => shares.len() == classes,
            Node::Ask {
                feature, low, high, ..
            } => {
                let forward = |to: u32| (to as usize) > at && (to as usize) < self.nodes.len();
                (*feature as usize) < features && forward(*low) && forward(*high)
            }
        };
        !self.nodes.is_empty() && self.nodes.iter().enumerate().all(sound)
    }
}
