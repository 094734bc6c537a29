//! Tests that go on for as long as somebody has time.

use std::process::Command;

use anyhow::Result;
use clap::Args;

use crate::servers::Servers;
use crate::steps::{run, step};

/// What is done, and how often.
#[derive(Debug, Args)]
pub struct Soak {
    /// Kill each of the six roles, nats-server and PostgreSQL so often.
    #[arg(long, value_name = "N")]
    kills: Option<u64>,
    /// Where moments and forgeries come from; each story of at most 20 kills a service takes the next seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Forge so many signed decisions: the executor's rules must refuse every one, and no genuine one.
    #[arg(long, value_name = "N")]
    mutants: Option<u64>,
    /// Let each process die at every step between receiving a message and acknowledging it.
    #[arg(long)]
    failpoints: bool,
    /// Keep PostgreSQL and NATS away for so many seconds, and have all other faults too.
    #[arg(long, value_name = "SECONDS")]
    faults: Option<u64>,
}

impl Soak {
    /// Does it. The last line of JSON of each part has its figures.
    ///
    /// # Errors
    ///
    /// When something was lost, done twice, not healed or let through, or the servers cannot be had.
    pub fn run(&self) -> Result<()> {
        if let Some(mutants) = self.mutants {
            self.forge(mutants)?;
        }
        if self.kills.is_some() || self.failpoints || self.faults.is_some() {
            self.harm()?;
        }
        Ok(())
    }

    fn forge(&self, mutants: u64) -> Result<()> {
        let mut test = Command::new("cargo");
        test.args(["test", "--workspace", "--test", "executor"])
            .args(["mutants::", "--", "--nocapture"])
            .current_dir(crate::root())
            .env("AEGIS_MUTANTS", mutants.to_string())
            .env("AEGIS_SEED", self.seed.to_string());
        step("mutants", || run(&mut test))
    }

    fn harm(&self) -> Result<()> {
        let servers = step("servers", Servers::obtain)?;
        let harm = |name: &str, part: Option<&str>, variables: &[(&str, String)]| {
            let mut test = Command::new("cargo");
            test.args(["test", "--workspace", "--test", name])
                .args(part)
                .args(["--", "--nocapture"])
                .current_dir(crate::root())
                .envs(servers.variables())
                .envs(variables.iter().cloned());
            step(part.unwrap_or(name), || run(&mut test))
        };
        if let Some(kills) = self.kills {
            let seed = ("AEGIS_SEED", self.seed.to_string());
            let kills = ("AEGIS_KILLS", kills.to_string());
            harm("kill_nine", Some("moments"), &[kills, seed])?;
        }
        if self.failpoints {
            let deaths = ("AEGIS_DEATHS", "4".to_owned());
            harm("kill_nine", Some("points"), &[deaths])?;
        }
        if let Some(seconds) = self.faults {
            let away = ("AEGIS_AWAY_SECONDS", seconds.to_string());
            harm("faults", None, &[away])?;
        }
        Ok(())
    }
}
