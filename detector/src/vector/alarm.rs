//! Which rows alarm, and what a score is worth: the threshold that keeps a stream within its budget of
//! episodes, which is the unit of its scores.
//!
//! A tail probability of rows does not travel: rows come in bursts, so what opens an episode a week in one
//! stream opens ten a day in the next. So many thresholds watch the stream at once, each counting the
//! episodes that it would have opened; the one in force is the lowest whose count stays within the budget.
//! Scores are said in such units that it is the same number for every stream. It reads nothing but the
//! stream's own scores so far, and forgets slowly, so the order of a stream's scores hardly changes. The
//! first rows are judged by a cautious threshold.

use serde::{Deserialize, Serialize};

use super::core::Judgement;

/// The score that is said for the threshold in force: from there on, a row alarms.
const ALARM: f64 = 3.0;
/// The thresholds: the lowest, which about one row in thirty reaches, and the ratio from one to the next.
const LEVELS: usize = 32;
const LOWEST: f32 = 1.5;
const RATIO: f32 = 1.1;
/// The threshold of the first day: scores are as they come.
const CAUTIOUS: f32 = ALARM as f32;
/// Alarms with no more than so many calm rows between them are one episode.
pub const CALM_ROWS: u16 = 30;
/// Episodes that a threshold may open in a day, and in a row: where rows are few, an alarm is long. Those that
/// tell of a fault are among them.
const BUDGET: f32 = 2.5;
const ROW_BUDGET: f32 = 1.0 / 200.0;
/// Days after which what was counted weighs a third.
const MEMORY_DAYS: f32 = 14.0;
/// No gap between two rows counts as more than this part of a day.
const LONGEST_STEP: f32 = 1.0 / 24.0;

/// The thresholds' counts of one stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Alarm {
    /// Days and rows that were watched, and the episodes of each threshold; all fade.
    days: f32,
    rows: f32,
    opened: [f32; LEVELS],
    /// Rows since each threshold was last reached.
    calm: [u16; LEVELS],
    threshold: f32,
}

impl Default for Alarm {
    fn default() -> Self {
        Self {
            days: 0.0,
            rows: 0.0,
            opened: [0.0; LEVELS],
            calm: [u16::MAX; LEVELS],
            threshold: CAUTIOUS,
        }
    }
}

impl Alarm {
    /// What a row of this score is worth, `step` seconds after the row before it. Learns it afterwards.
    pub(crate) fn look(&mut self, score: f64, step: f64) -> Judgement {
        let said = score * ALARM / f64::from(self.threshold);
        let judged = Judgement {
            score: said,
            anomaly: said >= ALARM,
        };
        self.count(score as f32, step);
        judged
    }

    fn count(&mut self, score: f32, step: f64) {
        let days = (step as f32 / 86_400.0).clamp(0.0, LONGEST_STEP);
        let kept = 1.0 - days / MEMORY_DAYS;
        self.days = self.days * kept + days;
        self.rows = self.rows * kept + 1.0;
        let daily = BUDGET.min(ROW_BUDGET * self.rows / self.days.max(LONGEST_STEP));
        // One more than was seen, in one more day: a short past proves little.
        let most = daily * (self.days + 1.0);
        let mut level = LOWEST;
        let mut lowest = None;
        for (opened, calm) in self.opened.iter_mut().zip(&mut self.calm) {
            *opened *= kept;
            if score >= level {
                *opened += f32::from(u8::from(*calm > CALM_ROWS));
                *calm = 0;
            } else {
                *calm = calm.saturating_add(1);
            }
            let fits = *opened + 1.0 <= most;
            lowest = fits.then(|| lowest.unwrap_or(level));
            level *= RATIO;
        }
        if self.days >= 1.0 {
            self.threshold = lowest.unwrap_or(level);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ALARM, Alarm, BUDGET, CALM_ROWS};

    /// Episodes a day of the last 30 of 60 days, in a stream whose scores are `factor` times exponential.
    fn episodes(factor: f64) -> f32 {
        let mut alarm = Alarm::default();
        let (mut opened, mut calm, mut state) = (0.0, CALM_ROWS, 3_u64);
        for row in 0..60 * 1_440 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let uniform = ((state >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
            let judged = alarm.look(-factor * uniform.ln(), 60.0);
            assert_eq!(judged.anomaly, judged.score >= ALARM);
            let alarms = judged.anomaly;
            if alarms && calm >= CALM_ROWS && row >= 30 * 1_440 {
                opened += 1.0;
            }
            calm = if alarms { 0 } else { calm.saturating_add(1) };
        }
        opened / 30.0
    }

    #[test]
    fn the_budget_holds_for_calm_and_for_noisy_streams() {
        for factor in [0.4, 1.0, 2.0] {
            let daily = episodes(factor);
            assert!(
                (0.2 * BUDGET..1.3 * BUDGET).contains(&daily),
                "{factor}: {daily}"
            );
        }
    }
}
