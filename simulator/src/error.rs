//! What can go wrong in the simulator.

/// What can go wrong in the simulator.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The scenario is not one.
    #[error("{0}")]
    Scenario(String),
    /// The API server refused or did not answer.
    #[error("the Kubernetes API: {0}")]
    Kubernetes(#[from] kube::Error),
    /// A file that tells of a real cluster cannot be used.
    #[error("the folder of the cluster: {0}")]
    Folder(String),
    /// The workloads of the scenario do not become ready.
    #[error("the workloads do not become ready: {0}; do the nodes have room for them?")]
    NotReady(String),
    /// A listener failed.
    #[error("cannot serve: {0}")]
    Serve(#[from] std::io::Error),
}
