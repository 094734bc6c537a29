//! `aegis mode`: how much Aegis may do by itself, and where.

use aegis_schemas::{ActionKind, Cluster, Mode, Namespace, Scope};
use anyhow::Result;
use clap::Args;
use reqwest::Method;
use serde_json::json;

use crate::people::report;
use crate::session::Session;

/// Says how much Aegis may do by itself, and where.
#[derive(Debug, Args)]
#[command(
    after_help = "The narrowest scope holds. Takes the role admin.\n\nExamples:\n  aegis mode observe --reason 'incident review'\n  aegis mode act --namespace shop --action restart_pod\n  aegis mode ask --cluster production --namespace payments"
)]
pub struct SetMode {
    /// `observe` (say what it would do), `ask` (a person must say yes) or `act`.
    #[arg(value_parser = parse)]
    mode: Mode,
    /// In that cluster.
    #[arg(long, default_value = "demo")]
    cluster: Cluster,
    /// Only in that namespace.
    #[arg(long)]
    namespace: Option<Namespace>,
    /// Only for that action: `restart_pod`, `rollout_restart`, `scale`, `rollback`.
    #[arg(long)]
    action: Option<ActionKind>,
    /// Why.
    #[arg(long, default_value = "")]
    reason: String,
}

/// Reads a mode.
///
/// # Errors
///
/// When it is none.
pub fn parse(text: &str) -> Result<Mode, String> {
    let modes = [Mode::Observe, Mode::Ask, Mode::Act];
    modes
        .into_iter()
        .find(|mode| mode.as_str() == text)
        .ok_or_else(|| format!("`{text}` is not a mode: observe, ask, act"))
}

impl SetMode {
    /// Does it.
    ///
    /// # Errors
    ///
    /// When the gateway or policy refuses.
    pub async fn run(self) -> Result<()> {
        let mut session = Session::load()?;
        let scope = Scope {
            cluster: self.cluster,
            namespace: self.namespace,
            action: self.action,
        };
        let body = json!({"scope": scope, "mode": self.mode, "reason": self.reason});
        let answered = session
            .ask(Method::POST, "/modes?wait=10", Some(&body))
            .await?;
        report(&answered)
    }
}
