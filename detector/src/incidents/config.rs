//! Thresholds and durations of the incident core. They take effect at an `activate` event, so that
//! every holder and every replay switches at the same message.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A configuration that is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(String);

/// From which size a deviation matters to anybody; what is merely unusual opens no incident.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Materiality {
    /// CPU use as a share of the limit.
    pub cpu_utilisation: f64,
    /// Memory as a share of the limit.
    pub memory_utilisation: f64,
    /// What a pod wrote as a share of its node's disk.
    pub disk_utilisation: f64,
    /// Connections in use as a share of those that a pool may have.
    pub pool_utilisation: f64,
    /// Share of packets that are dropped.
    pub packet_loss: f64,
    /// Share of answers that are errors.
    pub error_ratio: f64,
    /// Latency as a multiple of what is usual.
    pub latency_factor: f64,
    /// Latency above what is usual, seconds.
    pub latency_seconds: f64,
    /// Requests as a multiple of what is usual; a drop matters from one divided by it.
    pub load_factor: f64,
    /// Errors in the log, lines a second.
    pub log_errors: f64,
    /// The same as a multiple of what is usual, which grows with the requests.
    pub log_factor: f64,
    /// Robust standard deviations from what is usual.
    pub deviation: f64,
}

impl Default for Materiality {
    fn default() -> Self {
        Self {
            cpu_utilisation: 0.8,
            memory_utilisation: 0.85,
            disk_utilisation: 0.5,
            pool_utilisation: 0.95,
            packet_loss: 0.01,
            error_ratio: 0.03,
            latency_factor: 2.0,
            latency_seconds: 0.05,
            load_factor: 1.6,
            log_errors: 0.5,
            log_factor: 5.0,
            deviation: 3.0,
        }
    }
}

impl Materiality {
    /// The same with what those who call get mattering from so many times the size only.
    pub(super) fn of_answers_times(&self, factor: f64) -> Self {
        Self {
            error_ratio: self.error_ratio * factor,
            latency_factor: 1.0 + (self.latency_factor - 1.0) * factor,
            latency_seconds: self.latency_seconds * factor,
            deviation: self.deviation * factor,
            ..*self
        }
    }
}

/// The incident core's configuration. Durations are in seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// From which size a deviation matters.
    pub materiality: Materiality,
    /// How long a pod may be unready before it counts, once it was ready or past its start.
    pub not_ready_grace_s: u64,
    /// How many restarts within `restart_window_s` make a crash loop.
    pub crash_loop_restarts: usize,
    /// The window for restarts.
    pub restart_window_s: u64,
    /// How long a change is a suspect.
    pub change_window_s: u64,
    /// How long symptoms that a sick dependency would explain wait for that dependency to show.
    pub open_after_s: u64,
    /// How long an incident must be quiet before it is resolved.
    pub resolve_after_s: u64,
    /// How often an open incident is said again.
    pub restate_s: u64,
    /// How long a revision must have been fully ready to count as healthy.
    pub healthy_after_s: u64,
    /// How long the target must be ready for an act to be verified.
    pub ready_for_s: u64,
    /// How long the target must be without symptoms for an act to be verified.
    pub silent_for_s: u64,
    /// How long a neighbour must be worse for an act to have regressed.
    pub sideways_for_s: u64,
    /// By when an act must be verified, the rollout included.
    pub assess_within_s: u64,
    /// CPU utilisation that scaling out aims at.
    pub scale_target_utilisation: f64,
    /// The largest number of replicas that is recommended, as a multiple of the present one.
    pub scale_max_factor: f64,
    /// The largest number of replicas that is ever recommended.
    pub scale_max_replicas: i32,
    /// How long a source may be silent before object states stop being evidence.
    pub source_silent_s: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            materiality: Materiality::default(),
            not_ready_grace_s: 60,
            crash_loop_restarts: 3,
            restart_window_s: 600,
            change_window_s: 1800,
            open_after_s: 10,
            resolve_after_s: 60,
            restate_s: 30,
            healthy_after_s: 600,
            ready_for_s: 60,
            silent_for_s: 120,
            sideways_for_s: 120,
            assess_within_s: 420,
            scale_target_utilisation: 0.6,
            scale_max_factor: 2.5,
            scale_max_replicas: 100,
            source_silent_s: 60,
        }
    }
}

impl Config {
    /// Reads TOML; what is not said keeps its default.
    ///
    /// # Errors
    ///
    /// When the text is not TOML, names an unknown key, or a value makes no sense.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let config: Self = toml::from_str(text).map_err(|error| Invalid(error.to_string()))?;
        let positive = [
            ("scale_target_utilisation", config.scale_target_utilisation),
            (
                "materiality.load_factor",
                config.materiality.load_factor - 1.0,
            ),
            ("scale_max_factor", config.scale_max_factor - 1.0),
        ];
        match positive.iter().find(|(_, value)| *value <= 0.0) {
            Some((name, _)) => Err(Invalid(format!("`{name}` is too small"))),
            None => Ok(config),
        }
    }
}

/// Whole seconds as a duration.
pub(super) const fn seconds(s: u64) -> Duration {
    Duration::from_secs(s)
}
