//! `aegis train`: a model of failure kinds and causes from incidents whose end is known.

use std::path::PathBuf;

use aegis_detector::diagnosis::{Model, Quality};
use aegis_detector::forest::Settings;
use anyhow::{Context, Result};
use clap::Args;

use crate::backtest::diagnose::labelled;
use crate::model_file;

/// Learns failure kinds and causes from incidents.
#[derive(Debug, Args)]
#[command(
    after_help = "Folders of incidents are as `aegis backtest diagnose --help` says, with `kind` and `root_entity` in\nincident.json. The same incidents in the same order, with the same seed, make the same file. A file that\nwas changed is refused. What is printed last is its SHA-256.\n\nWhat is printed was measured out of bag: each incident was judged only by trees that had not seen it.\n\nExamples:\n  aegis train --incidents ./incidents --output kinds.model\n  aegis train --incidents ./simulated --incidents ./ours --output kinds.model\n  aegis simulate incidents --output ./seen --seeds 1-40 --as-seen &&\n    aegis train --incidents ./seen --trees 100 --output kinds.model     # for `provision.model_file`\n  aegis backtest diagnose --incidents ./new --model kinds.model"
)]
pub struct Train {
    /// A folder of incidents; may be given again.
    #[arg(long, value_name = "DIR", required = true)]
    incidents: Vec<PathBuf>,
    /// Where the model goes.
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// How many trees vote: more are steadier, and take as much longer to ask.
    #[arg(long, default_value_t = Settings::default().trees)]
    trees: usize,
    /// What all randomness comes from.
    #[arg(long, default_value_t = Settings::default().seed)]
    seed: u64,
}

impl Train {
    /// Does it.
    ///
    /// # Errors
    ///
    /// When there is nothing to learn from, or a file is missing or wrong.
    pub fn run(&self) -> Result<()> {
        let mut known = Vec::new();
        for folder in &self.incidents {
            known.extend(labelled(folder)?);
        }
        let settings = Settings {
            trees: self.trees,
            seed: self.seed,
        };
        let model = Model::learn(&known, settings)
            .context("no incident has a `kind` and a `root_entity` that has metrics")?;
        let digest = model_file::write(&self.output, &model)?;
        print(model.quality());
        println!("{} sha256:{digest}", self.output.display());
        Ok(())
    }
}

fn print(quality: &Quality) {
    println!("{:<24} incidents     F1", "kind");
    for (kind, incidents, f1) in &quality.kinds {
        println!("{kind:<24} {incidents:>9} {f1:>6.3}");
    }
    println!(
        "macro-F1 {:.3}, accuracy {:.3}",
        quality.macro_f1, quality.accuracy
    );
    println!("calibration error {:.3}", quality.calibration_error);
    println!("`unknown` below a share of {:.3}", quality.unknown_below);
    let better = if quality.forest_ranks_better() {
        "forest"
    } else {
        "rules"
    };
    println!(
        "causes ranked by {better}: mean reciprocal rank {:.3} by forest, {:.3} by rules",
        quality.cause_by_forest, quality.cause_by_rules
    );
}
