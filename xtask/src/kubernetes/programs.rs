//! The programs of a control plane: those that `AEGIS_KUBERNETES_BIN` names, or built once from the Go
//! modules that `e2e/kubernetes/go.mod` pins.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

use super::sources;
use crate::golang::Modules;

const MODULES: Modules = Modules {
    what: "Kubernetes control plane",
    name: "kubernetes",
    programs: &[
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
    ],
    install: "install Go 1.26 or newer (https://go.dev/dl), or name a folder with etcd, kube-apiserver, kube-controller-manager, kube-scheduler and kwok with AEGIS_KUBERNETES_BIN",
};

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
            for (name, ..) in MODULES.programs {
                ensure!(
                    named.join(name).is_file(),
                    "AEGIS_KUBERNETES_BIN names `{}`, where there is no `{name}`",
                    named.display()
                );
            }
            return Ok(Some(Self(named)));
        }
        Ok(MODULES.obtain(&sources())?.map(Self))
    }

    /// The folder that they are in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.0
    }
}
