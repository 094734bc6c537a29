//! Whether a decision may be carried out, in a fixed order: first its bytes, then what stands around it.
//! Pure: no I/O, no clock. Nothing is read from anywhere before the signature holds.

mod believe;
mod permit;

use aegis_schemas::RefusalCode;

pub use believe::{MAX_LIFETIME, audience, believe};
pub use permit::{Facts, Permit, SKEW, in_force, permit};

/// Why a decision is not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Refusal {
    /// Which rule.
    pub code: RefusalCode,
    /// In words.
    pub message: String,
}

impl Refusal {
    /// A refusal by that rule. The message may quote what somebody sent, so it is kept short.
    #[must_use]
    pub fn new(code: RefusalCode, message: impl AsRef<str>) -> Self {
        Self {
            code,
            message: message.as_ref().chars().take(400).collect(),
        }
    }
}
