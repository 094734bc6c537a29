//! What comes and goes is told once, until it is calm.

use std::time::Duration;

use aegis_schemas::Timestamp;
use serde::{Deserialize, Serialize};

use crate::case::Case;

/// From when on an incident is taken to flap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Flapping {
    /// How many times an incident may come back within `within` before it flaps.
    pub more_than: usize,
    /// How far is looked back.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub within: Duration,
    /// How long a flapping incident must be over before its end is told.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub calm: Duration,
}

impl Default for Flapping {
    fn default() -> Self {
        Self {
            more_than: 3,
            within: Duration::from_secs(3600),
            calm: Duration::from_secs(900),
        }
    }
}

/// How restless an incident is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unrest {
    /// It does not flap.
    None,
    /// It came back too often; what it does now is not told.
    Flaps,
    /// As [`Unrest::Flaps`], but it is over, and its end may be told at that time.
    CalmAt(Timestamp),
}

impl Flapping {
    /// How restless `case` is at `now`.
    #[must_use]
    pub fn judge(&self, case: &Case, now: Timestamp) -> Unrest {
        let Some(about) = &case.about else {
            return Unrest::None;
        };
        let Some(last) = case.openings.last() else {
            return Unrest::None;
        };
        let horizon = *last - self.within;
        let recent = case.openings.iter().filter(|at| **at >= horizon).count();
        if recent.saturating_sub(1) <= self.more_than {
            return Unrest::None;
        }
        let calm = about.at + self.calm;
        match (about.over, calm > now) {
            (false, _) => Unrest::Flaps,
            (true, true) => Unrest::CalmAt(calm),
            (true, false) => Unrest::None,
        }
    }
}
