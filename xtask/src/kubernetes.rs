//! A real Kubernetes control plane on this host: etcd, kube-apiserver, kube-controller-manager,
//! kube-scheduler, and kwok, which says of nodes and pods what kubelets would. No container runs.
//!
//! What becomes of a pod is chosen by its image or a label: see `e2e/kubernetes/stages`.

mod client;
mod files;
mod guardian;
mod plane;
mod process;
mod programs;
mod standing;

use std::path::PathBuf;

pub use client::{Answer, Client};
pub use plane::{Options, Plane};
pub use programs::Programs;
pub use standing::{Standing, Status};

/// The Go modules that are pinned, and the Stages.
fn sources() -> PathBuf {
    crate::root().join("e2e/kubernetes")
}
