//! When a resource will be used up: values of one series between 0 and 1 (of its limit) in, a forecast
//! out while the series rises towards 1.
//!
//! Trends are looked for at several paces at once ([`pace`]), since a leak of minutes and one of hours
//! differ in nothing else. A forecast is made only when
//!
//! - the series has risen steadily over a whole window: nearly every later point is above an earlier one
//!   ([`trend`]); a step, however large, and noise are not;
//! - it rises alike from each quarter of the window to the next: what warms up or fills a cache levels off,
//!   and a window that begins before the rise is none;
//! - the limit is no further off than the window is long, at the slope of its end: nobody extrapolates
//!   further than they have seen. An exponential that levels off below the limit seems that near to it only
//!   after a time constant, and by then its quarters differ by more than is allowed;
//! - the limit is no further off than [`HORIZON`];
//! - it is higher than it was in at least a week before the window: what collects garbage or follows the
//!   day has been there before. What led to the limit itself does not count as harmless.
//!
//! Every mean keeps the time that it stands for, so samples may be as far apart and as uneven as they
//! like. No clock, no randomness; 1.5 KB a series.

mod pace;
mod trend;

use serde::{Deserialize, Serialize};

use pace::Pace;

/// How far ahead is looked, seconds.
const HORIZON: f64 = 7_200.0;
/// No forecast says that the limit may be reached later, seconds from now.
const LATEST: f64 = 2.0 * HORIZON;
/// How long a series must be known, seconds: as long as history that is read at the start.
const KNOWN: f64 = 3_500.0;
/// The shortest length of a bucket, seconds; each pace is twice as slow as the one before.
const FIRST_BUCKET: f64 = 15.0;
/// How many paces there are: the last sees two hours.
const PACES: usize = 6;
/// From which value on it is as good as used up.
const USED_UP: f64 = 0.97;
/// A value that is so far below the trend has left it.
const FALL: f64 = 0.05;

/// When the limit will be reached if it goes on like this.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Forecast {
    /// Where the trend was when it was last looked at, 0 to 1.
    level: f64,
    /// Seconds from the newest sample until the limit is reached.
    pub(crate) seconds: f64,
    /// If it rises as fast as it may.
    pub(crate) earliest: f64,
    /// If it rises as slowly as it may.
    pub(crate) latest: f64,
    /// How steady the rise is, 0 to 1: how monotone, times how alike the quarters of the window.
    pub(crate) confidence: f64,
}

/// What is remembered of one series.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Exhaustion {
    paces: Vec<Pace>,
    /// When the first sample came.
    first: f64,
    /// Time and value of the newest sample.
    newest: Option<(f64, f64)>,
    /// It was as good as used up, and has not been freed since.
    spent: bool,
}

impl Exhaustion {
    /// Takes a sample in: `at` in seconds, rising; `value` as a share of the limit. What is not a number,
    /// or not newer than the newest, is passed over.
    pub(crate) fn look(&mut self, at: f64, value: f64) {
        let is_old = self.newest.is_some_and(|(newest, _)| at <= newest);
        if !value.is_finite() || !at.is_finite() || is_old {
            return;
        }
        if self.newest.is_none() {
            self.first = at;
            self.paces = fresh();
        }
        let value = value.clamp(0.0, 1.0);
        self.newest = Some((at, value));
        if self.spent && value < USED_UP - FALL {
            // What led there is a trouble that may come back, not a height that proved harmless.
            self.paces = fresh();
        }
        self.spent = value >= USED_UP || (self.spent && value >= USED_UP - FALL);
        for pace in &mut self.paces {
            pace.look(self.first, at, value);
        }
    }

    /// Whether nothing was ever seen of it.
    pub(crate) fn is_unknown(&self) -> bool {
        self.newest.is_none()
    }

    /// The soonest forecast of all paces, if there is one.
    pub(crate) fn forecast(&self) -> Option<Forecast> {
        let (at, value) = self.newest?;
        let found = self.paces.iter().filter_map(|pace| pace.forecast(at));
        // What fell since was replaced or freed.
        let standing = found.filter(|one| value >= one.level - FALL);
        standing.min_by(|a, b| a.seconds.total_cmp(&b.seconds))
    }
}

fn fresh() -> Vec<Pace> {
    let buckets = (0..PACES).map(|number| FIRST_BUCKET * f64::from(1 << number));
    buckets.map(Pace::new).collect()
}

#[cfg(test)]
mod tests;
