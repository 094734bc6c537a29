//! Named draws: a number belongs to the seed and its name alone, so that one more draw changes no other.

use crate::draw::Draws;

/// What one incident is drawn from.
#[derive(Clone, Debug)]
pub(super) struct Dice {
    seed: u64,
    of: String,
}

impl Dice {
    pub(super) fn new(seed: u64, of: &str) -> Self {
        Self {
            seed,
            of: of.to_owned(),
        }
    }

    /// At least 0 and less than 1.
    pub(super) fn unit(&self, name: &str) -> f64 {
        let name = format!("{} {name}", self.of);
        Draws::new(self.seed, &name).at(0).unit()
    }

    /// Between the two, evenly.
    pub(super) fn between(&self, name: &str, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit(name)
    }

    /// Between the two, evenly by their logarithms: as many small as large ones.
    pub(super) fn scaled(&self, name: &str, low: f64, high: f64) -> f64 {
        low * (high / low).powf(self.unit(name))
    }

    /// From the one to the other, both included.
    #[allow(clippy::cast_possible_truncation, reason = "small numbers")]
    pub(super) fn whole(&self, name: &str, low: u32, high: u32) -> u32 {
        let span = f64::from(high - low + 1);
        (low + (self.unit(name) * span) as u32).min(high)
    }

    /// Whether it happens, with that probability.
    pub(super) fn chance(&self, name: &str, probability: f64) -> bool {
        self.unit(name) < probability
    }

    /// One of them.
    ///
    /// # Panics
    /// When there is none.
    pub(super) fn pick<'a, T>(&self, name: &str, of: &'a [T]) -> &'a T {
        let place = (self.unit(name) * of.len() as f64) as usize;
        &of[place.min(of.len() - 1)]
    }
}
