//! The programs of a control plane: those that `AEGIS_KUBERNETES_BIN` names, or built once from the Go
//! modules that `e2e/kubernetes/go.mod` pins.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use sha2::{Digest as _, Sha256};

use super::sources;
use crate::servers;
use crate::steps::run;

/// Each program, its Go package, and how many seconds it takes on two cores with cold caches.
const PROGRAMS: [(&str, &str, u32); 5] = [
    ("etcd", "go.etcd.io/etcd/server/v3", 11),
    (
        "kube-apiserver",
        "k8s.io/kubernetes/cmd/kube-apiserver",
        275,
    ),
    (
        "kube-controller-manager",
        "k8s.io/kubernetes/cmd/kube-controller-manager",
        75,
    ),
    ("kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler", 6),
    ("kwok", "sigs.k8s.io/kwok/cmd/kwok", 18),
];

/// Where the programs are.
#[derive(Clone, Debug)]
pub struct Programs(PathBuf);

impl Programs {
    /// Finds the programs, or builds them once, which takes some minutes. `None` on a machine without
    /// Go, after saying so on standard error.
    ///
    /// # Errors
    ///
    /// When `AEGIS_KUBERNETES_BIN` names a folder without them, they cannot be built, or Go is missing
    /// where `CI` is `true`.
    pub fn obtain() -> Result<Option<Self>> {
        if let Some(named) = std::env::var_os("AEGIS_KUBERNETES_BIN").map(PathBuf::from) {
            for (name, ..) in PROGRAMS {
                ensure!(
                    named.join(name).is_file(),
                    "AEGIS_KUBERNETES_BIN names `{}`, where there is no `{name}`",
                    named.display()
                );
            }
            return Ok(Some(Self(named)));
        }
        match go_version() {
            Ok(version) => build(&version).map(Some),
            Err(missing) if std::env::var("CI").is_ok_and(|ci| ci == "true") => Err(missing),
            Err(missing) => {
                // Tests capture what is printed; this is to be seen.
                writeln!(
                    std::io::stderr(),
                    "\n*** SKIPPED, no Kubernetes control plane: {missing:#} ***\n"
                )?;
                Ok(None)
            }
        }
    }

    /// The folder that they are in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.0
    }
}

/// The Go that builds here. One that is too old for the modules fetches the one that they name.
fn go_version() -> Result<String> {
    const INSTALL: &str = "install Go 1.26 or newer (https://go.dev/dl), or name a folder with etcd, kube-apiserver, kube-controller-manager, kube-scheduler and kwok with AEGIS_KUBERNETES_BIN";
    let asked = Command::new("go")
        .arg("version")
        .current_dir(sources())
        .output();
    let output = asked.context(INSTALL)?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(anyhow::anyhow!("{}", said.trim()).context(INSTALL));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Builds what is missing into a folder that is named by all that it is made of.
fn build(go: &str) -> Result<Programs> {
    let mut digest = Sha256::new();
    for file in ["go.mod", "go.sum"] {
        digest.update(fs::read(sources().join(file)).with_context(|| format!("no `{file}`"))?);
    }
    digest.update(go);
    let name = data_encoding::HEXLOWER.encode(&digest.finalize()[..8]);
    let folder = servers::folder().join("kubernetes").join(name);
    fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make the folder `{}`", folder.display()))?;
    // One build at a time; who waits finds everything built.
    let lock = File::create(folder.join("lock"))?;
    lock.lock()?;
    let missing: Vec<_> = PROGRAMS
        .iter()
        .filter(|(name, ..)| !folder.join(name).exists())
        .collect();
    for (place, (name, package, seconds)) in missing.iter().enumerate() {
        eprintln!(
            "building {name} ({} of {}), usually {seconds} s with cold caches",
            place + 1,
            missing.len()
        );
        go_build(&folder, name, package)?;
    }
    Ok(Programs(folder))
}

/// Builds one program, which appears whole or not at all.
fn go_build(folder: &Path, name: &str, package: &str) -> Result<()> {
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
    .current_dir(sources())
    .env("CGO_ENABLED", "0");
    run(&mut go).with_context(|| format!("cannot build {name}"))?;
    fs::rename(&half, folder.join(name)).with_context(|| format!("cannot keep {name}"))
}
