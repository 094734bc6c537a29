//! How the scorer scores.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A configuration that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(String);

/// How the scorer scores.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Time constant by which rates, ratios and quantiles are smoothed.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub window: Duration,
    /// Time constant by which baselines follow.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub baseline: Duration,
    /// Rows of a feature before it can open an episode; an hour of history at 15 s has 240.
    pub warm_up_rows: u32,
    /// The score, -log10 of how unusual a row is, from which it is unusual.
    pub threshold: f64,
    /// Robust standard deviations that at least one feature must be off for a row to be unusual.
    pub min_deviation: f64,
    /// How many of the last `persist_rows` + 1 rows must be unusual for an episode to open.
    pub persist_rows: u32,
    /// How many calm rows close an episode.
    pub calm_rows: u32,
    /// How long calm closes an episode, if its rows are too few for `calm_rows`.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub calm_for: Duration,
    /// How long an entity with an open episode may send nothing before the episode is closed.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub silent_after: Duration,
    /// How often an open episode is said again.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub restate_every: Duration,
    /// How long an open episode teaches the baselines nothing; what lasts longer becomes usual.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub freeze_for: Duration,
    /// How far ahead of the log a sample may be; what is further is dropped.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub max_future: Duration,
    /// How many workloads are remembered; the one unheard for longest makes room.
    pub max_entities: usize,
    /// How many pods of a workload are remembered; the one unheard for longest makes room.
    pub max_pods: usize,
    /// How many series of a pod are read; further ones are passed over.
    pub max_series_per_pod: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(4),
            baseline: Duration::from_secs(1800),
            warm_up_rows: 120,
            threshold: 5.0,
            min_deviation: 6.0,
            persist_rows: 3,
            calm_rows: 30,
            calm_for: Duration::from_secs(120),
            silent_after: Duration::from_secs(90),
            restate_every: Duration::from_secs(15),
            freeze_for: Duration::from_secs(1800),
            max_future: Duration::from_secs(60),
            max_entities: 5_000,
            max_pods: 64,
            max_series_per_pod: 256,
        }
    }
}

impl Config {
    /// Whether it makes sense.
    ///
    /// # Errors
    ///
    /// Names the first field that does not.
    pub fn validate(&self) -> Result<(), Invalid> {
        let second = Duration::from_secs(1);
        let checks = [
            (self.window >= second, "`window` must be at least 1 s"),
            (
                self.baseline >= self.window * 10,
                "`baseline` must be at least ten times `window`",
            ),
            (
                self.warm_up_rows >= 20,
                "`warm_up_rows` must be at least 20",
            ),
            (
                self.threshold > 2.0 && self.threshold <= 15.0,
                "`threshold` must be above 2 and at most 15",
            ),
            (
                self.min_deviation >= 3.0 && self.min_deviation <= 20.0,
                "`min_deviation` must be from 3 to 20",
            ),
            (
                (1..=30).contains(&self.persist_rows),
                "`persist_rows` must be from 1 to 30",
            ),
            (self.calm_rows >= 1, "`calm_rows` must be at least 1"),
            (self.calm_for >= second, "`calm_for` must be at least 1 s"),
            (
                self.silent_after >= second,
                "`silent_after` must be at least 1 s",
            ),
            (
                self.restate_every >= second,
                "`restate_every` must be at least 1 s",
            ),
            (
                self.max_entities >= 1 && self.max_pods >= 1 && self.max_series_per_pod >= 16,
                "`max_entities` and `max_pods` must be at least 1, `max_series_per_pod` at least 16",
            ),
        ];
        match checks.into_iter().find(|(holds, _)| !holds) {
            Some((_, mistake)) => Err(Invalid(mistake.to_owned())),
            None => Ok(()),
        }
    }
}
