//! A real Kubernetes control plane on this host: etcd, kube-apiserver, kube-controller-manager,
//! kube-scheduler, and kwok, which says of nodes and pods what kubelets would. No container runs.
//!
//! What becomes of a pod is chosen by its image or a label: see `e2e/kubernetes/stages`.

mod arguments;
mod client;
mod files;
mod guardian;
mod install;
mod options;
mod plane;
mod process;
mod programs;
mod standing;

use std::path::PathBuf;

use anyhow::Result;

pub use client::{Answer, Client};
pub use options::Options;
pub use plane::Plane;
pub use programs::Programs;
pub use standing::{Standing, Status};

/// Where the demo's control plane lives.
#[must_use]
pub fn demo_folder() -> PathBuf {
    crate::target().join("kubernetes-demo")
}

/// Starts the demo's control plane, which lives as long as the program that this process becomes.
///
/// # Errors
///
/// When it does not start.
pub fn for_the_demo(programs: &Programs) -> Result<()> {
    Plane::start(programs, &demo_folder(), &Options::for_the_simulator())?.hand_over()
}

/// The Go modules that are pinned, and the Stages.
fn sources() -> PathBuf {
    crate::root().join("e2e/kubernetes")
}
