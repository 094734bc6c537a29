//! How the program ends, for scripts: 0 done, 1 failed, 2 called wrongly, 3 denied, 4 not found.

use std::process::ExitCode;

/// A refusal with an exit code of its own.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    /// Policy, or a role that is missing.
    #[error("{0}")]
    Denied(String),
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// It failed, and all about it has been printed already.
    #[error("")]
    Told,
}

impl Ended {
    /// Whether everything about that failure has been printed already.
    #[must_use]
    pub fn is_told(error: &anyhow::Error) -> bool {
        matches!(error.downcast_ref(), Some(Self::Told))
    }
}

/// The exit code of a command that failed so.
#[must_use]
pub fn code(error: &anyhow::Error) -> ExitCode {
    match error.downcast_ref::<Ended>() {
        Some(Ended::Denied(_)) => ExitCode::from(3),
        Some(Ended::NotFound(_)) => ExitCode::from(4),
        Some(Ended::Told) | None => ExitCode::FAILURE,
    }
}
