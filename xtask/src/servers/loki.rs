//! Loki for the tests of the audit log's copy.

use std::path::PathBuf;

use anyhow::Result;

use super::named;
use crate::golang::Modules;

const MODULES: Modules = Modules {
    what: "Loki",
    name: "loki",
    programs: &[("loki", "github.com/grafana/loki/v3/cmd/loki", 321)],
    install: "install Go 1.26 or newer (https://go.dev/dl), or name a Loki 3 with AEGIS_LOKI",
};

/// The Loki that `AEGIS_LOKI` names, or the one that `e2e/loki/go.mod` pins, built once. `None` on a machine
/// without Go, after saying so on standard error.
///
/// # Errors
///
/// When `AEGIS_LOKI` names none, it cannot be built, or Go is missing where `CI` is `true`.
pub fn loki() -> Result<Option<PathBuf>> {
    if let Some(named) = named("AEGIS_LOKI")? {
        return Ok(Some(named));
    }
    let folder = MODULES.obtain(&crate::root().join("e2e/loki"))?;
    Ok(folder.map(|folder| folder.join("loki")))
}
