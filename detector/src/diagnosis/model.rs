//! What is learnt from incidents whose end is known: one forest that says of every entity whether it
//! is the cause, and of what kind.
//!
//! Its classes are `not the cause` and the kinds. Over all entities of an incident the votes for a kind
//! add up to the kind's share; against one entity they add up to its suspicion. A share counts the less, the
//! less the cause is like the known ones of that kind. All rows of an incident are drawn together, so the votes
//! of trees that did not see it test both.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::case::{Case, Labelled};
use super::causes::{Cause, causes, ranked};
use super::confidence::{Confidence, Test, highest};
use super::familiar::Familiar;
use super::heard::{BYSTANDER, Heard, shares};
use super::quality::{Quality, Trial};
use super::robust::quantile;
use super::traits;
use crate::forest::{Forest, Rows, Settings};

/// What is said of a kind that nobody knows.
pub const UNKNOWN: &str = "unknown";
/// The share of known kinds that may be left unanswered for the sake of unknown ones.
const UNANSWERED: f64 = 0.05;
/// So much less than what they need is enough: the next one of a kind may be a little farther from the known ones
/// than any of them, and what is of no kind is mostly much farther.
const ENOUGH: f64 = 0.8;

/// The most metrics, kinds, trees and known roots of a model that is read.
const MAX_METRICS: usize = 512;
const MAX_KINDS: usize = 64;
const MAX_TREES: usize = 1_000;
const MAX_ROOTS: usize = 10_000;

/// What was learnt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Model {
    metrics: Vec<String>,
    kinds: Vec<String>,
    forest: Forest,
    familiar: Familiar,
    confidence: Confidence,
    quality: Quality,
}

/// What is said of an incident.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The kind, or [`UNKNOWN`].
    pub kind: String,
    /// The probability that the kind is right, from 0 to 1; of the likeliest kind where none is said.
    pub confidence: f64,
    /// Entities, the likeliest cause first.
    pub ranking: Vec<Cause>,
}

impl Answer {
    /// What is said without a model: causes by rules, and no kind.
    #[must_use]
    pub fn by_rules(case: &Case) -> Self {
        Self {
            kind: UNKNOWN.to_owned(),
            confidence: 0.0,
            ranking: causes(case),
        }
    }
}

impl Model {
    /// Learns from incidents. None when there is none whose root has a series.
    #[must_use]
    pub fn learn(incidents: &[Labelled], settings: Settings) -> Option<Self> {
        let has_root = |incident: &&Labelled| incident.case.entities.contains_key(&incident.root);
        let incidents: Vec<&Labelled> = incidents.iter().filter(has_root).collect();
        if incidents.is_empty() {
            return None;
        }
        let metrics = metrics(&incidents);
        let kinds: BTreeSet<&str> = incidents.iter().map(|known| known.kind.as_str()).collect();
        let kinds: Vec<String> = kinds.into_iter().map(str::to_owned).collect();
        let rows = rows(&incidents, &metrics, &kinds);
        let grown = Forest::grow(&rows, settings);
        let roots = rows.classes.iter().zip(&rows.features);
        let roots: Vec<(usize, &[f32])> = roots
            .filter(|(class, _)| **class != BYSTANDER)
            .map(|(class, row)| (class - 1, row.as_slice()))
            .collect();
        let (familiar, apart) = Familiar::learn(&roots, kinds.len());
        let heard = rows.features.iter().cloned().zip(grown.unseen);
        let trials = trials(&incidents, &kinds, heard, &familiar, &apart);
        let tests: Vec<Test> = trials
            .iter()
            .map(|trial| (trial.shares.clone(), trial.kind))
            .collect();
        let unknown_below = ENOUGH * quantile(&rightly_named(&tests), UNANSWERED);
        let quality = Quality::of(&trials, &kinds, unknown_below);
        Some(Self {
            metrics,
            kinds,
            forest: grown.forest,
            familiar,
            confidence: Confidence::learn(&tests),
            quality,
        })
    }

    /// What it says of an incident.
    #[must_use]
    pub fn answer(&self, case: &Case) -> Answer {
        let heard = self.heard(case);
        let (kind, confidence) = self.named(&heard);
        Answer {
            kind: kind.to_owned(),
            confidence,
            ranking: if self.quality.forest_ranks_better() {
                ranked(heard.iter().map(Heard::suspicion).collect())
            } else {
                causes(case)
            },
        }
    }

    /// The kind alone, or [`UNKNOWN`], with the probability that it is right.
    #[must_use]
    pub fn kind(&self, case: &Case) -> (&str, f64) {
        self.named(&self.heard(case))
    }

    /// What is said of each entity.
    fn heard<'a>(&self, case: &'a Case) -> Vec<Heard<'a>> {
        let rows = traits::rows(case, &self.metrics).into_iter();
        rows.map(|(entity, row)| Heard {
            entity,
            votes: self.forest.votes(&row),
            row,
        })
        .collect()
    }

    fn named(&self, heard: &[Heard<'_>]) -> (&str, f64) {
        let shares = shares(heard, self.kinds.len(), |kind, one| {
            self.familiar.apart(kind, &one.row)
        });
        let most = highest(&shares);
        let first = shares.iter().position(|share| *share >= most);
        let kind = first.filter(|_| most > 0.0 && most >= self.quality.unknown_below);
        (
            kind.map_or(UNKNOWN, |kind| &self.kinds[kind]),
            self.confidence.of(&shares),
        )
    }

    /// Whether its trees and its known roots fit its kinds and metrics, and are no more than anybody needs: a file may
    /// say anything.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let bounded = self.metrics.len() <= MAX_METRICS
            && self.kinds.len() <= MAX_KINDS
            && self.forest.trees() <= MAX_TREES
            && self.familiar.roots() <= MAX_ROOTS;
        let features = traits::width(self.metrics.len());
        bounded
            && self.forest.is_sound(features, self.kinds.len() + 1)
            && self.familiar.is_sound(features, self.kinds.len())
    }

    /// How good it is.
    #[must_use]
    pub const fn quality(&self) -> &Quality {
        &self.quality
    }
}

/// The shares of the kinds that were named and were right. What is named wrongly may be far from everything known,
/// as the only one of its kind is: it says nothing of what a name needs.
fn rightly_named(tests: &[Test]) -> Vec<f64> {
    let most = tests.iter().map(|(shares, right)| {
        let most = highest(shares);
        Some(most).filter(|most| *most > 0.0 && shares[*right] >= *most)
    });
    most.flatten().collect()
}

/// What all metrics are called.
fn metrics(incidents: &[&Labelled]) -> Vec<String> {
    let mut names = BTreeSet::new();
    for known in incidents {
        let all = known.case.entities.values().flat_map(BTreeMap::keys);
        names.extend(all.map(|metric| traits::family(&known.case, metric).to_owned()));
    }
    names.into_iter().collect()
}

/// A row for each entity of each incident; an incident is a group.
fn rows(incidents: &[&Labelled], metrics: &[String], kinds: &[String]) -> Rows {
    let mut rows = Rows::default();
    for (group, known) in incidents.iter().enumerate() {
        let kind = kinds.iter().position(|kind| *kind == known.kind);
        for (entity, features) in traits::rows(&known.case, metrics) {
            let is_root = entity == known.root;
            let class = kind.filter(|_| is_root).map_or(BYSTANDER, |kind| kind + 1);
            rows.features.push(features);
            rows.classes.push(class);
            rows.groups.push(group);
        }
    }
    rows
}

/// What the trees that had not seen an incident said of it, for all of which there are such trees. `apart` is how
/// far each root is from the others of its kind.
fn trials(
    incidents: &[&Labelled],
    kinds: &[String],
    mut unseen: impl Iterator<Item = (Vec<f32>, Option<Vec<f64>>)>,
    familiar: &Familiar,
    apart: &[f64],
) -> Vec<Trial> {
    let mut trials = Vec::new();
    for (known, apart) in incidents.iter().zip(apart) {
        let entities = &known.case.entities;
        let said: Vec<(Vec<f32>, Option<Vec<f64>>)> =
            unseen.by_ref().take(entities.len()).collect();
        let heard = entities.keys().zip(said).map(|(entity, (row, votes))| {
            let votes = votes?;
            Some(Heard { entity, row, votes })
        });
        let heard: Option<Vec<Heard<'_>>> = heard.collect();
        let kind = kinds.iter().position(|kind| *kind == known.kind);
        if let Some((heard, right)) = heard.zip(kind) {
            let suspicion = heard.iter().map(Heard::suspicion).collect();
            let shares = shares(&heard, kinds.len(), |kind, one| {
                if kind == right && one.entity == known.root {
                    *apart
                } else {
                    familiar.apart(kind, &one.row)
                }
            });
            trials.push(Trial {
                kind: right,
                shares,
                place_by_forest: place(&ranked(suspicion), &known.root),
                place_by_rules: place(&causes(&known.case), &known.root),
            });
        }
    }
    trials
}

/// Where in a ranking that entity is, from 1.
fn place(ranking: &[Cause], root: &str) -> usize {
    let found = ranking.iter().position(|cause| cause.entity == root);
    found.map_or(ranking.len(), |at| at) + 1
}
