//! What will run out. A guess is no harm: it explains nothing that is wrong, spoils no act's verdict and no
//! revision's health. Where nothing else is wrong it opens an incident that informs and recommends; its
//! diagnosis is too weak for policy to act on by itself, so people say yes or no.

use aegis_schemas::{Blame, CauseKind, EntityKind, FailureKind, Forecast};

use super::classify::{Case, Diagnosis};
use super::config::Config;
use super::symptom::{Episode, Kind, Symptom, measured, percent};

/// How sure a diagnosis from a forecast is, in thousandths: below the 300 that the default policies ask of
/// an act without a person, however steady the rise.
const CONFIDENCE: u16 = 250;

/// The forecasts of an episode; none while more requests than usual make it rise.
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
            _ => return None,
        };
        let text = format!("{} {text} {}", percent(blame.value), when(&forecast));
        Some(measured(episode, blame, kind, text))
    };
    if flooded {
        return Vec::new();
    }
    blamed.iter().filter_map(of).collect()
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
