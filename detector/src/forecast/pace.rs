//! The last means of a series in buckets of one length, and what they forecast.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::trend::Trend;
use super::{Forecast, HORIZON, KNOWN, LATEST};

/// How many means are looked at.
const WINDOW: usize = 16;
/// How monotone they must be.
const MONOTONE: f64 = 0.85;
/// How much of the fastest rise between two quarters of the window the slowest must have.
const ALIKE: f64 = 0.8;
/// By how much the series must be above what it was before.
const NEWS: f64 = 0.03;
/// How long a highest mean is remembered at least, seconds.
const WEEK: f64 = 604_800.0;
/// The least share by which the limit may be reached earlier or later than it is said.
const MARGIN: f64 = 0.1;
/// For what part of its window a forecast stands when the next look does not confirm it.
const STANDS: f64 = 0.25;

/// Means in buckets of one length.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Pace {
    /// The length, seconds.
    bucket: f64,
    /// The last means with their mean times, oldest first.
    means: VecDeque<(f64, f32)>,
    /// The highest mean before those.
    peak: Peak,
    /// When the bucket that fills began, with the sums and the number of its samples. Times are summed
    /// from its beginning.
    since: f64,
    times: f64,
    values: f64,
    count: u32,
    /// What was forecast last, when, and until when it stands.
    made: Option<(Forecast, f64, f64)>,
}

/// The highest mean of this week and of the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Peak {
    since: f64,
    now: f32,
    before: f32,
}

impl Peak {
    fn add(&mut self, (at, mean): (f64, f32)) {
        if at - self.since >= WEEK {
            *self = Self {
                since: at,
                now: 0.0,
                before: self.now,
            };
        }
        self.now = self.now.max(mean);
    }

    const fn height(&self) -> f32 {
        self.now.max(self.before)
    }
}

impl Pace {
    pub(super) fn new(bucket: f64) -> Self {
        Self {
            bucket,
            ..Self::default()
        }
    }

    /// What it forecasts as of `at`.
    pub(super) fn forecast(&self, at: f64) -> Option<Forecast> {
        let (forecast, made, until) = self.made?;
        let left = |seconds: f64| (seconds - (at - made)).max(0.0);
        (at <= until).then(|| Forecast {
            seconds: left(forecast.seconds),
            earliest: left(forecast.earliest),
            latest: left(forecast.latest),
            ..forecast
        })
    }

    /// Takes a sample in of a series that is known since `first`.
    pub(super) fn look(&mut self, first: f64, at: f64, value: f64) {
        if self.count > 0 && at - self.since >= self.bucket {
            self.fill();
            if let Some((forecast, window)) = self.foretell(first, at) {
                self.made = Some((forecast, at, at + STANDS * window));
            }
            (self.times, self.values, self.count) = (0.0, 0.0, 0);
        }
        if self.count == 0 {
            self.since = at;
        }
        self.times += at - self.since;
        self.values += value;
        self.count += 1;
    }

    fn fill(&mut self) {
        if self.means.len() == WINDOW
            && let Some(oldest) = self.means.pop_front()
        {
            self.peak.add(oldest);
        }
        let count = f64::from(self.count);
        let mean = (
            self.since + self.times / count,
            (self.values / count) as f32,
        );
        self.means.push_back(mean);
    }

    /// What the last means forecast as of `at`, and how long they took.
    fn foretell(&self, first: f64, at: f64) -> Option<(Forecast, f64)> {
        let (begun, ended) = (self.means.front()?.0, self.means.back()?.0);
        let window = ended - begun;
        let is_known = self.means.len() == WINDOW && at - first >= KNOWN.max(2.0 * window);
        if !is_known || self.means.back()?.1 < self.peak.height() + NEWS as f32 {
            return None;
        }
        let points: Vec<(f64, f64)> = self
            .means
            .iter()
            .map(|&(time, mean)| (time - ended, mean.into()))
            .collect();
        let (trend, rise) = (Trend::of(&points)?, Rise::of(&points));
        let is_steady =
            trend.tau >= MONOTONE && trend.low > 0.0 && rise.slowest >= ALIKE * rise.fastest;
        if !is_steady || trend.level < f64::from(self.peak.height()) + NEWS {
            return None;
        }
        let level = trend.slope.mul_add(at - ended, trend.level).clamp(0.0, 1.0);
        let seconds = |slope: f64| (1.0 - level) / slope;
        if seconds(trend.slope.min(rise.last)) > window.min(HORIZON) {
            return None;
        }
        let reached = seconds(trend.slope);
        let earliest = seconds(trend.high.max(rise.last));
        let latest = seconds(trend.low.min(rise.last));
        let forecast = Forecast {
            level,
            seconds: reached,
            earliest: earliest.min((1.0 - MARGIN) * reached),
            latest: latest.max((1.0 + MARGIN) * reached).min(LATEST),
            confidence: trend.tau * rise.slowest / rise.fastest,
        };
        Some((forecast, window))
    }
}

/// How fast it rises from a quarter of the window to the next.
struct Rise {
    slowest: f64,
    fastest: f64,
    /// At the window's end, if it goes on to bend as it did.
    last: f64,
}

impl Rise {
    /// Of points (time, value), a multiple of four of them.
    fn of(points: &[(f64, f64)]) -> Self {
        let mut middles = points.chunks(points.len() / 4).map(|quarter| {
            let sum = quarter.iter().fold((0.0, 0.0), |(times, values), point| {
                (times + point.0, values + point.1)
            });
            let count = quarter.len() as f64;
            (sum.0 / count, sum.1 / count)
        });
        let mut slopes = [0.0; 3];
        let mut from = middles.next().unwrap_or_default();
        for (slope, to) in slopes.iter_mut().zip(middles) {
            *slope = (to.1 - from.1) / (to.0 - from.0);
            from = to;
        }
        let [first, second, third] = slopes;
        Self {
            slowest: first.min(second).min(third),
            fastest: first.max(second).max(third),
            last: second.min(third).min(third + (third - first) / 2.0),
        }
    }
}
