//! Why the executor does not run.

use std::path::PathBuf;

use aegis_schemas::keyring::InvalidKeyFile;

/// Why the executor does not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The key file cannot be read.
    #[error("cannot read the key file `{path}`: {source}; make one with `aegis keys new`")]
    KeysUnreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Others may read the key file.
    #[error(
        "the key file `{path}` has mode {mode:04o}: others may use it; run `chmod 0600 {path}`"
    )]
    KeysExposed {
        /// Which.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The key file is malformed.
    #[error("the key file `{path}` cannot be used: {reason}")]
    Keys {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: InvalidKeyFile,
    },
    /// It is not said how to reach the API server.
    #[error(
        "cannot reach Kubernetes: {0}; set `executor.kubeconfig`, or run in a pod with a service account"
    )]
    Kubeconfig(String),
    /// The API server did not answer as needed.
    #[error("the API server does not answer: {0}")]
    Kubernetes(String),
    /// The bus does not let it go on.
    #[error(transparent)]
    Bus(#[from] aegis_nats::Error),
}
