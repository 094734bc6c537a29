//! How unusual a voice is against its own past, as -log10 of a tail probability.
//!
//! The past is a histogram over the logarithm: the share of earlier values above this one is its
//! p-value, as in conformal anomaly detection (Laxhammar and Falkman, 2014). It is right from the first
//! rows on, and in any unit. Beyond the highest twenty or hundredth of the past a Pareto tail goes on
//! (Hill's estimator, 1975): what bursts every day does not look ever more unusual.

use std::ops::RangeTo;

use serde::{Deserialize, Serialize};

const BINS: usize = 64;
/// Width of a bin, in natural logarithms.
const WIDTH: f64 = 0.15;
/// The bin that the first value falls into.
const FIRST: f64 = 40.0;
/// Values that are seen before any is called unusual.
const WARM: u32 = 20;
/// Values after which the past counts half.
const MEMORY: u32 = 4096;
/// How many, or which share of them, make a tail.
const FEW: f64 = 20.0;
const SHARE: f64 = 0.01;
/// No voice alone says more than this: one is no witness.
const MOST: f64 = 5.0;
/// The histogram moves by so many bins where a value does not fit.
const MOVE: usize = 16;

/// The past of one voice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Tail {
    /// Values per bin. Those that are zero have none.
    bins: Vec<u16>,
    count: u32,
    seen: u32,
    /// Logarithm of the lower edge of the lowest bin, once there was a value above zero.
    origin: Option<f64>,
}

impl Default for Tail {
    fn default() -> Self {
        Self {
            bins: vec![0; BINS],
            count: 0,
            seen: 0,
            origin: None,
        }
    }
}

impl Tail {
    /// -log10 p of `x`, which is finite and not negative; then learns it.
    pub(super) fn look(&mut self, x: f64) -> f64 {
        let mut score = 0.0;
        if x > 0.0 {
            let log = x.min(f64::MAX).ln();
            let origin = self.origin.unwrap_or(log - FIRST * WIDTH);
            let origin = self.make_room(log, origin);
            let place = (log - origin) / WIDTH;
            if self.seen >= WARM {
                score = self.unusual(place).clamp(0.0, MOST);
            }
            let bin = place.clamp(0.0, BINS as f64 - 1.0) as usize;
            self.bins[bin] += 1;
        }
        self.count += 1;
        self.seen = self.seen.saturating_add(1);
        if self.count >= MEMORY {
            self.bins.iter_mut().for_each(|bin| *bin /= 2);
            self.count /= 2;
        }
        score
    }

    /// -log10 p of what lies `place` bins above the origin.
    fn unusual(&self, place: f64) -> f64 {
        let few = FEW.max(SHARE * f64::from(self.count));
        let (mut edge, mut above, mut excess) = (BINS, 0.0, 0.0);
        while edge > 0 && above < few {
            edge -= 1;
            excess += above + 0.5 * f64::from(self.bins[edge]);
            above += f64::from(self.bins[edge]);
        }
        let beyond = place - edge as f64;
        if beyond > 0.0 {
            let mean = (excess / above.max(1.0)).max(1.0);
            return self.decades(above) + beyond / mean / std::f64::consts::LN_10;
        }
        let place = place.max(0.0);
        let bin = place as usize;
        let higher: f64 = self.bins[bin + 1..].iter().copied().map(f64::from).sum();
        self.decades(higher + f64::from(self.bins[bin]) * (1.0 - place.fract()))
    }

    /// -log10 of the share that `above` is of all.
    fn decades(&self, above: f64) -> f64 {
        -((above + 1.0) / (f64::from(self.count) + 1.0)).log10()
    }

    /// Moves the bins until `log` fits, or half of the values would leave them at the other end.
    fn make_room(&mut self, log: f64, mut origin: f64) -> f64 {
        while log >= origin + BINS as f64 * WIDTH && self.is_minor(..MOVE + MOVE / 2) {
            let gone: u16 = self.bins.drain(..MOVE).sum();
            self.bins[0] += gone;
            self.bins.resize(BINS, 0);
            origin += MOVE as f64 * WIDTH;
        }
        while log < origin && !self.is_minor(..MOVE / 2) {
            let gone: u16 = self.bins.drain(BINS - MOVE..).sum();
            self.bins.splice(..0, [0; MOVE]);
            self.bins[BINS - 1] += gone;
            origin -= MOVE as f64 * WIDTH;
        }
        self.origin = Some(origin);
        origin
    }

    /// Whether these lowest bins hold at most half of the values.
    fn is_minor(&self, lowest: RangeTo<usize>) -> bool {
        let part: u16 = self.bins[lowest].iter().sum();
        2 * part <= self.bins.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST, Tail};

    /// Values whose share above `x` is 1/x: every decade is ten times as rare.
    fn taught(scale: f64, rows: u32) -> Tail {
        let mut tail = Tail::default();
        for row in 0..rows {
            let share = (f64::from(row) * 0.618_033_988_75).fract();
            tail.look(scale / (1.0 - share));
        }
        tail
    }

    #[test]
    fn ten_times_as_rare_is_one_more() {
        for rows in [400, 4000, 20_000] {
            for (x, expected) in [(10.0, 1.0), (100.0, 2.0), (1000.0, 3.0)] {
                let score = taught(1.0, rows).look(x);
                assert!((score - expected).abs() < 0.5, "{rows} rows, {x}: {score}");
            }
        }
    }

    #[test]
    fn the_unit_does_not_matter_nor_does_a_first_value_that_is_far_off() {
        for first in [0.0, 1e-6, 1.0] {
            let mut tail = Tail::default();
            tail.look(first);
            for row in 0..2000 {
                let share = (f64::from(row) * 0.618_033_988_75).fract();
                tail.look(1e-3 / (1.0 - share));
            }
            let score = tail.look(0.1);
            assert!((score - 2.0).abs() < 0.5, "{first}: {score}");
        }
    }

    #[test]
    fn nothing_is_unusual_at_first_and_no_voice_shouts() {
        assert_eq!(Tail::default().look(1e300), 0.0);
        assert_eq!(taught(1.0, 1000).look(f64::MAX), MOST);
        assert_eq!(taught(1.0, 1000).look(0.0), 0.0);
        let mut endless = Tail::default();
        assert_eq!(endless.look(f64::INFINITY), 0.0);
        assert_eq!(endless.look(1.0), 0.0);
    }
}
