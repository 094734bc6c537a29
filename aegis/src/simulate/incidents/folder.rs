//! An incident as files.

use std::path::Path;

use aegis_schemas::Digest;
use aegis_simulator::Labelled;
use serde_json::{Value, json};

use super::play::{Seen, View};

/// What is written of an incident: seconds, entity, metric and value in the order of time, who calls whom, and
/// what is said of it beside its labels.
pub(super) struct Found {
    rows: Vec<(i64, String, String, f64)>,
    calls: Vec<(String, String)>,
    told: Value,
}

impl Found {
    /// All samples.
    pub(super) fn of_samples(drawn: &Labelled, seen: Seen) -> Self {
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
        Self {
            rows: rows.collect(),
            calls: calls.collect(),
            told,
        }
    }

    /// What the incident core sees, with what its rules say.
    pub(super) fn of_view(view: View) -> Self {
        let told = json!({
            "detected_at": view.case.detected_at,
            "by_rules": {
                "kind": view.kind.as_str(),
                "confidence": view.confidence,
                "entity": view.root.name.as_str(),
            },
        });
        let mut rows = Vec::new();
        for (entity, metrics) in view.case.entities {
            for (metric, series) in metrics {
                let row = |(at, value)| (at, entity.clone(), metric.clone(), value);
                rows.extend(series.into_iter().map(row));
            }
        }
        rows.sort_by(|a, b| (a.0, &a.1, &a.2).cmp(&(b.0, &b.1, &b.2)));
        Self {
            rows,
            calls: view.case.calls.into_iter().collect(),
            told,
        }
    }

    /// Writes the incident's folder below `output`. Its name and id tell neither kind nor seed.
    pub(super) fn write(
        mut self,
        output: &Path,
        drawn: &Labelled,
        seed: u64,
    ) -> std::io::Result<()> {
        let digest = Digest::of(format!("{} {seed}", drawn.kind).as_bytes()).to_string();
        let id: String = digest.chars().rev().take(12).collect();
        let folder = output.join(&id);
        std::fs::create_dir_all(&folder)?;
        self.metrics(&folder.join("metrics.csv"))?;
        self.graph(&folder.join("graph.csv"))?;
        self.told["id"] = id.into();
        self.told["kind"] = drawn.kind.into();
        self.told["root_entity"] = drawn.root.rsplit('/').next().unwrap_or_default().into();
        let told = &self.told;
        std::fs::write(folder.join("incident.json"), format!("{told:#}\n"))
    }

    fn metrics(&self, file: &Path) -> std::io::Result<()> {
        let mut writer = csv::Writer::from_path(file)?;
        writer.write_record(["timestamp", "entity", "metric", "value"])?;
        for (at, entity, metric, value) in &self.rows {
            // What is beyond six digits is noise.
            let value = format!("{value:.5e}").parse().unwrap_or(*value);
            let (at, value) = (at.to_string(), f64::to_string(&value));
            writer.write_record([&at, entity, metric, &value])?;
        }
        writer.flush()
    }

    fn graph(&self, file: &Path) -> std::io::Result<()> {
        let mut writer = csv::Writer::from_path(file)?;
        writer.write_record(["caller", "callee"])?;
        for (caller, callee) in &self.calls {
            writer.write_record([caller, callee])?;
        }
        writer.flush()
    }
}
