//! Scores of one metric, whatever its unit and however far apart its samples are.
//!
//! Eight voices each say how odd a value is: for the time of day and of the week ([`slots`]), among all
//! values ([`density`]), against the level ([`level`]), after the one before it and for the recent mean
//! ([`motion`]), as a shape ([`shape`]). Their units differ, so each is turned into -log10 of a tail
//! probability against its own past ([`tail`]). Those are summed with equal weights, and the sum is
//! compared with the peaks that this metric usually has ([`peaks`]).
//!
//! No clock, no randomness: a verdict is a function of this value and of those before it. Scores do not
//! change when the metric is scaled by a positive factor or shifted.

mod density;
mod level;
mod motion;
mod peaks;
mod shape;
mod slots;
mod tail;

use serde::{Deserialize, Serialize};

use self::{
    density::Density, level::Level, motion::Motion, peaks::Peaks, shape::Shape, slots::Slots,
    tail::Tail,
};

/// How many voices there are.
const VOICES: usize = 8;

/// What a value is worth.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Verdict {
    /// How odd it is, from 0: the sum of the voices' -log10 p, over the peaks that are usual here.
    pub score: f64,
    /// Whether it is the peak of an anomaly, at one false alarm in about a thousand values.
    pub is_anomalous: bool,
}

/// One metric and all that is known of its past, in about 6 KB.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Univariate {
    /// The first value. What is stored is relative to it, so that a large offset costs no digits.
    base: Option<f64>,
    day: Slots,
    week: Slots,
    level: Level,
    density: Density,
    motion: Motion,
    shape: Shape,
    tails: [Tail; VOICES],
    peaks: Peaks,
}

impl Univariate {
    /// Looks at the next value, `None` if it is missing, and learns from it. `at_seconds` is its Unix
    /// time. A missing value is not odd and teaches nothing; nor does one that is not finite.
    pub fn look(&mut self, at_seconds: i64, value: Option<f64>) -> Verdict {
        let Some(x) = value.and_then(|value| self.relative(value)) else {
            return Verdict::default();
        };
        let deviation = self.level.look(x);
        let (jump, drift) = self.motion.look(x);
        let [short, long] = self.shape.look(x);
        let voices: [Option<f64>; VOICES] = [
            self.day.look(slots::of_day(at_seconds), x),
            self.week.look(slots::of_week(at_seconds), x),
            Some(self.density.look(deviation)),
            Some(deviation.abs()),
            jump,
            drift,
            short,
            long,
        ];
        let mut sum = 0.0;
        for (tail, voice) in self.tails.iter_mut().zip(voices) {
            sum += voice.map_or(0.0, |voice| tail.look(voice));
        }
        self.peaks.look(sum)
    }

    /// The difference to the first value, if both are finite numbers.
    fn relative(&mut self, value: f64) -> Option<f64> {
        if !value.is_finite() {
            return None;
        }
        let x = value - *self.base.get_or_insert(value);
        x.is_finite().then_some(x)
    }
}

#[cfg(test)]
mod tests;
