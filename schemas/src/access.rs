//! Who came in and who was refused.

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessOutcome {
    /// Signed in.
    SignedIn,
    /// Signed out.
    SignedOut,
    /// Not who they say they are.
    Unauthenticated,
    /// May not do that.
    Forbidden,
    /// Asked for too much.
    RateLimited,
    /// A refresh token was used twice: its family is dead.
    TokenReused,
    /// A user, role, session or key was changed.
    Changed,
}

impl AccessOutcome {
    /// The token in the subject.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignedIn => "signed_in",
            Self::SignedOut => "signed_out",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::RateLimited => "rate_limited",
            Self::TokenReused => "token_reused",
            Self::Changed => "changed",
        }
    }
}

/// One answer of the gateway that an auditor wants to see; repeats are counted, not repeated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Access {
    /// Who, as far as known.
    #[serde(default)]
    pub actor: Option<String>,
    /// What became of it.
    pub outcome: AccessOutcome,
    /// What was asked: method and route.
    pub operation: String,
    /// Why it was refused.
    #[serde(default)]
    pub reason: String,
    /// The address that it came from.
    #[serde(default)]
    pub address: String,
    /// How often since `since`.
    pub count: u64,
    /// The first time.
    pub since: Timestamp,
}
