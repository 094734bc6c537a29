//! Reads a folder of incidents: a folder each with `metrics.csv`, `incident.json` and, where known,
//! `graph.csv`. What is wrong is said with the file and the line.

use std::collections::BTreeSet;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use aegis_detector::diagnosis::{Case, Labelled, Symptom};
use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// What `metrics.csv` begins with.
const METRICS: [&str; 4] = ["timestamp", "entity", "metric", "value"];
/// What `graph.csv` begins with.
const GRAPH: [&str; 2] = ["caller", "callee"];

/// An incident with its labels, if it has them.
#[derive(Clone, Debug, PartialEq)]
pub struct Incident {
    /// Its name.
    pub id: String,
    /// What the detector knows of it.
    pub case: Case,
    /// What kind of failure it was.
    pub kind: Option<String>,
    /// Where it came from.
    pub root_entity: Option<String>,
}

impl Incident {
    /// The incident as a model learns from it, if both labels are there.
    #[must_use]
    pub fn labelled(self) -> Option<Labelled> {
        Some(Labelled {
            case: self.case,
            kind: self.kind?,
            root: self.root_entity?,
        })
    }
}

/// `incident.json`.
#[derive(Debug, Deserialize)]
struct About {
    id: String,
    detected_at: Moment,
    symptom: Option<Noticed>,
    kind: Option<String>,
    root_entity: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Noticed {
    entity: String,
    metric: String,
}

/// Unix seconds, or RFC 3339.
#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "a time is Unix seconds without a fraction, or text such as \"2026-01-31T12:00:00Z\""
)]
enum Moment {
    Seconds(i64),
    Text(String),
}

/// The folders of incidents in a folder, by name.
///
/// # Errors
///
/// When the folder cannot be read.
pub fn folders(folder: &Path) -> Result<Vec<PathBuf>> {
    let cannot = || format!("cannot read the folder `{}`", folder.display());
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(cannot)? {
        let path = entry.with_context(cannot)?.path();
        if path.is_dir() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Reads the incidents of those folders, one after the other, and says how far it is to a person.
pub fn read_all(folders: &[PathBuf]) -> impl Iterator<Item = Result<Incident>> {
    let told = std::io::stderr().is_terminal();
    folders.iter().enumerate().map(move |(at, folder)| {
        if told {
            let end = if at + 1 == folders.len() { '\n' } else { '\r' };
            eprint!("incident {} of {}{end}", at + 1, folders.len());
        }
        read(folder)
    })
}

/// Reads the incident of a folder.
///
/// # Errors
///
/// When a file is missing or wrong.
pub fn read(folder: &Path) -> Result<Incident> {
    let about = folder.join("incident.json");
    let text =
        std::fs::read(&about).with_context(|| format!("cannot read `{}`", about.display()))?;
    let about: About =
        serde_json::from_slice(&text).with_context(|| format!("`{}` is wrong", about.display()))?;
    let detected_at = match about.detected_at {
        Moment::Seconds(at) => at,
        Moment::Text(text) => seconds(&text).with_context(|| {
            format!(
                "`{}`: `detected_at`",
                folder.join("incident.json").display()
            )
        })?,
    };
    let mut case = Case {
        detected_at,
        symptom: about.symptom.map(|noticed| Symptom {
            entity: noticed.entity,
            metric: noticed.metric,
        }),
        ..Case::default()
    };
    read_metrics(&folder.join("metrics.csv"), &mut case)?;
    let graph = folder.join("graph.csv");
    if graph.exists() {
        case.calls = read_graph(&graph)?;
    }
    Ok(Incident {
        id: about.id,
        case,
        kind: about.kind,
        root_entity: about.root_entity,
    })
}

fn read_metrics(path: &Path, case: &mut Case) -> Result<()> {
    let mut last = (String::new(), i64::MIN);
    each_row(path, METRICS, |[timestamp, entity, metric, value]| {
        if timestamp != last.0 {
            let at = seconds(timestamp)?;
            ensure!(
                at >= last.1,
                "`{timestamp}` comes after a later one: rows are sorted by time"
            );
            last = (timestamp.to_owned(), at);
        }
        let number: f64 = value
            .parse()
            .ok()
            .filter(|number: &f64| number.is_finite())
            .with_context(|| format!("`{value}` is not a number"))?;
        // Names come again and again: one is made only for what is new.
        if !case.entities.contains_key(entity) {
            case.entities.insert(entity.to_owned(), Default::default());
        }
        let metrics = case.entities.get_mut(entity).context("inserted above")?;
        match metrics.get_mut(metric) {
            Some(series) => series.push((last.1, number)),
            None => drop(metrics.insert(metric.to_owned(), vec![(last.1, number)])),
        }
        Ok(())
    })
}

fn read_graph(path: &Path) -> Result<BTreeSet<(String, String)>> {
    let mut calls = BTreeSet::new();
    each_row(path, GRAPH, |[caller, callee]| {
        calls.insert((caller.to_owned(), callee.to_owned()));
        Ok(())
    })?;
    Ok(calls)
}

/// Hands each row of a CSV file with exactly those columns to `take`; adds file and line to errors.
fn each_row<const N: usize>(
    path: &Path,
    columns: [&str; N],
    mut take: impl FnMut([&str; N]) -> Result<()>,
) -> Result<()> {
    let name = path.display();
    let mut reader =
        csv::Reader::from_path(path).with_context(|| format!("cannot read `{name}`"))?;
    let header = reader
        .headers()
        .with_context(|| format!("`{name}` is wrong"))?;
    let found: Vec<&str> = header.iter().collect();
    ensure!(
        found == columns,
        "`{name}`, line 1: the header is `{}`, not `{}`",
        columns.join(","),
        found.join(",")
    );
    let mut row = csv::StringRecord::new();
    while reader
        .read_record(&mut row)
        .with_context(|| format!("`{name}` is wrong"))?
    {
        let line = row.position().map_or(0, csv::Position::line);
        // The reader has compared the number of fields with the header's.
        let fields = std::array::from_fn(|at| row.get(at).unwrap_or_default());
        take(fields).with_context(|| format!("`{name}`, line {line}"))?;
    }
    Ok(())
}

/// The moment in unix seconds, from those or from RFC 3339.
fn seconds(text: &str) -> Result<i64> {
    if let Ok(seconds) = text.parse() {
        return Ok(seconds);
    }
    let moment: jiff::Timestamp = text
        .parse()
        .with_context(|| format!("`{text}` is neither RFC 3339 nor unix seconds"))?;
    Ok(moment.as_second())
}
