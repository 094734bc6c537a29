//! How rare values like this one are, wherever they lie: also one in a gap between two usual levels.
//!
//! A histogram of the deviation on a logarithmic scale, smoothed by a triangular kernel (an average
//! shifted histogram: Scott, 1985). Its negative logarithm is the surprise of the value.

use serde::{Deserialize, Serialize};

const BINS: i32 = 200;
/// The scale ends at this logarithm, on both sides.
const END: f64 = 4.0;
/// The kernel reaches so many bins to either side.
const REACH: i32 = 3;
/// Weight of a value nowhere near any other, and of the rows before the first.
const PRIOR: (f64, f64) = (0.3, 10.0);
/// Values after which the past counts half.
const MEMORY: u32 = 32_768;

/// All values that were seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Density {
    bins: Vec<u16>,
    rows: u32,
}

impl Default for Density {
    fn default() -> Self {
        Self {
            bins: vec![0; BINS as usize],
            rows: 0,
        }
    }
}

impl Density {
    /// The surprise of a deviation, 0 or more; then learns it.
    pub(super) fn look(&mut self, deviation: f64) -> f64 {
        let log = (deviation.signum() * deviation.abs().ln_1p()).clamp(-END, END);
        let bin = ((log + END) / (2.0 * END) * f64::from(BINS - 1)).round() as i32;
        let mut near = 0.0;
        for off in -REACH..=REACH {
            let Some(count) = usize::try_from(bin + off)
                .ok()
                .and_then(|bin| self.bins.get(bin))
            else {
                continue;
            };
            near += f64::from(*count) * (1.0 - f64::from(off.abs()) / f64::from(REACH + 1));
        }
        let surprise = -((near + PRIOR.0) / (f64::from(self.rows) + PRIOR.1)).ln();
        self.bins[bin as usize] += 1;
        self.rows += 1;
        if self.rows >= MEMORY {
            self.bins.iter_mut().for_each(|bin| *bin /= 2);
            self.rows /= 2;
        }
        surprise.max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Density;

    #[test]
    fn between_two_usual_levels_is_rare() {
        let mut density = Density::default();
        for row in 0..1000 {
            density.look(if row % 2 == 0 { 2.0 } else { -2.0 });
        }
        let (usual, between) = (density.clone().look(2.0), density.clone().look(0.0));
        assert!(usual < 1.0 && between > 6.0, "{usual} {between}");
    }
}
