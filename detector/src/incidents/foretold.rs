//! What will run out. A guess is no harm: it explains nothing that is wrong, spoils no act's verdict and no
//! revision's health. Where nothing else is wrong it opens an incident that informs and recommends; its
//! diagnosis is too weak for policy to act on by itself, so people say yes or no.

use aegis_schemas::{Blame, CauseKind, EntityKind, FailureKind, Forecast, Severity};

use super::classify::{Case, Diagnosis};
use super::config::Config;
use super::symptom::{Episode, Kind, Symptom, measured, percent};
use crate::scorer::MAX_CERTIFICATES_SAID;

/// How sure a diagnosis from a forecast is, in thousandths: below the 300 that the default policies ask of
/// an act without a person, however steady the rise.
const CONFIDENCE: u16 = 250;

/// A certificate of which less is left than this part of what should be is worse than a warning.
const LAST: f64 = 1.0 / 7.0;

/// The forecasts of an episode; none while more requests than usual make it rise, which no certificate does.
pub(super) fn symptoms(config: &Config, episode: &Episode) -> Vec<Symptom> {
    let blamed = &episode.anomaly.blame;
    let flooded = blamed
        .iter()
        .any(|one| one.feature == "request_rate" && one.deviation >= config.materiality.deviation);
    let of = |blame: &Blame| {
        let forecast = blame.forecast?;
        let (kind, text) = match blame.feature.as_str() {
            "memory_utilisation" => (
                Kind::MemoryForetold,
                "of its limit, which memory will reach",
            ),
            "disk_utilisation" => (Kind::DiskForetold, "of the disk, which will be full"),
            "pool_utilisation" => (
                Kind::PoolForetold,
                "of the connections of its pool, all of which will be in use",
            ),
            _ => return None,
        };
        let text = format!("{} {text} {}", percent(blame.value), when(&forecast));
        Some(measured(episode, blame, kind, text))
    };
    let rising = blamed.iter().filter(|_| !flooded).filter_map(of);
    rising.chain(certificate(episode)).collect()
}

/// The certificate of an episode that ends first, and how many more are due.
fn certificate(episode: &Episode) -> Option<Symptom> {
    let blamed = episode.anomaly.blame.iter();
    let mut due = blamed.filter_map(|blame| {
        let (feature, name) = blame.feature.split_once('.')?;
        (feature == "certificate").then_some((blame, name))
    });
    let (first, name) = due.next()?;
    let left = span(first.value.abs());
    let ends = if first.value > 0.0 {
        format!("ends in {left}")
    } else {
        format!("ended {left} ago")
    };
    let more = match due.count() {
        0 => String::new(),
        // No more than these are told of.
        count if count + 1 >= MAX_CERTIFICATES_SAID => format!("; at least {count} more are due"),
        count => format!("; {count} more are due"),
    };
    let text = format!("certificate `{name}` {ends} and has not been renewed{more}");
    Some(measured(episode, first, Kind::CertificateForetold, text))
}

/// Seconds in the largest unit of which there are two.
fn span(seconds: f64) -> String {
    let units = [(86_400.0, "days"), (3_600.0, "h"), (60.0, "min")];
    let (unit, name) = units
        .into_iter()
        .find(|(unit, _)| seconds >= 2.0 * unit)
        .unwrap_or((1.0, "s"));
    format!("{:.0} {name}", (seconds / unit).floor())
}

/// How bad it is that something is foretold, or told of for another reason.
pub(super) fn severity(symptom: &Symptom) -> Severity {
    let is_last =
        symptom.kind == Kind::CertificateForetold && symptom.value <= LAST * symptom.expected;
    if is_last {
        Severity::Error
    } else {
        Severity::Warning
    }
}

fn when(forecast: &Forecast) -> String {
    let minutes = |seconds: u64| seconds.div_ceil(60);
    format!(
        "in {} min ({} to {}) if it goes on like this, confidence .{:02}",
        minutes(forecast.seconds),
        minutes(forecast.earliest),
        minutes(forecast.latest),
        (forecast.confidence / 10).min(99)
    )
}

/// What it is called.
pub(super) fn diagnose(case: &Case<'_>) -> Option<Diagnosis> {
    let kinds = [
        (Kind::MemoryForetold, FailureKind::MemoryLeak),
        (Kind::DiskForetold, FailureKind::DiskPressure),
        // No failure that has a name of its own.
        (Kind::PoolForetold, FailureKind::Unknown),
        (Kind::CertificateForetold, FailureKind::Unknown),
    ];
    let (symptom, kind) = kinds
        .into_iter()
        .find_map(|(symptom, kind)| Some((case.get(symptom)?, kind)))?;
    // A node has no leak of its own.
    let kind = if case.root.kind == EntityKind::Node {
        FailureKind::Unknown
    } else {
        kind
    };
    let because = vec![symptom.text.clone()];
    Some(case.diagnosis(kind, CauseKind::ExhaustedResource, CONFIDENCE, because))
}
