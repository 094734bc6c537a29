//! An incident as files.

use std::path::Path;

use aegis_schemas::Digest;
use aegis_simulator::Labelled;
use serde_json::json;

use super::play::Seen;

/// Writes the incident's folder below `output`. Its name and id tell neither kind nor seed.
pub(super) fn write(
    output: &Path,
    drawn: &Labelled,
    seed: u64,
    seen: &Seen,
) -> std::io::Result<()> {
    let digest = Digest::of(format!("{} {seed}", drawn.kind).as_bytes()).to_string();
    let id: String = digest.chars().rev().take(12).collect();
    let folder = output.join(&id);
    std::fs::create_dir_all(&folder)?;
    metrics(&folder.join("metrics.csv"), seen)?;
    graph(&folder.join("graph.csv"), drawn)?;
    let root = drawn.root.rsplit('/').next().unwrap_or_default();
    let mut told = json!({
        "id": id,
        "detected_at": seen.detected.as_millis() / 1_000,
        "kind": drawn.kind,
        "root_entity": root,
    });
    if let Some((entity, metric)) = &seen.symptom {
        told["symptom"] = json!({"entity": entity.name.as_str(), "metric": metric});
    }
    std::fs::write(folder.join("incident.json"), format!("{told:#}\n"))
}

fn metrics(file: &Path, seen: &Seen) -> std::io::Result<()> {
    let mut writer = csv::Writer::from_path(file)?;
    writer.write_record(["timestamp", "entity", "metric", "value"])?;
    for (at, entity, metric, value) in &seen.rows {
        // What is beyond six digits is noise.
        let value = format!("{value:.5e}").parse().unwrap_or(*value);
        writer.write_record([
            (at.as_millis() / 1_000).to_string().as_str(),
            entity.name.as_str(),
            metric,
            f64::to_string(&value).as_str(),
        ])?;
    }
    writer.flush()
}

fn graph(file: &Path, drawn: &Labelled) -> std::io::Result<()> {
    let mut writer = csv::Writer::from_path(file)?;
    writer.write_record(["caller", "callee"])?;
    for workload in &drawn.scenario.workloads {
        for call in &workload.calls {
            writer.write_record([&workload.name, &call.to])?;
        }
    }
    writer.flush()
}
