//! What is learnt from incidents whose end is known: one forest that says of every entity whether it
//! is the cause, and of what kind.
//!
//! Its classes are `not the cause` and the kinds. Over all entities of an incident the votes for a kind
//! add up to the kind's share; against one entity they add up to its suspicion. All rows of an incident
//! are drawn together, so the votes of trees that did not see it test both.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::case::{Case, Labelled};
use super::causes::{Cause, causes, ranked};
use super::confidence::{Confidence, Test, highest};
use super::quality::{Quality, Trial};
use super::robust::quantile;
use super::traits;
use crate::forest::{Forest, Rows, Settings};

/// What is said of a kind that nobody knows.
pub const UNKNOWN: &str = "unknown";
/// The class of entities that are not the cause. Kinds follow.
const BYSTANDER: usize = 0;
/// The share of known kinds that is left unanswered for the sake of unknown ones.
const UNANSWERED: f64 = 0.05;
/// The least share of votes against an entity: no tree ever saw everything.
const LEAST_AGAINST: f64 = 0.01;

/// The most metrics, kinds and trees of a model that is read.
const MAX_METRICS: usize = 512;
const MAX_KINDS: usize = 64;
const MAX_TREES: usize = 1_000;

/// What was learnt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Model {
    metrics: Vec<String>,
    kinds: Vec<String>,
    forest: Forest,
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
        let grown = Forest::grow(&rows(&incidents, &metrics, &kinds), settings);
        let trials = trials(&incidents, &kinds, grown.unseen);
        let tests: Vec<Test> = trials
            .iter()
            .map(|trial| (trial.shares.clone(), trial.kind))
            .collect();
        let highest: Vec<f64> = tests.iter().map(|(shares, _)| highest(shares)).collect();
        let quality = Quality::of(&trials, &kinds, quantile(&highest, UNANSWERED));
        Some(Self {
            metrics,
            kinds,
            forest: grown.forest,
            confidence: Confidence::learn(&tests),
            quality,
        })
    }

    /// What it says of an incident.
    #[must_use]
    pub fn answer(&self, case: &Case) -> Answer {
        let votes = self.votes(case);
        let (kind, confidence) = self.named(&votes);
        Answer {
            kind: kind.to_owned(),
            confidence,
            ranking: if self.quality.forest_ranks_better() {
                let votes = votes.into_iter();
                ranked(
                    votes
                        .map(|(entity, votes)| (entity, 1.0 - votes[BYSTANDER]))
                        .collect(),
                )
            } else {
                causes(case)
            },
        }
    }

    /// The kind alone, or [`UNKNOWN`], with the probability that it is right.
    #[must_use]
    pub fn kind(&self, case: &Case) -> (&str, f64) {
        self.named(&self.votes(case))
    }

    /// The votes on each entity.
    fn votes<'a>(&self, case: &'a Case) -> Vec<(&'a str, Vec<f64>)> {
        let rows = traits::rows(case, &self.metrics).into_iter();
        rows.map(|(entity, row)| (entity, self.forest.votes(&row)))
            .collect()
    }

    fn named(&self, votes: &[(&str, Vec<f64>)]) -> (&str, f64) {
        let votes = votes.iter().map(|(_, votes)| votes.as_slice());
        let shares = shares(votes, self.kinds.len());
        let most = highest(&shares);
        let first = shares.iter().position(|share| *share >= most);
        let kind = first.filter(|_| most > 0.0 && most >= self.quality.unknown_below);
        (
            kind.map_or(UNKNOWN, |kind| &self.kinds[kind]),
            self.confidence.of(&shares),
        )
    }

    /// Whether its trees fit its kinds and metrics, and are no more than anybody needs: a file may say anything.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let bounded = self.metrics.len() <= MAX_METRICS
            && self.kinds.len() <= MAX_KINDS
            && self.forest.trees() <= MAX_TREES;
        let features = traits::width(self.metrics.len());
        bounded && self.forest.is_sound(features, self.kinds.len() + 1)
    }

    /// How good it is.
    #[must_use]
    pub const fn quality(&self) -> &Quality {
        &self.quality
    }
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

/// What the trees that had not seen an incident said of it, for all of which there are such trees.
fn trials(incidents: &[&Labelled], kinds: &[String], unseen: Vec<Option<Vec<f64>>>) -> Vec<Trial> {
    let mut unseen = unseen.into_iter();
    let mut trials = Vec::new();
    for known in incidents {
        let entities = known.case.entities.len();
        let votes: Option<Vec<Vec<f64>>> = unseen.by_ref().take(entities).collect();
        let kind = kinds.iter().position(|kind| *kind == known.kind);
        if let Some((votes, kind)) = votes.zip(kind) {
            let names = known.case.entities.keys().map(String::as_str);
            let suspicion = votes.iter().map(|votes| 1.0 - votes[BYSTANDER]);
            trials.push(Trial {
                kind,
                shares: shares(votes.iter().map(Vec::as_slice), kinds.len()),
                place_by_forest: place(&ranked(names.zip(suspicion).collect()), &known.root),
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

/// The share of each kind, over all entities, each by its odds of being the cause: if one entity is the
/// cause and the others are not, an entity is likely the one as its votes for being it stand to its votes
/// against.
fn shares<'a>(votes: impl Iterator<Item = &'a [f64]>, kinds: usize) -> Vec<f64> {
    let mut sums = vec![0.0; kinds];
    for votes in votes {
        let against = votes[BYSTANDER].max(LEAST_AGAINST);
        for (sum, vote) in sums.iter_mut().zip(&votes[BYSTANDER + 1..]) {
            *sum += vote / against;
        }
    }
    let all: f64 = sums.iter().sum();
    sums.into_iter()
        .map(|sum| if all > 0.0 { sum / all } else { 0.0 })
        .collect()
}
