//! When an episode begins and ends: rows must stay unusual for one to open, and stay calm for it to
//! close, so that a single noisy sample neither opens one nor cuts one in two.

use std::time::Duration;

use aegis_schemas::{Blame, EpisodeId, Timestamp};
use serde::{Deserialize, Serialize};

use super::config::Config;

/// What a row is to the episode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Row {
    /// Unusual, with a feature to blame for it.
    Hot,
    /// Neither.
    Warm,
    /// Nothing is off.
    Calm,
}

/// An episode that is open.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Open {
    /// Its id: the event that opened it.
    pub(super) id: EpisodeId,
    /// Its first unusual row.
    pub(super) since: Timestamp,
    /// Nothing is unusual yet: it is only foretold that something will run out.
    #[serde(default)]
    pub(super) is_guess: bool,
    /// Its last row that was not calm.
    last_off: Timestamp,
    calm_rows: u32,
    /// When it was said last, by the samples' time, and what was said.
    said_at: Timestamp,
    said_score: f64,
    said_blame: Vec<(String, f64)>,
}

impl Open {
    /// An episode that is about to be said for the first time.
    pub(super) fn new(id: EpisodeId, since: Timestamp, at: Timestamp) -> Self {
        Self {
            id,
            since,
            is_guess: false,
            last_off: at,
            calm_rows: 0,
            said_at: at,
            said_score: 0.0,
            said_blame: Vec::new(),
        }
    }

    /// The same of one that only tells what will run out.
    pub(super) fn guess(id: EpisodeId, since: Timestamp, at: Timestamp) -> Self {
        Self {
            is_guess: true,
            ..Self::new(id, since, at)
        }
    }

    /// Takes a row in; whether the episode is over.
    pub(super) fn is_over(&mut self, config: &Config, row: Row, at: Timestamp) -> bool {
        if row != Row::Calm {
            self.calm_rows = 0;
            self.last_off = at;
            return false;
        }
        self.calm_rows += 1;
        let calm_for = at.since(self.last_off);
        self.calm_rows >= config.calm_rows || (self.calm_rows >= 3 && calm_for >= config.calm_for)
    }

    /// Whether it must be said again: its time has come, or, after a third of that, it grew.
    pub(super) fn is_due(
        &self,
        config: &Config,
        at: Timestamp,
        score: f64,
        blame: impl FnOnce() -> Vec<Blame>,
    ) -> Option<Vec<Blame>> {
        let since = at.since(self.said_at);
        if since >= config.restate_every {
            return Some(blame());
        }
        if since < (config.restate_every / 3).min(Duration::from_secs(5)) {
            return None;
        }
        let blame = blame();
        let grew = score >= self.said_score + 1.0
            || blame.iter().any(|now| {
                !self.said_blame.iter().any(|(feature, deviation)| {
                    *feature == now.feature && now.deviation.abs() <= 1.25 * deviation.abs()
                })
            });
        grew.then_some(blame)
    }

    /// Remembers what was said.
    pub(super) fn said(&mut self, at: Timestamp, score: f64, blame: &[Blame]) {
        self.said_at = at;
        self.said_score = score;
        self.said_blame = blame
            .iter()
            .map(|blame| (blame.feature.clone(), blame.deviation))
            .collect();
    }
}

/// The last few rows of a workload without an open episode.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Watch {
    /// When each of the hot ones was, and which row it was.
    hot: Vec<(u64, Timestamp)>,
    rows: u64,
}

impl Watch {
    /// Takes a row in; since when the workload is unusual, if it has been for long enough.
    pub(super) fn opens(&mut self, config: &Config, row: Row, at: Timestamp) -> Option<Timestamp> {
        self.rows += 1;
        let first = self.rows.saturating_sub(u64::from(config.persist_rows));
        self.hot.retain(|(row, _)| *row >= first);
        if row != Row::Hot {
            return None;
        }
        self.hot.push((self.rows, at));
        let enough = self.hot.len() >= config.persist_rows as usize;
        enough.then(|| self.hot.first().map_or(at, |(_, first)| *first))
    }

    /// Forgets them.
    pub(super) fn clear(&mut self) {
        self.hot.clear();
    }
}
