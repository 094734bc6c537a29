//! Places between receiving a message and acknowledging it, at which a process can be told to die: for
//! tests of what a crash leaves behind there.
//!
//! The variable `AEGIS_DIE_AT` names the place. Only debug builds know it; in a release build there is
//! nothing to switch on.

/// A place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// A message was received, nothing was done yet.
    Received,
    /// What follows from it is known and not published yet.
    Handled,
    /// The executor has claimed a decision and not written yet.
    Claimed,
    /// The API server has taken the write, nobody was told yet.
    Written,
    /// What follows is stored, the message is not acknowledged yet.
    Stored,
}

impl Point {
    /// Its name in the variable.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Handled => "handled",
            Self::Claimed => "claimed",
            Self::Written => "written",
            Self::Stored => "stored",
        }
    }
}

/// The variable that names the place.
pub const VARIABLE: &str = "AEGIS_DIE_AT";

/// Dies here as `kill -9` would, if this is the place.
#[cfg(debug_assertions)]
pub fn pass(point: Point) {
    static PLACE: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    let place = PLACE.get_or_init(|| std::env::var(VARIABLE).ok());
    if place.as_deref() == Some(point.as_str()) {
        std::process::abort();
    }
}

/// Nothing.
#[cfg(not(debug_assertions))]
pub const fn pass(_: Point) {}
