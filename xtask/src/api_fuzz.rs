//! Schemathesis against the API's own document: it makes requests that fit and requests that do not, and
//! checks each answer.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use clap::Args;

use crate::servers::Servers;
use crate::steps::{run, step};

/// From PyPI.
const VERSION: &str = "4.32.5";

/// Longer than an answer may wait for policy, seconds.
const REQUEST_TIMEOUT: &str = "60";

/// How much is asked.
#[derive(Debug, Args)]
pub struct ApiFuzz {
    /// The most requests of each kind for an operation.
    #[arg(long, default_value_t = 50)]
    max_examples: u32,
    /// Where the requests come from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl ApiFuzz {
    /// Does it.
    ///
    /// # Errors
    ///
    /// When an answer is not as the document says, or the servers or Schemathesis cannot be had.
    pub fn run(&self) -> Result<()> {
        let servers = step("servers", Servers::obtain)?;
        let schemathesis = step("schemathesis", || obtain(&crate::target()))?;
        step("build", || {
            let mut build = Command::new("cargo");
            build.args(["build", "--package", "aegis", "--package", "aegis-e2e"]);
            run(build.current_dir(crate::root()))
        })?;
        let binaries = crate::target().join("debug");
        let mut serve = Command::new(binaries.join("serve"));
        serve
            .arg(schemathesis)
            .arg("--config-file")
            .arg(crate::root().join("xtask/schemathesis.toml"))
            .args(["run", "{url}/api/v1/openapi.json"])
            .args(["--header", "Authorization: Bearer {token}"])
            .args(["--max-examples", &self.max_examples.to_string()])
            .args(["--seed", &self.seed.to_string()])
            .args(["--request-timeout", REQUEST_TIMEOUT])
            .current_dir(crate::target())
            .envs(servers.variables())
            .env("AEGIS_BIN", binaries.join("aegis"));
        step("api-fuzz", || run(&mut serve))
    }
}

/// Schemathesis in a folder of its own.
fn obtain(target: &Path) -> Result<PathBuf> {
    let folder = target.join("schemathesis").join(VERSION);
    let program = folder.join("bin/schemathesis");
    if !program.exists() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        let mut install = Command::new(folder.join("bin/pip"));
        install.args(["install", "--quiet"]);
        run(install.arg(format!("schemathesis=={VERSION}")))?;
    }
    Ok(program)
}
