//! What tests take from packages of Debian, unpacked: that needs no root.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, ensure};

use super::{folder, named, on_path};

/// Tests of one process want the same package at the same time.
static FETCHING: Mutex<()> = Mutex::new(());

/// Prometheus for the tests of its remote write: `AEGIS_PROMETHEUS`, one on PATH, or Debian's package.
///
/// # Errors
///
/// When there is none and it cannot be fetched.
pub fn prometheus() -> Result<PathBuf> {
    of_prometheus("prometheus", "AEGIS_PROMETHEUS")
}

/// What checks rules of Prometheus: `AEGIS_PROMTOOL`, one on PATH, or that of Debian's package.
///
/// # Errors
///
/// When there is none and it cannot be fetched.
pub fn promtool() -> Result<PathBuf> {
    of_prometheus("promtool", "AEGIS_PROMTOOL")
}

fn of_prometheus(program: &str, variable: &str) -> Result<PathBuf> {
    if let Some(named) = named(variable)? {
        return Ok(named);
    }
    if let Some(found) = on_path(program) {
        return Ok(found);
    }
    Ok(unpacked("prometheus", variable)?
        .join("usr/bin")
        .join(program))
}

/// A browser and the program that drives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chromium {
    /// The browser.
    pub browser: PathBuf,
    /// Its WebDriver.
    pub driver: PathBuf,
}

/// Chromium and its driver: `AEGIS_CHROMIUM` and `AEGIS_CHROMEDRIVER`, those on PATH, or Debian's packages,
/// which need so many libraries that only root can install them.
///
/// # Errors
///
/// When there is none and it cannot be installed.
pub fn chromium() -> Result<Chromium> {
    let _fetching = FETCHING.lock().unwrap_or_else(PoisonError::into_inner);
    let find = || -> Result<Option<Chromium>> {
        let browser = named("AEGIS_CHROMIUM")?.or_else(|| on_path("chromium"));
        let driver = named("AEGIS_CHROMEDRIVER")?.or_else(|| on_path("chromedriver"));
        Ok(browser
            .zip(driver)
            .map(|(browser, driver)| Chromium { browser, driver }))
    };
    if let Some(found) = find()? {
        return Ok(found);
    }
    eprintln!("installing Debian's packages chromium and chromium-driver");
    let apt = |arguments: &[&str]| {
        Command::new("apt-get")
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .output()
            .is_ok_and(|output| output.status.success())
    };
    let install = || {
        let packages = ["chromium", "chromium-driver"];
        apt(&[
            ["install", "--quiet", "--yes", "--no-install-recommends"].as_slice(),
            &packages,
        ]
        .concat())
    };
    ensure!(
        install() || (apt(&["update", "--quiet"]) && install()),
        "a browser is missing: install it (Debian: `apt install chromium chromium-driver`), or name it and its driver with AEGIS_CHROMIUM and AEGIS_CHROMEDRIVER"
    );
    find()?.context("Debian's packages brought no browser")
}

/// The library that gives a program another wall clock when it is preloaded: `AEGIS_FAKETIME`, or the one
/// of Debian's package.
///
/// # Errors
///
/// When there is none and it cannot be fetched.
pub fn faketime() -> Result<PathBuf> {
    if let Some(named) = named("AEGIS_FAKETIME")? {
        return Ok(named);
    }
    let installed = Path::new("/");
    if let Some(found) = library(installed) {
        return Ok(found);
    }
    let fetched = unpacked("libfaketime", "AEGIS_FAKETIME")?;
    library(&fetched).context("Debian's package libfaketime has no library for many threads")
}

/// The library below `root`, in the folder of whatever processor this is.
fn library(root: &Path) -> Option<PathBuf> {
    let folders = std::fs::read_dir(root.join("usr/lib")).ok()?;
    folders
        .filter_map(Result::ok)
        .map(|entry| entry.path().join("faketime/libfaketimeMT.so.1"))
        .find(|path| path.exists())
}

/// The folder in which a package is unpacked, fetched when it is not there yet.
fn unpacked(package: &str, variable: &str) -> Result<PathBuf> {
    let _fetching = FETCHING.lock().unwrap_or_else(PoisonError::into_inner);
    let installed = folder().join(package);
    if installed.join("usr").exists() {
        return Ok(installed);
    }
    eprintln!("fetching Debian's package {package}");
    std::fs::create_dir_all(&installed)?;
    let apt = |arguments: &[&str]| {
        Command::new("apt-get")
            .args(arguments)
            .current_dir(&installed)
            .output()
            .is_ok_and(|output| output.status.success())
    };
    let download = || apt(&["download", "--quiet", package]);
    ensure!(
        download() || (apt(&["update", "--quiet"]) && download()),
        "{package} is missing: install it (Debian: `apt install {package}`), or name it with {variable}"
    );
    let file = std::fs::read_dir(&installed)?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|end| end == "deb"))
        .context("apt-get brought no package")?;
    let status = Command::new("dpkg")
        .arg("-x")
        .arg(&file)
        .arg(&installed)
        .status()?;
    ensure!(status.success(), "cannot unpack `{}`", file.display());
    Ok(installed)
}
