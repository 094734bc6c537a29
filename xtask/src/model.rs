//! The model of failure kinds that Aegis is shipped with: learnt from incidents of the simulator, so it is
//! built, not kept.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::steps::{run, step};

/// What it learns from: an incident of each kind for each seed.
const SEEDS: &str = "1-40";
/// More trees are no better, and a running detector asks each of them.
const TREES: &str = "100";

/// Where it is once it is built.
#[must_use]
pub fn file() -> PathBuf {
    crate::target().join("model/kinds.model")
}

/// Builds it.
///
/// # Errors
///
/// When Aegis does not build, or the incidents cannot be written.
pub fn build() -> Result<()> {
    step("build", || {
        let mut build = Command::new("cargo");
        build.args(["build", "--package", "aegis"]);
        run(build.current_dir(crate::root()))
    })?;
    let (file, aegis) = (file(), crate::target().join("debug/aegis"));
    let incidents = file.with_extension("incidents");
    // What an earlier simulator wrote is not learnt from.
    if incidents.exists() {
        std::fs::remove_dir_all(&incidents)?;
    }
    std::fs::create_dir_all(&incidents)
        .with_context(|| format!("cannot make `{}`", incidents.display()))?;
    step("incidents (some minutes)", || {
        let mut simulate = Command::new(&aegis);
        simulate.args(["simulate", "incidents", "--as-seen", "--seeds", SEEDS]);
        run(simulate.arg("--output").arg(&incidents))
    })?;
    step("model", || {
        let mut train = Command::new(&aegis);
        train.args(["train", "--trees", TREES]).arg("--incidents");
        run(train.arg(&incidents).arg("--output").arg(&file))
    })?;
    println!("[provision]\nmodel_file = \"{}\"", file.display());
    Ok(())
}
