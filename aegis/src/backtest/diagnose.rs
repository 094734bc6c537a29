//! `aegis backtest diagnose`: what the detector would say of recorded incidents.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use aegis_detector::diagnosis::{Answer, Labelled, Model};
use aegis_detector::forest::Settings;
use anyhow::{Context, Result, ensure};
use clap::Args;
use serde::Serialize;

use super::incidents::{folders, read_all};
use crate::model_file;

/// Names the kind of recorded incidents and ranks their causes.
#[derive(Debug, Args)]
#[command(
    after_help = "An incident is a folder:\n  metrics.csv    timestamp,entity,metric,value: sorted by time, history first, some minutes past the detection\n  graph.csv      caller,callee: may be missing\n  incident.json  id, detected_at, and if known symptom {entity, metric}; to learn from, also kind and root_entity\nTimestamps are RFC 3339 or unix seconds. Names of entities mean nothing, names of metrics are shared.\n\nPrints a line of JSON for each incident: id, kind (`unknown` if no kind is likely enough), confidence (the\nprobability that the kind is right), and ranking, the likeliest cause first. Without incidents to learn from\nevery kind is unknown, and causes are ranked by rules.\n\nExamples:\n  aegis backtest diagnose --incidents ./new --train ./known\n  aegis backtest diagnose --incidents ./new --model kinds.model\n  aegis backtest diagnose --incidents ./new | jq -r '[.id, .kind, .ranking[0].entity] | @tsv'"
)]
pub struct Diagnose {
    /// The folder of incidents to diagnose.
    #[arg(long, value_name = "DIR")]
    incidents: PathBuf,
    /// A folder of incidents with kinds and causes to learn from; may be empty.
    #[arg(long, value_name = "DIR", conflicts_with = "model")]
    train: Option<PathBuf>,
    /// A model that `aegis train` made.
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
}

/// A line of the answer.
#[derive(Serialize)]
struct Line<'a> {
    id: &'a str,
    kind: &'a str,
    confidence: f64,
    ranking: Vec<Ranked<'a>>,
}

#[derive(Serialize)]
struct Ranked<'a> {
    entity: &'a str,
    score: f64,
}

impl Diagnose {
    /// Does it.
    ///
    /// # Errors
    ///
    /// When a folder or a file in it is missing or wrong.
    pub fn run(&self) -> Result<()> {
        let incidents = folders(&self.incidents)?;
        ensure!(
            !incidents.is_empty(),
            "`{}` holds no incident",
            self.incidents.display()
        );
        let model = match (&self.model, &self.train) {
            (Some(file), _) => Some(model_file::read(file)?.0),
            (None, Some(folder)) => Model::learn(&labelled(folder)?, Settings::default()),
            (None, None) => None,
        };
        let mut out = std::io::stdout().lock();
        for incident in read_all(&incidents) {
            let incident = incident?;
            let answer = match &model {
                Some(model) => model.answer(&incident.case),
                None => Answer::by_rules(&incident.case),
            };
            serde_json::to_writer(&mut out, &line(&incident.id, &answer))?;
            writeln!(out).context("cannot write the answer")?;
        }
        Ok(())
    }
}

fn line<'a>(id: &'a str, answer: &'a Answer) -> Line<'a> {
    Line {
        id,
        kind: &answer.kind,
        confidence: answer.confidence,
        ranking: answer
            .ranking
            .iter()
            .map(|cause| Ranked {
                entity: &cause.entity,
                score: cause.score,
            })
            .collect(),
    }
}

/// The incidents of a folder to learn from. Those without both labels are left out, and that is said.
///
/// # Errors
///
/// When the folder or a file in it is missing or wrong.
pub(crate) fn labelled(folder: &Path) -> Result<Vec<Labelled>> {
    let all = folders(folder)?;
    let mut known = Vec::new();
    for incident in read_all(&all) {
        known.extend(incident?.labelled());
    }
    if known.len() < all.len() {
        eprintln!(
            "{} of {} incidents in `{}` have no `kind` or no `root_entity`: nothing is learnt from them",
            all.len() - known.len(),
            all.len(),
            folder.display()
        );
    }
    Ok(known)
}
