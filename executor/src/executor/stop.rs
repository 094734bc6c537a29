//! What keeps a warrant from its effect: for good, or for now.

use std::time::Duration;

use aegis_schemas::RefusalCode;

use crate::accept::Refusal;
use crate::act::{Live, Trouble};

/// A disruption budget does not change within moments.
const BUDGET_WAIT: Duration = Duration::from_secs(2);

/// Why a warrant was not carried out now.
#[derive(Debug)]
pub(super) enum Stop {
    /// It never will be.
    Refused(Refusal),
    /// Something else is in the way.
    Later {
        code: RefusalCode,
        after: Option<Duration>,
        message: String,
    },
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// A write that met a refusal: the version that it met, and the words.
pub(super) struct Clash {
    pub(super) resource_version: String,
    pub(super) message: String,
}

/// What a refused write means: look again, or wait.
pub(super) fn clash(trouble: Trouble, live: &Live, evicts: bool) -> Result<Clash, Stop> {
    match trouble {
        Trouble::Refused { message, .. } => Ok(Clash {
            resource_version: live.resource_version.clone(),
            message,
        }),
        Trouble::Busy { message, after } if evicts => Err(Stop::Later {
            code: RefusalCode::DisruptionBudget,
            after: Some(after.unwrap_or(BUDGET_WAIT)),
            message,
        }),
        trouble => Err(unreachable(trouble)),
    }
}

/// The API server is not there, or does not let us look.
#[allow(clippy::needless_pass_by_value, reason = "it is mapped over errors")]
pub(super) fn unreachable(trouble: Trouble) -> Stop {
    let after = match &trouble {
        Trouble::Busy { after, .. } => *after,
        _ => None,
    };
    Stop::Later {
        code: RefusalCode::Unavailable,
        after,
        message: format!("the API server: {trouble}"),
    }
}

pub(super) fn bus(error: &aegis_nats::Error) -> Stop {
    Stop::Later {
        code: RefusalCode::Unavailable,
        after: None,
        message: format!("the bus: {error}"),
    }
}

/// A kill switch that cannot be understood is on; one that cannot be reached is asked again.
pub(super) fn switch(error: &aegis_nats::Error) -> Stop {
    match error {
        aegis_nats::Error::Malformed { .. } => {
            Refusal::new(RefusalCode::Halted, format!("the kill switch: {error}")).into()
        }
        _ => bus(error),
    }
}
