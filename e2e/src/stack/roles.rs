//! The processes of an installation.

use std::time::Duration;

use aegis::local::children::Running;
use anyhow::{Context, Result, bail};

use super::{START, Stack};
use crate::Clock;

/// How long a process may take to say whether it is ready.
const PATIENCE: Duration = Duration::from_secs(2);

impl Stack {
    /// Starts a role and waits until it is ready.
    ///
    /// # Errors
    ///
    /// When it does not get ready.
    pub async fn start_role(&mut self, role: &'static str) -> Result<()> {
        self.start_with(role, role, &[]).await
    }

    /// Starts a second process of a role under another name: one that stands by.
    ///
    /// # Errors
    ///
    /// When it does not get ready.
    pub async fn start_another(&mut self, role: &'static str, name: &'static str) -> Result<()> {
        // Two of them cannot take remote writes at one address.
        let listen = free_address()?;
        self.start_with(role, name, &[("AEGIS_INGEST__LISTEN", &listen)])
            .await
    }

    /// Starts a role with a wall clock of its own, and waits until it is ready.
    ///
    /// # Errors
    ///
    /// When it does not get ready.
    pub async fn start_role_with_clock(&mut self, role: &'static str, clock: &Clock) -> Result<()> {
        self.start_with(role, role, &clock.variables()?).await
    }

    async fn start_with(
        &mut self,
        role: &'static str,
        name: &'static str,
        variables: &[(&str, &str)],
    ) -> Result<()> {
        let (mut running, admin) = self.launch(role, name, variables)?;
        let ready = async {
            while !is_ready(&admin).await {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::select! {
            done = tokio::time::timeout(START, ready) => done.with_context(|| format!("{name} does not get ready"))?,
            how = running.died() => bail!(how),
        }
        self.roles.insert(name, running);
        self.admin.insert(name, admin);
        Ok(())
    }

    /// Starts a process with these variables; answers with where it tells of its health.
    pub(super) fn launch(
        &self,
        role: &str,
        name: &str,
        variables: &[(&str, &str)],
    ) -> Result<(Running, String)> {
        let admin = free_address()?;
        let mut command = self.tool.command(&["run", role, "--lifeline"]);
        command.args(["--admin", &admin]);
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        command.envs(variables.iter().copied());
        let running = Running::start(name, &self.place.logs(), &mut command)?;
        Ok((running, admin))
    }
}

pub(super) async fn is_ready(admin: &str) -> bool {
    // One that stands still takes the connection and never answers.
    let asking = reqwest::get(format!("http://{admin}/readyz"));
    let answer = tokio::time::timeout(PATIENCE, asking).await;
    matches!(answer, Ok(Ok(answer)) if answer.status().is_success())
}

fn free_address() -> Result<String> {
    Ok(aegis::local::ports::free()?.local_addr()?.to_string())
}
