//! Servers that are built once from pinned Go modules: a folder with `go.mod`, `go.sum` and `tools.go`.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use sha2::{Digest as _, Sha256};

use crate::servers;
use crate::steps::run;

/// A program: its name, its Go package, and how many seconds it takes on two cores with cold caches.
pub type Program = (&'static str, &'static str, u32);

/// The programs of one set of modules.
#[derive(Clone, Copy, Debug)]
pub struct Modules {
    /// What they are, for people: `Kubernetes control plane`.
    pub what: &'static str,
    /// Where they are kept below the servers' folder.
    pub name: &'static str,
    /// Their programs.
    pub programs: &'static [Program],
    /// What to do where there is no Go.
    pub install: &'static str,
}

impl Modules {
    /// The folder with the programs, built once from the modules pinned in `sources`. `None` on a machine
    /// without Go, after saying so on standard error.
    ///
    /// # Errors
    ///
    /// When they cannot be built, or Go is missing where `CI` is `true`.
    pub fn obtain(&self, sources: &Path) -> Result<Option<PathBuf>> {
        match self.go_version(sources) {
            Ok(version) => self.build(sources, &version).map(Some),
            Err(missing) if std::env::var("CI").is_ok_and(|ci| ci == "true") => Err(missing),
            Err(missing) => {
                // Tests capture what is printed; this is to be seen.
                writeln!(
                    std::io::stderr(),
                    "\n*** SKIPPED, no {}: {missing:#} ***\n",
                    self.what
                )?;
                Ok(None)
            }
        }
    }

    /// The Go that builds here. One that is too old for the modules fetches the one that they name.
    fn go_version(&self, sources: &Path) -> Result<String> {
        let asked = Command::new("go")
            .arg("version")
            .current_dir(sources)
            .output();
        let output = asked.context(self.install)?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(anyhow::anyhow!("{}", said.trim()).context(self.install));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Builds what is missing into a folder that is named by all that it is made of.
    fn build(&self, sources: &Path, go: &str) -> Result<PathBuf> {
        let mut digest = Sha256::new();
        for file in ["go.mod", "go.sum"] {
            let pinned = fs::read(sources.join(file)).with_context(|| format!("no `{file}`"))?;
            digest.update(pinned);
        }
        digest.update(go);
        let made_of = data_encoding::HEXLOWER.encode(&digest.finalize()[..8]);
        let folder = servers::folder().join(self.name).join(made_of);
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make the folder `{}`", folder.display()))?;
        // One build at a time; who waits finds everything built.
        let lock = File::create(folder.join("lock"))?;
        lock.lock()?;
        let missing: Vec<_> = self
            .programs
            .iter()
            .filter(|(name, ..)| !folder.join(name).exists())
            .collect();
        for (place, (name, package, seconds)) in missing.iter().enumerate() {
            eprintln!(
                "building {name} ({} of {}), usually {seconds} s with cold caches",
                place + 1,
                missing.len()
            );
            go_build(sources, &folder, name, package)?;
        }
        Ok(folder)
    }
}

/// Builds one program, which appears whole or not at all.
fn go_build(sources: &Path, folder: &Path, name: &str, package: &str) -> Result<()> {
    let half = folder.join(format!("{name}.part"));
    let mut go = Command::new("go");
    go.args([
        "build",
        "-mod=readonly",
        "-trimpath",
        "-ldflags",
        "-s -w",
        "-o",
    ])
    .arg(&half)
    .arg(package)
    .current_dir(sources)
    .env("CGO_ENABLED", "0");
    run(&mut go).with_context(|| format!("cannot build {name}"))?;
    fs::rename(&half, folder.join(name)).with_context(|| format!("cannot keep {name}"))
}
