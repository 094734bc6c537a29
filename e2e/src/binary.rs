//! The program under test.

use std::path::PathBuf;
use std::sync::OnceLock;

use aegis_xtask::servers::Servers;
use anyhow::{Context, Result};

/// The program, built once, and the servers, fetched once.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) aegis: PathBuf,
    pub(crate) servers: Servers,
}

/// Builds and fetches what is missing.
pub(crate) fn prepared() -> Result<&'static Prepared> {
    static PREPARED: OnceLock<Prepared> = OnceLock::new();
    if let Some(prepared) = PREPARED.get() {
        return Ok(prepared);
    }
    let aegis = match std::env::var_os("AEGIS_BIN") {
        Some(named) => PathBuf::from(named),
        None => {
            let mut cargo = std::process::Command::new("cargo");
            cargo
                .args(["build", "--quiet", "--package", "aegis"])
                .current_dir(aegis_xtask::root());
            aegis_xtask::steps::run(&mut cargo).context("cannot build aegis")?;
            aegis_xtask::target().join("debug/aegis")
        }
    };
    let servers = Servers::obtain()?;
    Ok(PREPARED.get_or_init(|| Prepared { aegis, servers }))
}
