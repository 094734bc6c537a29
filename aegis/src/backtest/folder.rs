//! An incident as files: what the diagnosis reads.

use std::path::Path;

use aegis_detector::diagnosis::Case;
use aegis_schemas::Incident;
use serde_json::{Value, json};

/// What is written of an incident: seconds, entity, metric and value in the order of time, who calls whom, and
/// what is said of it beside its labels.
pub(crate) struct Found {
    pub(crate) rows: Vec<(i64, String, String, f64)>,
    pub(crate) calls: Vec<(String, String)>,
    pub(crate) told: Value,
}

impl Found {
    /// What the incident core sees of an incident, with what it calls it.
    pub(crate) fn of_case(incident: &Incident, case: Case) -> Self {
        let told = json!({
            "detected_at": case.detected_at,
            "by_rules": {
                "kind": incident.kind.as_str(),
                "confidence": incident.confidence,
                "entity": incident.entity.name.as_str(),
            },
        });
        let mut rows = Vec::new();
        for (entity, metrics) in case.entities {
            for (metric, series) in metrics {
                let row = |(at, value)| (at, entity.clone(), metric.clone(), value);
                rows.extend(series.into_iter().map(row));
            }
        }
        rows.sort_by(|a, b| (a.0, &a.1, &a.2).cmp(&(b.0, &b.1, &b.2)));
        Self {
            rows,
            calls: case.calls.into_iter().collect(),
            told,
        }
    }

    /// Writes the folder `id` below `output`, with what went wrong and where.
    pub(crate) fn write(
        mut self,
        output: &Path,
        id: &str,
        (kind, root): (&str, &str),
    ) -> std::io::Result<()> {
        let folder = output.join(id);
        std::fs::create_dir_all(&folder)?;
        self.metrics(&folder.join("metrics.csv"))?;
        self.graph(&folder.join("graph.csv"))?;
        self.told["id"] = id.into();
        self.told["kind"] = kind.into();
        self.told["root_entity"] = root.into();
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
