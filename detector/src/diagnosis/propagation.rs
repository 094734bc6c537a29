//! Where a symptom comes from, when it is known who calls whom.
//!
//! Whoever is worse than ever in the symptom's metric is a suspect, if enough of the symptom's work goes
//! through it. A suspect that none of its callees explains is the cause: waiting for a callee explains
//! a caller, never the other way round.

use std::collections::BTreeMap;

use super::case::{Case, Symptom};
use super::class::Class;
use super::robust::{deviation, median};

/// A suspect is worse by this many scales.
const SUSPECT: f64 = 5.0;
/// What carries less than this share of the symptom's load cannot cause it.
const CARRIED: f64 = 0.01;
/// How long before the detection counts as lately, in seconds.
const LATELY_S: i64 = 900;
/// The least scale of a latency and of anything else, as a share of its level; .002 of an availability.
const LATENCY_SCALE: f64 = 0.05;
const AVAILABILITY_SCALE: f64 = 0.002;

/// How much worse an entity is in the symptom's metric.
#[derive(Clone, Copy, Debug)]
struct Worse {
    /// In the metric's own unit.
    excess: f64,
    /// In scales.
    scales: f64,
}

/// A score for each entity that has the symptom's metric, higher is likelier.
pub(super) fn trace<'a>(case: &'a Case, symptom: &Symptom) -> BTreeMap<&'a str, f64> {
    let worse: BTreeMap<&str, Worse> = case
        .entities
        .keys()
        .filter_map(|entity| Some((entity.as_str(), worse(case, entity, &symptom.metric)?)))
        .collect();
    let all = load(case, &symptom.entity);
    let mut suspects = worse.clone();
    suspects.retain(|entity, worse| worse.scales > SUSPECT && carries(case, entity, all));
    let most = suspects
        .keys()
        .map(|entity| weight(case, entity, &suspects));
    let most = most.fold(f64::MIN_POSITIVE, f64::max);
    let score = |(entity, worse): (&&'a str, &Worse)| {
        let odd = worse.scales.max(0.0);
        let score = match suspects.get(entity) {
            None => odd / (odd + SUSPECT),
            Some(_) => {
                suspicion(case, entity, &suspects) + 0.04 * weight(case, entity, &suspects) / most
            }
        };
        (*entity, score)
    };
    worse.iter().map(score).collect()
}

/// The score of a suspect: first of all the share that its callees do not explain, in tenths, then
/// whether it calls anybody: what never calls is often only a caller's view of another entity, such as
/// a load balancer.
fn suspicion(case: &Case, entity: &str, suspects: &BTreeMap<&str, Worse>) -> f64 {
    let own = suspects[entity];
    let callees = || case.calls.iter().filter(|(caller, _)| caller == entity);
    let explained = callees()
        .filter_map(|(_, callee)| suspects.get(callee.as_str()))
        .map(|callee| callee.excess)
        .fold(0.0, f64::max);
    let unexplained = (1.0 - explained / own.excess).clamp(0.0, 1.0);
    let calls = if callees().next().is_some() {
        0.05
    } else {
        0.0
    };
    1.0 + (10.0 * unexplained).round() / 10.0 + calls
}

/// What a suspect did to all of its callers: the excess of a request times the requests. Without a load
/// every request is one.
fn weight(case: &Case, entity: &str, suspects: &BTreeMap<&str, Worse>) -> f64 {
    suspects[entity].excess * load(case, entity).unwrap_or(1.0)
}

/// How much worse the entity is since the failure, than it usually and than it lately was.
fn worse(case: &Case, entity: &str, metric: &str) -> Option<Worse> {
    let series = case.series(entity, metric)?;
    let (before, since) = case.parted(series);
    if before.is_empty() || since.is_empty() {
        return None;
    }
    let class = Class::of(metric);
    let sign = if class == Class::Availability {
        -1.0
    } else {
        1.0
    };
    let lately: Vec<f64> = series[..before.len()]
        .iter()
        .filter(|(at, _)| *at >= case.detected_at - LATELY_S)
        .map(|(_, value)| *value)
        .collect();
    let usual = median(&before);
    let level = if lately.is_empty() {
        usual
    } else {
        sign * (sign * usual).max(sign * median(&lately))
    };
    let least = if class == Class::Availability {
        AVAILABILITY_SCALE
    } else {
        LATENCY_SCALE
    };
    let scale = deviation(&before).max(least * usual.abs()).max(1e-9);
    // The failure may end before the samples do: the two worst speak.
    let mut worst: Vec<f64> = since.iter().map(|value| sign * (value - level)).collect();
    worst.sort_by(|a, b| b.total_cmp(a));
    worst.truncate(2);
    let excess = worst.iter().sum::<f64>() / worst.len() as f64;
    Some(Worse {
        excess,
        scales: excess / scale,
    })
}

/// The mean load since the failure. None when nobody measures it.
fn load(case: &Case, entity: &str) -> Option<f64> {
    let mut metrics = case.entities.get(entity)?.iter();
    let (_, series) = metrics.find(|(metric, _)| Class::of(metric) == Class::Load)?;
    let (_, since) = case.parted(series);
    (!since.is_empty()).then(|| since.iter().sum::<f64>() / since.len() as f64)
}

fn carries(case: &Case, entity: &str, symptom: Option<f64>) -> bool {
    let both = symptom.zip(load(case, entity));
    both.is_none_or(|(symptom, own)| own >= CARRIED * symptom)
}
