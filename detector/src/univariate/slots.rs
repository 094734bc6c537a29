//! What is usual at this time of the day, or of the weekday and weekend day.
//!
//! A day has a fixed number of slots; each keeps the mean of its values and how far they are from it.
//! The residual of such a seasonal profile is the classical baseline of traffic monitoring (Brutlag,
//! LISA 2000). A slot moves by a fifth at each value, so that it holds about the last five.

use serde::{Deserialize, Serialize};

use super::packed::Packed;

const DAY: i64 = 86_400;
/// Slots of a day; half as many, each for weekdays and for weekends, in a week.
const SLOTS: i64 = 96;
/// How fast a slot follows, once it was seen often enough.
const RATE: f64 = 0.2;
/// How fast the deviation over all slots follows.
const ALL_RATE: f64 = 0.005;
/// Mean absolute deviations of a normal distribution in a standard deviation, halved: a slot's own
/// deviation and that of all slots weigh the same.
const HALF: f64 = 0.625;
/// Visits after which a slot has something to say: its deviation must be known too.
const KNOWN: u8 = 4;

/// The slot of a day that a Unix time falls into.
pub(super) fn of_day(at_seconds: i64) -> usize {
    (at_seconds.rem_euclid(DAY) * SLOTS / DAY) as usize
}

/// The slot of a weekday or of a weekend day that a Unix time falls into.
pub(super) fn of_week(at_seconds: i64) -> usize {
    // Day 0 was a Thursday.
    let is_weekend = matches!(at_seconds.div_euclid(DAY).rem_euclid(7), 2 | 3);
    let slot = of_day(at_seconds) / 2;
    if is_weekend {
        slot + SLOTS as usize / 2
    } else {
        slot
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Slot {
    mean: f32,
    deviation: Brief,
    visits: u8,
}

/// A number to two or three digits, which is all that the deviation of a few values is good for: the upper
/// half of an `f32`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Brief(u16);

impl Brief {
    const fn of(x: f32) -> Self {
        Self((x.to_bits().saturating_add(1 << 15) >> 16) as u16)
    }

    fn get(self) -> f64 {
        f64::from(f32::from_bits(u32::from(self.0) << 16))
    }
}

impl Packed<7> for Slot {
    fn pack(self) -> [u8; 7] {
        let [a, b, c, d] = self.mean.to_le_bytes();
        let [e, f] = self.deviation.0.to_le_bytes();
        [a, b, c, d, e, f, self.visits]
    }

    fn unpack([a, b, c, d, e, f, visits]: [u8; 7]) -> Self {
        Self {
            mean: f32::from_le_bytes([a, b, c, d]),
            deviation: Brief(u16::from_le_bytes([e, f])),
            visits,
        }
    }
}

/// A profile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Slots {
    #[serde(with = "super::packed")]
    slots: Vec<Slot>,
    /// Mean deviation over all slots.
    deviation: f64,
    rows: u32,
}

impl Default for Slots {
    fn default() -> Self {
        Self {
            slots: vec![Slot::default(); SLOTS as usize],
            deviation: 0.0,
            rows: 0,
        }
    }
}

impl Slots {
    /// How many standard deviations `x` is off in its slot, if that is known; then learns it.
    pub(super) fn look(&mut self, slot: usize, x: f64) -> Option<f64> {
        let all = self.deviation;
        let slot = &mut self.slots[slot];
        let error = x - f64::from(slot.mean);
        let visits = f64::from(slot.visits);
        let deviation = slot.deviation.get();
        let spread = HALF * (deviation + all);
        let is_known = slot.visits >= KNOWN && spread > 0.0;
        let odd = is_known.then(|| error.abs() / spread);

        slot.mean += (RATE.max(1.0 / (visits + 1.0)) * error) as f32;
        if slot.visits > 0 {
            let change = error.abs() - deviation;
            slot.deviation = Brief::of((deviation + RATE.max(1.0 / visits) * change) as f32);
            self.rows = self.rows.saturating_add(1);
            let rate = ALL_RATE.max(1.0 / f64::from(self.rows));
            self.deviation += rate * (error.abs() - all);
        }
        slot.visits = slot.visits.saturating_add(1);
        odd
    }
}

#[cfg(test)]
mod tests {
    use super::{Slots, of_day, of_week};

    const HOUR: i64 = 3600;

    #[test]
    fn slots_follow_the_clock_and_the_weekend() {
        // 2024-01-05 was a Friday.
        let friday = 1_704_412_800;
        assert_eq!(of_day(friday), 0);
        assert_eq!(of_day(friday + 24 * HOUR - 1), 95);
        assert_eq!(of_week(friday + 23 * HOUR), 46);
        assert_eq!(of_week(friday + 24 * HOUR), 48);
        assert_eq!(of_week(friday + 72 * HOUR), 0);
        assert_eq!(of_day(-1), 95);
    }

    #[test]
    fn noon_is_no_surprise_at_noon_and_one_at_midnight() {
        let mut slots = Slots::default();
        for hour in 0..24 * 14 {
            let level = if hour % 24 == 12 { 100.0 } else { 0.0 };
            let noise = f64::from(hour * 7 % 5) / 5.0;
            slots.look(of_day(i64::from(hour) * HOUR), level + noise);
        }
        let at = |hour| {
            slots
                .clone()
                .look(of_day(hour * HOUR), 100.5)
                .expect("known by now")
        };
        assert!(at(12) < 2.0 && at(0) > 20.0, "{} {}", at(12), at(0));
    }
}
