//! Which entity behaves most unlike itself, when nobody knows who calls whom.
//!
//! For each metric the size of its change, as a logarithm; an entity's evidence is the sum of its three
//! largest. What a failure does to others (waiting, more or less to do) counts for less than what it
//! does to the one that has it.

use std::collections::BTreeMap;

use super::case::Case;
use super::change::{CAUTIOUS, change};
use super::class::Class;

/// What latency and load count: they spread along calls.
const SHARED: f64 = 0.6;
/// How many metrics speak for an entity.
const SPOKEN: usize = 3;

/// The evidence against each entity with series.
pub(super) fn evidence(case: &Case) -> BTreeMap<&str, f64> {
    let of = |metrics: &BTreeMap<String, Vec<(i64, f64)>>| {
        let mut said: Vec<f64> = metrics
            .iter()
            .map(|(name, series)| {
                let (before, since) = case.parted(series);
                let size = change(&before, &since, CAUTIOUS).map_or(0.0, |change| change.size);
                weight(Class::of(name)) * size.ln_1p()
            })
            .collect();
        said.sort_by(|a, b| b.total_cmp(a));
        said.iter().take(SPOKEN).sum()
    };
    let entities = case.entities.iter();
    entities
        .map(|(name, metrics)| (name.as_str(), of(metrics)))
        .collect()
}

const fn weight(class: Class) -> f64 {
    match class {
        Class::Latency | Class::Load => SHARED,
        Class::Availability | Class::Resource => 1.0,
    }
}
