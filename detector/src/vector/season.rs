//! What the time of day explains: how far off one metric usually is in each quarter of an hour of the day.
//!
//! A seasonal component of one mean a slot, as in classical decomposition (Cleveland et al., Journal of
//! Official Statistics 1990, without its smoothing). A slot says nothing before it was seen on two days.

use serde::{Deserialize, Serialize};

const DAY: i64 = 86_400;
const SLOT: i64 = 900;
const SLOTS: usize = (DAY / SLOT) as usize;
/// How fast a slot follows, a day.
const RATE: f32 = 0.1;
/// No deviation teaches a slot more than this.
const CLIP: f64 = 5.0;
/// Which part of what was usual is taken off: the mean of some days is itself uncertain.
const PART: f64 = 0.5;
/// Days after which a slot has something to say.
const DAYS: i64 = 2;

/// The slots of one metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Season {
    usual: Vec<f32>,
    rows: Vec<u16>,
}

impl Default for Season {
    fn default() -> Self {
        Self {
            usual: vec![0.0; SLOTS],
            rows: vec![0; SLOTS],
        }
    }
}

impl Season {
    /// What is left of `deviation` at this time, in seconds, without a part of what is usual for it; learns it
    /// afterwards. Rows are `step` seconds apart.
    pub(crate) fn take_off(&mut self, at: i64, step: i64, deviation: f64) -> f64 {
        let slot = (at.rem_euclid(DAY) / SLOT) as usize;
        let (usual, rows) = (&mut self.usual[slot], &mut self.rows[slot]);
        let rows_a_day = (SLOT / step.max(1)).max(1);
        let explained = if i64::from(*rows) > DAYS * rows_a_day {
            PART * f64::from(*usual)
        } else {
            0.0
        };
        let rate = (1.0 / (f32::from(*rows) + 1.0)).max(RATE / rows_a_day as f32);
        *usual += rate * (deviation.clamp(-CLIP, CLIP) as f32 - *usual);
        *rows = rows.saturating_add(1);
        deviation - explained
    }

    /// Bytes of memory that it takes beside itself.
    pub(crate) fn heap_bytes(&self) -> usize {
        size_of_val(self.usual.as_slice()) + size_of_val(self.rows.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::Season;

    #[test]
    fn what_happens_every_day_is_half_as_unusual_from_the_third_day_on() {
        let mut season = Season::default();
        let mut left = Vec::new();
        for day in 0..6 {
            // Every night at two, something runs for half an hour.
            for minute in 0..1_440 {
                let deviation = if (120..150).contains(&minute) {
                    4.0
                } else {
                    0.0
                };
                let rest = season.take_off(86_400 * day + 60 * minute, 60, deviation);
                if minute == 130 {
                    left.push(rest);
                }
            }
        }
        assert_eq!(left[0], 4.0);
        assert!(
            left[3..].iter().all(|rest| (rest - 2.0).abs() < 0.1),
            "{left:?}"
        );
    }
}
