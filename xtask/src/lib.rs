//! What a developer or a newcomer runs: `cargo xtask demo`, `cargo xtask test`, `cargo xtask check`.
//!
//! The end-to-end tests use [`servers`] as well, so that `cargo test -p aegis-e2e` works on a machine
//! where nothing was prepared.

pub mod api_fuzz;
pub mod fence;
pub mod fuzz;
pub mod golang;
pub mod kubernetes;
pub mod model;
pub mod servers;
pub mod soak;
pub mod steps;

use std::path::PathBuf;

/// The project's root.
#[must_use]
pub fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map_or(here.clone(), PathBuf::from)
}

/// The folder that cargo builds into.
#[must_use]
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}
