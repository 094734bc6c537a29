//! The last means of a series in buckets of one length, and what they forecast.

use serde::{Deserialize, Serialize};

use super::trend::Trend;
use super::{ALIKE, FORGOTTEN_IN, Forecast, HORIZON, KNOWN, MONOTONE, NEWS, USED_UP};

/// How many buckets are looked at: all that are kept, or fewer, so that windows grow by less than half
/// from one to the next over all paces.
const WINDOWS: [usize; 2] = [11, 16];
const MOST: usize = 16;

/// Means in buckets of one length.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Pace {
    /// The length, seconds.
    bucket: f64,
    /// The means of the last buckets, oldest first, and their highest samples.
    means: Vec<f32>,
    tops: Vec<f32>,
    /// How many were kept before them.
    earlier: u32,
    /// The highest sample of those, fading.
    peak: f32,
    /// When the bucket that fills began, with the sum, the highest and the number of its samples.
    since: f64,
    sum: f64,
    top: f32,
    count: u32,
    /// What the last full bucket led to, and when that was.
    made: Option<(f64, Forecast)>,
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
        let (made, forecast) = self.made?;
        let passed = at - made;
        let left = |seconds: f64| (seconds - passed).max(0.0);
        Some(Forecast {
            seconds: left(forecast.seconds),
            earliest: left(forecast.earliest),
            latest: left(forecast.latest),
            ..forecast
        })
    }

    /// Takes a sample in.
    pub(super) fn look(&mut self, at: f64, value: f64) {
        if self.count > 0 && at - self.since >= self.bucket {
            let gap = at - self.since >= 3.0 * self.bucket;
            self.fill((self.sum / f64::from(self.count)) as f32);
            self.made = self.foretell().map(|forecast| (at, forecast));
            if gap {
                // What was before and what comes are no neighbours.
                self.made = None;
                while !self.means.is_empty() {
                    self.keep_peak();
                }
            }
            (self.sum, self.top, self.count) = (0.0, 0.0, 0);
        }
        if self.count == 0 {
            self.since = at;
        }
        self.sum += value;
        self.top = self.top.max(value as f32);
        self.count += 1;
    }

    fn fill(&mut self, mean: f32) {
        if self.means.len() == MOST {
            self.keep_peak();
        }
        self.means.push(mean);
        self.tops.push(self.top);
        self.peak *= 1.0 - (self.bucket / FORGOTTEN_IN) as f32;
    }

    /// Moves the oldest mean to what is remembered of earlier ones.
    fn keep_peak(&mut self) {
        self.means.remove(0);
        let top = self.tops.remove(0);
        self.earlier = self.earlier.saturating_add(1);
        if f64::from(top) < USED_UP {
            self.peak = self.peak.max(top);
        }
    }

    fn foretell(&self) -> Option<Forecast> {
        let windows = WINDOWS.into_iter().filter_map(|window| self.over(window));
        windows.min_by(|a, b| a.seconds.total_cmp(&b.seconds))
    }

    /// What the last `window` means forecast.
    fn over(&self, window: usize) -> Option<Forecast> {
        let older = self.means.len().checked_sub(window)?;
        let known = self.earlier as usize + self.means.len();
        if known < 2 * window || (known as f64) * self.bucket < KNOWN {
            return None;
        }
        let points = &self.means[older..];
        let (first, second) = points.split_at(window / 2);
        let (trend, first, second) = (Trend::of(points)?, Trend::of(first)?, Trend::of(second)?);
        // Where it bends, it goes on bending: this is the slope at the window's end.
        let bend = second.slope + (second.slope - first.slope) / 2.0;
        let slope = trend.slope.min(second.slope).min(bend);
        let steady = trend.tau >= MONOTONE && trend.low > 0.0 && slope > 0.0;
        if !steady || first.slope < ALIKE * second.slope {
            return None;
        }
        let before = self.tops[..older].iter().copied();
        let peak = before.fold(self.peak, f32::max);
        let level = trend.level.clamp(0.0, 1.0);
        if level < f64::from(peak) + NEWS {
            return None;
        }
        let seconds = |slope: f64| (1.0 - level) / slope * self.bucket;
        let reach = (self.bucket * window as f64).min(HORIZON);
        (seconds(slope) <= reach).then(|| Forecast {
            level,
            seconds: seconds(slope),
            earliest: seconds(trend.high.max(slope)),
            latest: seconds(trend.low.min(slope)),
            confidence: trend.agreement,
        })
    }
}
