//! Why policy does not run.

use std::path::PathBuf;

use aegis_schemas::keyring::InvalidKeyFile;

use crate::rules::Invalid;

/// Why policy does not run, or a policy set cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read.
    #[error("cannot read `{path}`: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Others may read the key file.
    #[error("`{path}` may be read by others (mode {mode:o}); run `chmod 600 {path}`")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The key file cannot be used.
    #[error("`{path}` cannot be used: {source}; make one with `aegis keys new`")]
    Keys {
        /// The file.
        path: PathBuf,
        /// Why.
        source: InvalidKeyFile,
    },
    /// The policy set is wrong.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The bus does not let it go on.
    #[error(transparent)]
    Bus(#[from] aegis_nats::Error),
}
