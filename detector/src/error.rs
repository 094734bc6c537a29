//! Why the detector does not run.

/// Why the detector does not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration makes no sense.
    #[error("`detector.scorer` is wrong: {0}")]
    Config(String),
    /// The bus does not let it go on.
    #[error(transparent)]
    Bus(#[from] aegis_nats::Error),
}
