//! What a workload's log says: evidence for whatever else is wrong, never a reason to act. Of a workload that
//! nothing else is known to be wrong with, people are told.

use aegis_schemas::Blame;

use super::config::Materiality;
use super::symptom::{Episode, Kind, Symptom, measured};

/// Far more errors than usual, and which, as far as more requests do not explain them.
pub(super) fn symptom(m: &Materiality, episode: &Episode) -> Option<Symptom> {
    let blamed = &episode.anomaly.blame;
    let named = |feature: &str| blamed.iter().find(|one| one.feature == feature);
    let errors = named("log_rate.error")?;
    let load = named("request_rate").map_or(1.0, growth);
    let many = errors.value >= m.log_errors && errors.value > errors.expected * load * m.log_factor;
    if !many || errors.deviation < m.deviation {
        return None;
    }
    let template = blamed.iter().find_map(|one| {
        let text = one.feature.strip_prefix("log_template.error.")?;
        let news = if one.expected > 0.0 {
            ""
        } else {
            ", never before"
        };
        Some(format!(": `{text}`{news}"))
    });
    let text = format!(
        "errors in the log {}, usually {}{}",
        rate(errors.value),
        rate(errors.expected),
        template.unwrap_or_default()
    );
    Some(measured(episode, errors, Kind::LogErrors, text))
}

/// By how much there is more of it than usual; 1 if there is less.
fn growth(blame: &Blame) -> f64 {
    let grown = blame.value / blame.expected;
    if grown.is_finite() {
        grown.max(1.0)
    } else {
        1.0
    }
}

fn rate(value: f64) -> String {
    match value {
        value if value >= 10.0 => format!("{value:.0}/s"),
        value if value >= 0.1 => format!("{value:.1}/s"),
        value if value >= 0.005 => format!("{value:.2}/s"),
        _ => "0/s".to_owned(),
    }
}
