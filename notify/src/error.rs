//! Why notify does not run.

use std::path::PathBuf;

/// Why notify does not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A secret cannot be read.
    #[error("cannot read the secret `{path}`: {source}")]
    SecretUnreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Others may read a secret.
    #[error("the secret `{path}` has mode {mode:04o}: others may read it; run `chmod 0600 {path}`")]
    SecretExposed {
        /// Which.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// A secret is not of its form.
    #[error("the secret `{path}` cannot be used: {reason}")]
    Secret {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// There is no such receiver.
    #[error("there is no receiver `{0}`; `notify.receivers` names them")]
    NoReceiver(String),
    /// HTTP cannot be spoken.
    #[error("cannot speak HTTP: {0}")]
    Http(String),
    /// The bus does not let it go on.
    #[error(transparent)]
    Bus(#[from] aegis_nats::Error),
}
