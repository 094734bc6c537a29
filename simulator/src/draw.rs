//! Randomness that depends on the seed, a name and a second, and on nothing else.
//!
//! Whoever asks twice, late or in another order gets the same numbers, so that
//! samples do not depend on who scrapes when.

use rand::RngCore;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// How many numbers belong to one second.
const PER_SECOND: usize = 8;
/// How many seconds are drawn at once: the generator makes so many numbers in one go.
const SECONDS: usize = 4;

/// The random numbers of one thing, such as a pod.
#[derive(Clone, Debug)]
pub(crate) struct Draws {
    rng: ChaCha8Rng,
    /// Which seconds are drawn.
    block: Option<u64>,
    drawn: [u64; PER_SECOND * SECONDS],
    next: usize,
}

impl Draws {
    /// The numbers that belong to `name`.
    pub(crate) fn new(seed: u64, name: &str) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(hash(name));
        let drawn = [0; PER_SECOND * SECONDS];
        Self {
            rng,
            block: None,
            drawn,
            next: 0,
        }
    }

    /// Goes to the numbers of that second.
    pub(crate) fn at(&mut self, second: i64) -> &mut Self {
        let second = second.unsigned_abs();
        let block = second / SECONDS as u64;
        if self.block != Some(block) {
            // Two words make a number.
            let position = u128::from(block) * (2 * PER_SECOND * SECONDS) as u128;
            self.rng.set_word_pos(position);
            self.drawn.fill_with(|| self.rng.next_u64());
            self.block = Some(block);
        }
        self.next = (second % SECONDS as u64) as usize * PER_SECOND;
        self
    }

    fn number(&mut self) -> u64 {
        let number = self.drawn[self.next % self.drawn.len()];
        self.next += 1;
        number
    }

    /// At least 0 and less than 1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.number() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// About normal, mean 0, deviation 1, never beyond 3.5.
    pub(crate) fn normal(&mut self) -> f64 {
        let bits = self.number();
        let sum: f64 = (0..4)
            .map(|part| ((bits >> (part * 16)) & 0xffff) as f64 / 65_535.0)
            .sum();
        (sum - 2.0) * 3.0_f64.sqrt()
    }

    /// One of `count` places; 0 of none.
    pub(crate) fn place(&mut self, count: usize) -> usize {
        ((self.unit() * count as f64) as usize).min(count.saturating_sub(1))
    }
}

/// FNV-1a with a finish that mixes short names well.
pub(crate) fn hash(name: &str) -> u64 {
    let mut bits = 0xcbf2_9ce4_8422_2325_u64;
    for byte in name.bytes() {
        bits = (bits ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits ^ (bits >> 31)
}
