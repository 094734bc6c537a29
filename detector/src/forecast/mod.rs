//! When a resource will be used up: values of one series between 0 and 1 (of its limit) in, a forecast
//! out while the series rises towards 1.
//!
//! Trends are looked for at several paces at once ([`pace`]), since a leak of minutes and one of hours
//! differ in nothing else. A forecast is made only when
//!
//! - the series has risen steadily over a whole window: nearly every later point is above an earlier one
//!   ([`trend`]); a step, however large, and noise are not;
//! - it goes on rising: the second half of the window rises as well, and the slower of both counts; what
//!   fills a cache flattens out;
//! - the limit is no further off than the window is long: nobody extrapolates further than they have seen;
//! - and no further than an hour: the slopes of a day's wave reach no limit within that;
//! - it is higher than it ever was before the window: what collects garbage or follows the day has been
//!   there before. Peaks at the limit itself do not count as harmless.
//!
//! No clock, no randomness; about a kilobyte a series.

mod pace;
mod trend;

use serde::{Deserialize, Serialize};

use pace::Pace;

/// How far ahead is looked, seconds.
const HORIZON: f64 = 3_600.0;
/// How long a series must be known, seconds: as long as history that is read at the start.
const KNOWN: f64 = 3_600.0;
/// The shortest length of a bucket, seconds; each pace is twice as slow as the one before.
const FIRST_BUCKET: f64 = 15.0;
/// How many paces there are: the last sees two hours.
const PACES: usize = 6;
/// From which value on it is as good as used up.
const USED_UP: f64 = 0.97;
/// How monotone a window must be.
const MONOTONE: f64 = 0.85;
/// How much of the second half's slope the first half must have: a window that begins before the rise is
/// none.
const ALIKE: f64 = 0.75;
/// By how much the series must be above what it ever was.
const NEWS: f64 = 0.03;
/// A value that is so far below the trend has left it.
const FALL: f64 = 0.05;
/// Time constant by which old peaks are forgotten, seconds.
const FORGOTTEN_IN: f64 = 172_800.0;

/// When the limit will be reached if it goes on like this.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Forecast {
    /// Where the series is now, 0 to 1.
    level: f64,
    /// Seconds from the newest sample until the limit is reached.
    pub(crate) seconds: f64,
    /// If it rises as fast as it may.
    pub(crate) earliest: f64,
    /// If it rises as slowly as it may.
    pub(crate) latest: f64,
    /// How much of what was seen agrees, 0 to 1: the share of pairs of points between which it rose at
    /// least half as fast.
    pub(crate) confidence: f64,
}

/// What is remembered of one series.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Exhaustion {
    paces: Vec<Pace>,
    /// Time and value of the newest sample.
    newest: Option<(f64, f64)>,
}

impl Exhaustion {
    /// Takes a sample in: `at` in seconds, rising; `value` as a share of the limit. What is not a number is
    /// passed over.
    pub(crate) fn look(&mut self, at: f64, value: f64) {
        if !value.is_finite() || self.newest.is_some_and(|(newest, _)| at <= newest) {
            return;
        }
        let value = value.clamp(0.0, 1.0);
        self.newest = Some((at, value));
        if self.paces.is_empty() {
            let buckets = (0..PACES).map(|number| FIRST_BUCKET * f64::from(1 << number));
            self.paces = buckets.map(Pace::new).collect();
        }
        for pace in &mut self.paces {
            pace.look(at, value);
        }
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

#[cfg(test)]
mod tests;
