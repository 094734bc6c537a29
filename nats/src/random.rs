//! Randomness of the operating system: for names that only tell one process from another, and jitter.

/// 128 random bits.
pub(crate) fn bits() -> [u8; 16] {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits).expect("the operating system gives randomness");
    bits
}

/// A share from 0 to 1.
pub(crate) fn share() -> f64 {
    let [first, second, ..] = bits();
    f64::from(u16::from_be_bytes([first, second])) / f64::from(u16::MAX)
}
