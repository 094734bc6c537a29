//! All that is remembered of one workload, and what one more row of it means.

use std::time::Duration;

use aegis_schemas::{AnomalyPhase, Blame, EpisodeId, Timestamp};
use serde::{Deserialize, Serialize};

use super::aside::is_aside;
use super::blame::{blame, foretold};
use super::config::Config;
use super::episode::{Open, Row, Watch};
use super::features::{Prepared, Reader};
use super::logs::LEVELS;
use super::metric::Metric;
use super::supplies::Supplies;
use crate::vector::tail::Tail;
use crate::vector::whole::Whole;

/// The most features of a workload beside the lines of its log: what bounds its memory.
const MAX_FEATURES: usize = 24;
/// The same with those, by level.
const MAX_WITH_LOG: usize = MAX_FEATURES + LEVELS.len();
/// No gap between two rows weighs more than this in baselines.
const MAX_STEP: Duration = Duration::from_secs(60);
/// Rows before and after a longer gap have nothing to do with each other.
const MAX_GAP: Duration = Duration::from_secs(300);
/// Rows of a feature before it counts for the score: until then its scale is a guess.
const SETTLED_ROWS: u32 = 60;
/// From which part of the threshold a row counts as strange.
const STRANGE: f64 = 0.6;
/// No larger deviation is taught as usual: a slow ramp must not move the tail along with it.
const PEAK_TAUGHT: f64 = 4.0;
/// The largest deviation that counts for the score.
const CLIP: f64 = 60.0;
/// No row is said to be more unusual than this.
const MOST: f64 = 20.0;

/// One workload.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Track {
    /// Stream time of its last batch.
    pub(super) heard: Timestamp,
    pub(super) reader: Reader,
    /// Its newest row told of logs or certificates alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_alone: bool,
    metrics: Vec<Metric>,
    whole: Whole,
    /// Of the largest deviation.
    peak: Tail,
    #[serde(default)]
    supplies: Supplies,
    watch: Watch,
    /// Rows at which something was to run out.
    #[serde(default)]
    rising: Watch,
    pub(super) open: Option<Open>,
}

/// Something to say of the workload's episode.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Saying {
    pub(super) episode: EpisodeId,
    pub(super) phase: AnomalyPhase,
    pub(super) since: Timestamp,
    pub(super) newest: Timestamp,
    pub(super) score: f64,
    pub(super) blame: Vec<Blame>,
}

impl Track {
    /// Whether a row is only noted, for the next to see: it tells of logs or certificates alone, and other rows
    /// were read of late. Where nothing else is told, it is a row of its own.
    pub(super) fn waits(&self, series: &[Prepared<'_>], (row, at): (usize, Timestamp)) -> bool {
        let newest = self.reader.newest.filter(|_| !self.is_alone);
        newest.is_some_and(|newest| at.since(newest) <= MAX_GAP) && is_aside(series, row)
    }

    /// Notes such a row; whether it is no older than what was told before.
    pub(super) fn note(
        &mut self,
        config: &Config,
        series: &[Prepared<'_>],
        (row, at): (usize, Timestamp),
    ) -> bool {
        self.supplies.note((row, at), series);
        self.reader.note(config, series, (row, at))
    }

    /// Whether as many certificates are remembered as may be.
    pub(super) fn is_full(&self) -> bool {
        self.supplies.is_full()
    }

    /// Takes a row in; the caller has checked that `at` is newer than the last.
    pub(super) fn row(
        &mut self,
        config: &Config,
        series: &[Prepared<'_>],
        (row, at): (usize, Timestamp),
        is_history: bool,
        id: impl FnOnce() -> EpisodeId,
    ) -> Option<Saying> {
        let gap = self
            .reader
            .newest
            .map_or(Duration::ZERO, |newest| at.since(newest));
        if gap > MAX_GAP {
            self.watch.clear();
        }
        self.is_alone = is_aside(series, row);
        self.reader.read(config, series, row, at);
        self.look();
        self.supplies.look((row, at), series, &self.metrics);
        let peak = self.peak();
        let score = self.score(config, peak);
        let unusual = self.open.as_ref().filter(|open| !open.is_guess);
        let is_frozen = unusual.map(|open| at.since(open.since) < config.freeze_for);
        if is_frozen != Some(true) {
            // What may be the beginning of an episode teaches little, in the metrics as in the tails.
            let strange = is_frozen.is_none() && score >= STRANGE * config.threshold;
            let weight = if strange { 0.05 } else { 1.0 };
            let step = gap.min(MAX_STEP).as_secs_f64();
            self.learn(step, config.baseline.as_secs_f64(), weight, peak);
        }
        if is_history {
            self.watch.clear();
            return None;
        }
        self.judge(config, score, at, id)
    }

    /// Closes the episode, if one is open.
    pub(super) fn close(&mut self, score: f64) -> Option<Saying> {
        let open = self.open.take()?;
        self.watch.clear();
        Some(Saying {
            episode: open.id,
            phase: AnomalyPhase::Closed,
            since: open.since,
            newest: self.reader.newest.unwrap_or(open.since),
            score,
            blame: Vec::new(),
        })
    }

    /// The features of the newest row: name, value, and between what it is expected, `width` scales to
    /// either side.
    pub(super) fn features(
        &self,
        width: f64,
    ) -> impl Iterator<Item = (String, f64, Option<(f64, f64)>)> {
        self.metrics
            .iter()
            .filter_map(move |metric| Some((metric.full_name(), metric.level?, metric.band(width))))
    }

    fn look(&mut self) {
        let metrics = &mut self.metrics;
        let mut seen = [false; MAX_WITH_LOG];
        self.reader.features(|name, peer, level, instant| {
            let at = match metrics.iter().position(|metric| metric.is(name, peer)) {
                Some(at) => at,
                None if has_room(metrics, name) => {
                    metrics.push(Metric::new(name, peer));
                    metrics.len() - 1
                }
                None => return,
            };
            seen[at] = true;
            metrics[at].look(level, instant);
        });
        for (metric, seen) in metrics.iter_mut().zip(seen) {
            if !seen {
                metric.miss();
            }
        }
        if self.whole.metrics() != self.metrics.len() {
            // Another set of features is another shape; the single features go on.
            self.whole = Whole::new(self.metrics.len());
        }
    }

    /// The largest deviation of a feature that has settled.
    fn peak(&self) -> f64 {
        self.metrics
            .iter()
            .filter(|metric| metric.rows() >= SETTLED_ROWS)
            .map(|metric| metric.deviation().abs().min(CLIP))
            .fold(0.0, f64::max)
    }

    /// How unusual the row is, as -log10 p: by its largest deviation, and, once the shape of the
    /// workload's rows is known, by the row as a whole.
    fn score(&mut self, config: &Config, peak: f64) -> f64 {
        let whole = self
            .whole
            .look(self.metrics.iter().map(|metric| &metric.column));
        if self.peak.rows() < config.warm_up_rows {
            return 0.0;
        }
        let score = self.peak.height(peak).min(MOST);
        whole.map_or(score, |whole| {
            score.max(0.25 * score + 0.75 * whole.min(MOST))
        })
    }

    fn learn(&mut self, step: f64, memory: f64, weight: f64, peak: f64) {
        for metric in &mut self.metrics {
            metric.learn(step, memory, weight);
        }
        self.reader.templates.learn(step, memory, weight);
        if peak > 0.0 {
            self.peak.learn(peak.min(PEAK_TAUGHT), weight);
        }
        self.whole.learn(weight);
    }

    fn kind(&self, config: &Config, score: f64) -> Row {
        let is_hot = |metric: &Metric| {
            metric.rows() >= config.warm_up_rows
                && metric.deviation().abs() >= config.min_deviation
                && metric.instant * metric.deviation().signum() >= config.min_deviation
        };
        let is_off = |metric: &Metric| metric.deviation().abs() >= config.min_deviation / 2.0;
        let is_strange = score >= config.threshold && self.metrics.iter().any(is_hot);
        if is_strange {
            Row::Hot
        } else if score < config.threshold / 2.0 || !self.metrics.iter().any(is_off) {
            Row::Calm
        } else {
            Row::Warm
        }
    }

    fn judge(
        &mut self,
        config: &Config,
        score: f64,
        at: Timestamp,
        id: impl FnOnce() -> EpisodeId,
    ) -> Option<Saying> {
        let row = self.kind(config, score);
        let is_unusual = self.open.as_ref().is_some_and(|open| !open.is_guess);
        let strange_since = if is_unusual {
            None
        } else {
            self.watch.opens(config, row, at)
        };
        if strange_since.is_some() {
            self.watch.clear();
        }
        // What will run out is not waited for to be unusual: it may rise as slowly as its baseline.
        let rising = if self.supplies.run_out(at) {
            Row::Hot
        } else {
            Row::Calm
        };
        let (metrics, reader, supplies) = (&self.metrics, &self.reader, &self.supplies);
        let (phase, blame) = match (&mut self.open, strange_since) {
            (Some(open), Some(since)) => {
                // What was a guess is an episode like any other.
                (open.is_guess, open.since) = (false, since);
                (AnomalyPhase::Grew, blame(metrics, reader, supplies))
            }
            (Some(open), None) => {
                let row = if open.is_guess { rising } else { row };
                if open.is_over(config, row, at) {
                    return self.close(score);
                }
                let tell = if open.is_guess { foretold } else { blame };
                let told = || tell(metrics, reader, supplies);
                (AnomalyPhase::Grew, open.is_due(config, at, score, told)?)
            }
            (None, Some(since)) => {
                self.open = Some(Open::new(id(), since, at));
                (AnomalyPhase::Opened, blame(metrics, reader, supplies))
            }
            (None, None) => {
                let since = self.rising.opens(config, rising, at)?;
                self.rising.clear();
                self.open = Some(Open::guess(id(), since, at));
                (AnomalyPhase::Opened, foretold(metrics, reader, supplies))
            }
        };
        let open = self.open.as_mut()?;
        open.said(at, score, &blame);
        Some(Saying {
            episode: open.id,
            phase,
            since: open.since,
            newest: at,
            score,
            blame,
        })
    }
}

/// Whether there is room for another feature of that name. The lines of a log have their own, so that a
/// workload with a log is judged by as many of its peers as one without.
fn has_room(metrics: &[Metric], name: &str) -> bool {
    let is_log = |name: &str| name == "log_rate";
    let of_sort = |metric: &&Metric| is_log(metric.kind()) == is_log(name);
    let most = if is_log(name) {
        LEVELS.len()
    } else {
        MAX_FEATURES
    };
    metrics.iter().filter(of_sort).count() < most
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_log_take_no_room_of_other_features() {
        let mut metrics: Vec<Metric> = Vec::new();
        let mut fill = |name: &str| {
            let before = metrics.len();
            while has_room(&metrics, name) {
                metrics.push(Metric::new(name, None));
            }
            metrics.len() - before
        };
        assert_eq!(fill("log_rate"), LEVELS.len());
        assert_eq!(fill("call_error_ratio"), MAX_FEATURES);
        assert_eq!(fill("log_rate"), 0);
    }
}
