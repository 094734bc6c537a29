//! Scores of one metric, whatever its unit and however far apart its samples are.
//!
//! Seven voices each say how odd a value is: for the time of day and of the week ([`slots`]), among all
//! deviations from the level ([`density`], [`level`]), after the value before it and for the recent mean
//! ([`motion`]), as the end of a short and of a long stretch ([`shape`]). Their units differ, so each is
//! turned into -log10 of a tail probability against its own past ([`tail`]). Those are summed with equal
//! weights, and the sum is compared with the peaks that this metric usually has ([`peaks`]).
//!
//! No clock, no randomness: a verdict is a function of this value and of those before it. Scores do not
//! change when the metric is scaled by a positive factor or shifted.

mod density;
mod level;
mod motion;
mod packed;
mod peaks;
mod shape;
mod slots;
mod tail;

use serde::{Deserialize, Serialize};

use crate::vector::Judgement;

use self::{
    density::Density, level::Level, motion::Motion, peaks::Peaks, shape::Shape, slots::Slots,
    tail::Tail,
};

/// How many voices there are.
const VOICES: usize = 7;

/// What is larger is no measurement, and its square no number.
const LARGEST: f64 = 1e30;

/// One metric and all that is known of its past.
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
    /// Judges the next value by all before it, `None` if it is missing, then learns it. The score is
    /// -log10 of the share of values that are as odd by chance; the anomaly begins or grows here, at
    /// about one false alarm in a thousand values.
    ///
    /// `at_seconds` is its Unix time. A missing value is not odd and teaches nothing; nor does one that is no number or above 1e30.
    pub fn look(&mut self, at_seconds: i64, value: Option<f64>) -> Judgement {
        let Some(x) = value.and_then(|value| self.relative(value)) else {
            return Judgement {
                score: 0.0,
                anomaly: false,
            };
        };
        let deviation = self.level.look(x);
        let (jump, drift) = self.motion.look(x);
        let [short, long] = self.shape.look(x);
        let voices: [Option<f64>; VOICES] = [
            self.day.look(slots::of_day(at_seconds), x),
            self.week.look(slots::of_week(at_seconds), x),
            Some(self.density.look(deviation)),
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

    /// The difference to the first value, if both are numbers that can be counted with.
    fn relative(&mut self, value: f64) -> Option<f64> {
        let is_number = value.abs() <= LARGEST;
        is_number.then(|| value - *self.base.get_or_insert(value))
    }
}

#[cfg(test)]
mod tests;
