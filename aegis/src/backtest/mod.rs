//! `aegis backtest`: the detector on data that is recorded already, without servers.

pub mod diagnose;
mod entity;
pub(crate) mod folder;
pub mod incidents;
pub mod plot;
pub mod score;
mod table;

use anyhow::Result;
use clap::Subcommand;

/// Tries the detector on recorded data.
#[derive(Debug, Subcommand)]
pub enum Backtest {
    /// Say how unusual each row of a recorded series is, and which metrics are to blame.
    Score(score::Score),
    /// Draw a recorded series, how unusual it was, its episodes and their blame.
    Plot(plot::Plot),
    /// Name the kinds of recorded incidents and rank their causes.
    Diagnose(diagnose::Diagnose),
}

impl Backtest {
    /// Does it.
    ///
    /// # Errors
    ///
    /// When the data is missing or wrong.
    pub fn run(&self) -> Result<()> {
        match self {
            Self::Score(score) => score.run(),
            Self::Plot(plot) => plot.run(),
            Self::Diagnose(diagnose) => diagnose.run(),
        }
    }
}
