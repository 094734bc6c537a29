//! The features to blame for an episode, and the pod that stands out.

use aegis_schemas::{Blame, Name};

use super::features::Reader;
use super::metric::Metric;
use super::supplies::Supplies;

/// From how many scales a feature is blamed.
const BLAMED: f64 = 3.0;
/// From how many scales a pod can be the odd one out, and how small a part of that its next sibling's
/// deviation must be.
const ODD: f64 = 5.0;
const SIBLING: f64 = 0.25;
/// The same where something runs out: a slow rise is seen long before it is a large deviation.
const ODD_AND_RISING: f64 = 1.0;

/// Every feature that is clearly off in the newest row, the most surprising first: how surprising it is is
/// measured against how surprising it was before the episode. Then what its log says of it and the
/// certificates that are due.
pub(super) fn blame(metrics: &[Metric], reader: &Reader, supplies: &Supplies) -> Vec<Blame> {
    let off = |metric: &&Metric| metric.deviation().abs() >= BLAMED;
    let mut found: Vec<(f64, Blame)> = metrics
        .iter()
        .filter(off)
        .filter_map(|metric| {
            let blame = blamed(metric, metrics, reader, supplies, ODD)?;
            Some((metric.surprise(), blame))
        })
        .collect();
    found.sort_by(|(a, one), (b, other)| {
        b.total_cmp(a).then_with(|| one.feature.cmp(&other.feature))
    });
    let found = found.into_iter().map(|(_, blame)| blame);
    let found = found.chain(reader.templates.blame(BLAMED));
    found.chain(due(reader, supplies)).collect()
}

/// What will be at its limit while nothing is unusual, and the load, if it is off and may be why. What is only
/// foretold deviates from nothing.
pub(super) fn foretold(metrics: &[Metric], reader: &Reader, supplies: &Supplies) -> Vec<Blame> {
    let told = |metric: &Metric| {
        let is_load = metric.is("request_rate", None) && metric.deviation().abs() >= BLAMED;
        let blame = blamed(metric, metrics, reader, supplies, ODD_AND_RISING)?;
        match blame.forecast {
            Some(_) => Some(Blame {
                deviation: 0.0,
                ..blame
            }),
            None => is_load.then_some(blame),
        }
    };
    let found = metrics.iter().filter_map(told);
    found.chain(due(reader, supplies)).collect()
}

fn due(reader: &Reader, supplies: &Supplies) -> Vec<Blame> {
    reader.newest.map_or_else(Vec::new, |at| supplies.due(at))
}

fn blamed(
    metric: &Metric,
    metrics: &[Metric],
    reader: &Reader,
    supplies: &Supplies,
    odd: f64,
) -> Option<Blame> {
    let level = metric.level?;
    let odd = odd_one_out(metric, metrics, reader, odd);
    let (pod, own) = odd.map_or((None, None), |(pod, own)| (Some(pod), own));
    Some(Blame {
        feature: metric.full_name(),
        pod,
        value: own.unwrap_or(level),
        expected: metric.expected(),
        deviation: metric.deviation(),
        forecast: supplies.forecast(metric.kind()),
    })
}

/// The pod that is off while no sibling is, and its own level if that is known of pods. Rates are the
/// workload's: a pod has its share of them. Of quantiles the pods only know the mean.
fn odd_one_out(
    metric: &Metric,
    all: &[Metric],
    reader: &Reader,
    least: f64,
) -> Option<(Name, Option<f64>)> {
    let measure = match metric.kind() {
        "cpu_utilisation" | "memory_utilisation" | "disk_utilisation" | "pool_utilisation"
        | "error_ratio" | "latency_mean" => metric,
        "latency_p50" | "latency_p99" => all.iter().find(|one| one.is("latency_mean", None))?,
        _ => return None,
    };
    let mut off: Vec<(f64, &Name, f64)> = reader
        .levels(measure.kind())
        .into_iter()
        .map(|(pod, level)| {
            let deviation = measure.deviation_of(level) * metric.deviation().signum();
            (deviation, pod, level)
        })
        .collect();
    off.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    let [(first, pod, level), (second, ..), ..] = off.as_slice() else {
        return None;
    };
    let is_odd = *first >= least && *second <= SIBLING * first;
    let own = (measure.kind() == metric.kind()).then_some(*level);
    is_odd.then(|| ((*pod).clone(), own))
}
