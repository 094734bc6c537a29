//! A real Kubernetes control plane for a test, in a folder that goes with it.

use std::ops::Deref;
use std::path::Path;

use aegis_xtask::kubernetes::{Options, Plane, Programs};
use anyhow::Result;
use tempfile::TempDir;

/// A control plane that runs; all of it ends with this value.
#[derive(Debug)]
pub struct ControlPlane {
    plane: Plane,
    // The folder goes last.
    home: TempDir,
}

impl ControlPlane {
    /// Starts one; `None` on a machine that cannot have it, after saying so. Blocks.
    ///
    /// # Errors
    ///
    /// When it does not start, or cannot be had where `CI` is `true`.
    pub fn start(options: &Options) -> Result<Option<Self>> {
        let Some(programs) = Programs::obtain()? else {
            return Ok(None);
        };
        let home = tempfile::Builder::new().prefix("aegis-kube-").tempdir()?;
        let plane = Plane::start(&programs, home.path(), options)?;
        Ok(Some(Self { plane, home }))
    }

    /// The folder with its kubeconfig files and its audit log.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.home.path()
    }
}

impl Deref for ControlPlane {
    type Target = Plane;

    fn deref(&self) -> &Plane {
        &self.plane
    }
}
