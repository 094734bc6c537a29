//! How unusual a score is, as -log10 of a tail probability against its own past.
//!
//! Two numbers that move slowly: the 99 % quantile, by stochastic approximation (Robbins and Monro, Annals
//! of Mathematical Statistics 1951), and the mean excess above it, as if that were exponential. Faster
//! adaptation forgets what calm looks like.

use serde::{Deserialize, Serialize};

/// No score is more unusual than this: about the smallest number that is not zero.
const MOST: f64 = 300.0;
/// How fast the typical distance from the quantile follows.
const CENTRE_RATE: f64 = 1e-4;
/// How fast the quantile follows, in typical distances.
const QUANTILE_RATE: f64 = 5e-4;
/// An excess of more than so many mean excesses teaches no more than that: of an exponential, a twentieth
/// is larger.
const EXCESS_CLIP: f64 = 3.0;
/// How fast the mean excess follows.
const EXCESS_RATE: f64 = 1e-3;

/// The past of one score.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tail {
    rows: u32,
    quantile: f64,
    distance: f64,
    excess: f64,
}

impl Tail {
    /// -log10 of how unusual `x` is: 2 at the 99 % quantile.
    pub(crate) fn height(&self, x: f64) -> f64 {
        let u = self.quantile.max(1e-6);
        if x <= u {
            return 2.0 * (x / u).max(0.0);
        }
        let k = self.excess.max(0.05 * u).max(1e-6);
        (2.0 + (x - u) / (std::f64::consts::LN_10 * k)).min(MOST)
    }

    /// The 99 % quantile.
    pub(crate) const fn quantile(&self) -> f64 {
        self.quantile
    }

    /// Rows that it has learned from.
    pub(crate) const fn rows(&self) -> u32 {
        self.rows
    }

    /// Learns that `x` happened, with `weight` from 0 to 1.
    pub(crate) fn learn(&mut self, x: f64, weight: f64) {
        let t = f64::from(self.rows) + 1.0;
        if self.rows == 0 {
            self.quantile = x;
        }
        let off = x - self.quantile;
        self.distance += weight * (1.0 / t).max(CENTRE_RATE) * (off.abs() - self.distance);
        let step = weight * self.distance * (3.0 / t.powf(0.7)).max(QUANTILE_RATE);
        if off > 0.0 {
            let rate = EXCESS_RATE.max(1.0 / (1.0 + 0.05 * t));
            let excess = if self.excess > 0.0 {
                off.min(EXCESS_CLIP * self.excess)
            } else {
                off
            };
            self.excess += weight * rate * (excess - self.excess);
            self.quantile += 0.99 * step;
        } else {
            self.quantile -= 0.01 * step;
        }
        self.quantile = self.quantile.max(0.0);
        self.rows = self.rows.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::Tail;

    #[test]
    fn two_at_the_quantile_and_rising_beyond() {
        let mut tail = Tail::default();
        let mut state = 1_u64;
        for _ in 0..20_000 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let uniform = ((state >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
            tail.learn(-uniform.ln(), 1.0);
        }
        // An exponential: its 99 % quantile is ln 100, and ln 10 more is ten times as rare.
        assert!((tail.quantile() - 4.6).abs() < 0.7, "{tail:?}");
        let decade = tail.height(6.9) - tail.height(4.6);
        assert!((0.6..1.6).contains(&decade), "{decade}");
        assert!(tail.height(1e9) <= 300.0);
    }
}
