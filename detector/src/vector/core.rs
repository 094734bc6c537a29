//! The core: a row of metrics in, how unusual it is out.

use serde::{Deserialize, Serialize};

use super::alarm::Alarm;
use super::blame::Blame;
use super::column::{Column, Pace};
use super::season::Season;
use super::tail::Tail;
use super::whole::Whole;

const PACE: Pace = Pace {
    quiet_rows: 10,
    learn_rows: 200,
    clip: 4.0,
    spread_clip: 4.0,
};
/// The slowest rate at which columns learn: with a row a minute they remember three weeks.
const RATE: f64 = 3e-5;
/// Rows before there is a score at all.
const QUIET_ROWS: u32 = 150;
/// From which score a row teaches the tails a tenth only.
const STRANGE: f64 = 3.0;
const STRANGE_WEIGHT: f64 = 0.1;
/// The largest deviation that counts for the score before the shape is known.
const CLIP: f64 = 20.0;
/// No value counts as larger than this: its square is still a number.
const LARGEST: f64 = 1e140;

/// What a row is worth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judgement {
    /// -log10 of how unusual it is: finite, not below 0. It alarms from 3 on, whatever the stream.
    pub score: f64,
    /// Whether it alarms.
    pub anomaly: bool,
}

/// A stream of rows of metrics, and all that is remembered of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Vector {
    rows: u32,
    columns: Vec<Column>,
    seasons: Vec<Season>,
    whole: Whole,
    /// Of the largest deviation: what there is to go by before the shape is known.
    peak: Tail,
    alarm: Alarm,
    blame: Blame,
    /// Time of the newest row, in seconds.
    newest: Option<i64>,
}

impl Vector {
    /// A stream of rows of so many metrics, of which nothing is known.
    #[must_use]
    pub fn new(metrics: usize) -> Self {
        Self {
            rows: 0,
            columns: vec![Column::new(None); metrics],
            seasons: vec![Season::default(); metrics],
            whole: Whole::new(metrics),
            peak: Tail::default(),
            alarm: Alarm::default(),
            blame: Blame::new(metrics),
            newest: None,
        }
    }

    /// Judges a row by all before it, then learns it. `row` has a value of each metric, in the same order
    /// every time, and NaN for a missing one; `at` is its time in seconds.
    pub fn look(&mut self, at: i64, row: &[f64]) -> Judgement {
        let step = self
            .newest
            .map_or(0, |newest| at.saturating_sub(newest).max(0));
        self.newest = Some(at);
        let columns = self.columns.iter_mut().zip(&mut self.seasons);
        for ((column, season), value) in columns.zip(row) {
            if value.is_nan() {
                column.miss();
            } else {
                let take_off = |deviation| season.take_off(at, step, deviation);
                column.look(&PACE, bounded(*value), take_off);
            }
        }
        let score = self.score();
        let judged = self.alarm.look(score, step as f64);
        self.learn(row, score);
        judged
    }

    /// The metrics that are to blame for the newest row, the most blamed first, into `blamed`.
    pub fn blame(&self, blamed: &mut Vec<usize>) {
        self.blame.order(&self.columns, blamed);
    }

    /// Bytes of memory that it takes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let slots: usize = self.seasons.iter().map(Season::heap_bytes).sum();
        let columns = size_of_val(self.columns.as_slice()) + size_of_val(self.seasons.as_slice());
        size_of::<Self>() + columns + slots + self.whole.heap_bytes() + self.blame.heap_bytes()
    }

    fn score(&mut self) -> f64 {
        let whole = self.whole.look(self.columns.iter());
        if self.rows < QUIET_ROWS {
            return 0.0;
        }
        whole.unwrap_or_else(|| self.peak.height(self.largest()))
    }

    fn largest(&self) -> f64 {
        let deviations = self.columns.iter().map(|column| column.deviation.abs());
        deviations.fold(0.0, f64::max).min(CLIP)
    }

    fn learn(&mut self, row: &[f64], score: f64) {
        let weight = if score > STRANGE { STRANGE_WEIGHT } else { 1.0 };
        self.peak.learn(self.largest(), weight);
        self.whole.learn(weight);
        self.blame.learn(&self.columns);
        for (column, value) in self.columns.iter_mut().zip(row) {
            if !value.is_nan() {
                let rate = (1.0 / (f64::from(column.rows()) + 1.0)).max(RATE);
                column.learn(&PACE, bounded(*value), rate);
            }
        }
        self.rows = self.rows.saturating_add(1);
    }
}

fn bounded(value: f64) -> f64 {
    value.clamp(-LARGEST, LARGEST)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, proptest};

    use super::{Judgement, Vector};

    /// Rows of three metrics that follow one wave, with some noise.
    fn rows(count: u32) -> impl Iterator<Item = [f64; 3]> {
        let mut state = 5_u64;
        let mut noise = move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 40) as f64 / f64::from(1_u32 << 24) - 0.5
        };
        (0..count).map(move |row| {
            let wave = (f64::from(row) / 50.0).sin();
            [wave, 3.0 * wave, -wave].map(|level| level + 0.1 * noise())
        })
    }

    fn taught(count: u32) -> Vector {
        let mut vector = Vector::new(3);
        for (at, row) in (0..).zip(rows(count)) {
            vector.look(60 * at, &row);
        }
        vector
    }

    #[test]
    fn a_broken_relation_alarms_and_is_blamed_though_its_value_is_usual() {
        let mut vector = taught(5_000);
        // The wave is at its height; the third metric, which always mirrors it, does not.
        let mut broken = [0.9, 2.7, 0.9];
        let judged: Vec<Judgement> = (5_000..5_020)
            .map(|at| vector.look(60 * at, &broken))
            .collect();
        assert!(judged.iter().any(|row| row.anomaly), "{judged:?}");
        broken[2] = 30.0;
        vector.look(60 * 5_020, &broken);
        let mut blamed = Vec::new();
        vector.blame(&mut blamed);
        assert_eq!(blamed.first(), Some(&2));
    }

    #[test]
    fn units_do_not_matter() {
        let (mut plain, mut scaled) = (Vector::new(3), Vector::new(3));
        for (at, row) in (0..).zip(rows(3_000)) {
            let other = [row[0] * 1e6 - 7e5, row[1] * 1e-3 + 2.0, row[2] * 8.0];
            let (a, b) = (plain.look(60 * at, &row), scaled.look(60 * at, &other));
            assert!(
                (a.score - b.score).abs() < 0.02 * (1.0 + a.score),
                "{a:?} {b:?}"
            );
        }
    }

    #[test]
    fn one_from_a_snapshot_goes_on_as_if_nothing_had_happened() {
        let mut vector = taught(2_103);
        let bytes = rmp_serde::to_vec_named(&vector).expect("a state can be written");
        let mut restored: Vector = rmp_serde::from_slice(&bytes).expect("and read again");
        for (at, row) in (2_103..).zip(rows(500)) {
            let (here, there) = (vector.look(60 * at, &row), restored.look(60 * at, &row));
            assert_eq!(here.score.to_bits(), there.score.to_bits());
            assert_eq!(here.anomaly, there.anomaly);
        }
        assert_eq!(vector, restored);
    }

    proptest! {
        #[test]
        fn scores_are_finite_whatever_comes(
            rows in prop::collection::vec((any::<i64>(), prop::array::uniform2(any::<f64>())), 1..400),
        ) {
            let mut vector = Vector::new(2);
            for (at, row) in rows {
                let judged = vector.look(at, &row);
                assert!(judged.score.is_finite() && judged.score >= 0.0, "{judged:?}");
            }
        }
    }
}
