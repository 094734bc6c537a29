//! The ranking of causes by rules.

use std::collections::BTreeMap;

use super::case::{Case, Symptom};
use super::{evidence::evidence, propagation::trace};

/// An entity and how likely it is the cause: higher is likelier, else the number means nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Cause {
    /// Its name.
    pub entity: String,
    /// How likely.
    pub score: f64,
}

/// All entities with series, the likeliest cause first.
#[must_use]
pub fn causes(case: &Case) -> Vec<Cause> {
    let scores = match &case.symptom {
        Some(symptom) if is_traceable(case, symptom) => {
            let mut scores = trace(case, symptom);
            for entity in case.entities.keys() {
                scores.entry(entity).or_insert(0.0);
            }
            scores
        }
        _ => evidence(case),
    };
    ranked(scores)
}

/// Whether somebody else who is called is measured in the symptom's metric: a metric that only one entity
/// has leads nowhere.
fn is_traceable(case: &Case, symptom: &Symptom) -> bool {
    let callees = case.calls.iter().map(|(_, callee)| callee);
    let mut others = callees.filter(|callee| **callee != symptom.entity);
    others.any(|callee| case.series(callee, &symptom.metric).is_some())
}

/// The highest score first; ties by name.
pub(super) fn ranked(scores: BTreeMap<&str, f64>) -> Vec<Cause> {
    let mut ranking: Vec<Cause> = scores
        .into_iter()
        .map(|(entity, score)| Cause {
            entity: entity.to_owned(),
            score,
        })
        .collect();
    ranking.sort_by(|a, b| b.score.total_cmp(&a.score));
    ranking
}
