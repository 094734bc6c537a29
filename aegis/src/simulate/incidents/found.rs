//! A simulated incident as what is written of it.

use std::path::Path;

use aegis_schemas::Digest;
use aegis_simulator::Labelled;
use serde_json::json;

use super::play::Seen;
use crate::backtest::folder::Found;

/// All samples.
pub(super) fn of_samples(drawn: &Labelled, seen: Seen) -> Found {
    let mut told = json!({"detected_at": seen.detected.as_millis() / 1_000});
    if let Some((entity, metric)) = &seen.symptom {
        told["symptom"] = json!({"entity": entity.name.as_str(), "metric": metric});
    }
    let rows = seen.rows.into_iter().map(|(at, entity, metric, value)| {
        let name = entity.name.as_str().to_owned();
        (at.as_millis() / 1_000, name, metric, value)
    });
    let workloads = drawn.scenario.workloads.iter();
    let calls = workloads.flat_map(|one| {
        let calls = one.calls.iter();
        calls.map(|call| (one.name.clone(), call.to.clone()))
    });
    Found {
        rows: rows.collect(),
        calls: calls.collect(),
        told,
    }
}

/// Writes the incident's folder below `output`. Its name and id tell neither kind nor seed.
pub(super) fn write(
    found: Found,
    output: &Path,
    drawn: &Labelled,
    seed: u64,
) -> std::io::Result<()> {
    let digest = Digest::of(format!("{} {seed}", drawn.kind).as_bytes()).to_string();
    let id: String = digest.chars().rev().take(12).collect();
    let root = drawn.root.rsplit('/').next().unwrap_or_default();
    found.write(output, &id, (drawn.kind, root))
}
