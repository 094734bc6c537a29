//! An entity in numbers that do not depend on its name: how each metric moved, and how that stands out
//! among the other entities of the incident.

use std::collections::BTreeMap;

use super::case::{Case, Series};
use super::change::{CAUTIOUS, Change, Floor, KEEN, change, squashed};

/// The floors that each metric is measured with.
const FLOORS: [Floor; 2] = [CAUTIOUS, KEEN];
/// Numbers for each metric and floor.
const EACH: usize = 6;

/// How many numbers a row has.
pub(super) const fn width(metrics: usize) -> usize {
    metrics * FLOORS.len() * EACH
}

/// What a metric is called whoever it is about: `call_latency.cart` of an incident with an entity `cart`
/// is `call_latency`.
pub(super) fn family<'a>(case: &Case, metric: &'a str) -> &'a str {
    match metric.rsplit_once('.') {
        Some((family, peer)) if case.entities.contains_key(peer) => family,
        _ => metric,
    }
}

/// A row of numbers for each entity, in order of their names. Metrics that an entity lacks are as if
/// they had not moved; those that are not listed are not looked at.
pub(super) fn rows<'a>(case: &'a Case, metrics: &[String]) -> BTreeMap<&'a str, Vec<f32>> {
    let mut rows: BTreeMap<&str, Vec<f32>> = BTreeMap::new();
    for floor in FLOORS {
        for metric in metrics {
            let changes: Vec<(&str, Change)> = case
                .entities
                .iter()
                .map(|(entity, series)| (entity.as_str(), moved(case, series, metric, floor)))
                .collect();
            let peaks = Crowd::new(changes.iter().map(|(_, change)| change.peak));
            let typicals = Crowd::new(changes.iter().map(|(_, change)| change.typical));
            for (at, (entity, change)) in changes.iter().enumerate() {
                let row = rows.entry(entity).or_default();
                for (moved, crowd) in [(change.peak, &peaks), (change.typical, &typicals)] {
                    row.push(squashed(moved) as f32);
                    row.push(crowd.ahead_of_most(at) as f32);
                    row.push(crowd.ahead_of_middle(at) as f32);
                }
            }
        }
    }
    rows
}

/// The change of a metric; of one about several peers, the largest.
fn moved(case: &Case, metrics: &BTreeMap<String, Series>, wanted: &str, floor: Floor) -> Change {
    let own = metrics
        .iter()
        .filter(|(name, _)| family(case, name) == wanted);
    let changes = own.filter_map(|(_, series)| {
        let (before, since) = case.parted(series);
        change(&before, &since, floor)
    });
    changes.fold(Change::default(), |most, next| {
        if next.peak.abs() > most.peak.abs() {
            next
        } else {
            most
        }
    })
}

/// How large one metric's moves are in all entities, as logarithms.
struct Crowd {
    sizes: Vec<f64>,
    sorted: Vec<f64>,
}

impl Crowd {
    fn new(moves: impl Iterator<Item = f64>) -> Self {
        let sizes: Vec<f64> = moves.map(|moved| squashed(moved.abs())).collect();
        let mut sorted = sizes.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        Self { sizes, sorted }
    }

    /// How much larger than the largest other.
    fn ahead_of_most(&self, at: usize) -> f64 {
        let (own, last) = (self.sizes[at], self.sorted.len() - 1);
        // Where it is the largest itself, the other is the next one.
        let other = if own >= self.sorted[last] {
            last.checked_sub(1)
        } else {
            Some(last)
        };
        own - other.map_or(0.0, |other| self.sorted[other])
    }

    /// How much larger than the one in the middle.
    fn ahead_of_middle(&self, at: usize) -> f64 {
        self.sizes[at] - self.sorted[self.sorted.len() / 2]
    }
}
