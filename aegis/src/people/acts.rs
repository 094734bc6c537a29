//! Stop all acts, and take one back.

use anyhow::Result;
use clap::Args;
use reqwest::Method;
use serde_json::json;

use super::output::report;
use crate::session::Session;

/// Stops all acts.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  aegis kill-switch --reason 'acts make it worse'\n  aegis kill-switch --off --reason 'cause found'\n\nWithout the gateway: kubectl annotate namespace aegis aegis.dev/halt=true"
)]
pub struct KillSwitch {
    /// Let Aegis act again. What was decided before stays void.
    #[arg(long)]
    off: bool,
    /// Why, for the record.
    #[arg(long, default_value = "")]
    reason: String,
}

/// Takes an act back.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  aegis undo w4k5m2aq7c3x5jw2mzy4n6p8ra --reason 'wrong service'"
)]
pub struct Undo {
    /// The decision whose act is taken back.
    decision: String,
    /// Why, for the record.
    #[arg(long, default_value = "")]
    reason: String,
}

impl KillSwitch {
    /// Does it.
    ///
    /// # Errors
    ///
    /// When the gateway refuses.
    pub async fn run(self) -> Result<()> {
        let mut session = Session::load()?;
        let method = if self.off {
            Method::DELETE
        } else {
            Method::POST
        };
        let body = json!({"reason": self.reason});
        session.ask(method, "/kill-switch", Some(&body)).await?;
        eprintln!(
            "{}",
            if self.off {
                "Aegis may act again"
            } else {
                "all acts are stopped"
            }
        );
        Ok(())
    }
}

impl Undo {
    /// Does it.
    ///
    /// # Errors
    ///
    /// When the gateway or policy refuses.
    pub async fn run(self) -> Result<()> {
        let mut session = Session::load()?;
        let path = format!("/decisions/{}/undo?wait=10", self.decision);
        let body = json!({"reason": self.reason});
        let answered = session.ask(Method::POST, &path, Some(&body)).await?;
        report(&answered)
    }
}
