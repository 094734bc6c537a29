//! Standing orders: how much Aegis may do by itself, and where it may do nothing for a while.

use aegis_schemas::{ActionKind, Cluster, Mode, Namespace, Scope, Timestamp};
use anyhow::{Context, Result};
use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

use super::output::report;
use crate::session::Session;

/// Where an order holds.
#[derive(Debug, Args)]
pub(super) struct Place {
    /// In that cluster.
    #[arg(long, default_value = "demo")]
    cluster: Cluster,
    /// Only in that namespace.
    #[arg(long)]
    namespace: Option<Namespace>,
    /// Only for that action: `restart_pod`, `rollout_restart`, `scale`, `rollback`.
    #[arg(long)]
    action: Option<ActionKind>,
}

impl Place {
    fn scope(self) -> Scope {
        Scope {
            cluster: self.cluster,
            namespace: self.namespace,
            action: self.action,
        }
    }
}

/// Says how much Aegis may do by itself, and where.
#[derive(Debug, Args)]
#[command(
    after_help = "The narrowest scope holds. Takes the role admin.\n\nExamples:\n  aegis mode observe --reason 'incident review'\n  aegis mode act --namespace shop --action restart_pod\n  aegis mode ask --cluster production --namespace payments"
)]
pub struct SetMode {
    /// `observe` (say what it would do), `ask` (a person must say yes) or `act`.
    #[arg(value_parser = parse_mode)]
    mode: Mode,
    /// Where.
    #[command(flatten)]
    place: Place,
    /// Why.
    #[arg(long, default_value = "")]
    reason: String,
}

/// Lets nothing be done for a while.
#[derive(Debug, Args)]
#[command(
    after_help = "Undoing what was done before stays allowed.\n\nExamples:\n  aegis freeze --for 2h --reason 'release'\n  aegis freeze --until 2026-12-24T18:00:00Z --namespace shop --reason 'sale'"
)]
pub struct Freeze {
    /// For how long, such as `2h` or `30m`.
    #[arg(long = "for", value_name = "DURATION", value_parser = duration, conflicts_with = "until")]
    length: Option<std::time::Duration>,
    /// Until when, RFC 3339.
    #[arg(long, value_name = "TIME", required_unless_present = "length")]
    until: Option<Timestamp>,
    /// Where.
    #[command(flatten)]
    place: Place,
    /// Why.
    #[arg(long, default_value = "")]
    reason: String,
}

/// Ends a freeze before its time.
#[derive(Debug, Args)]
#[command(
    after_help = "The scope must be that of the freeze.\n\nExample:\n  aegis unfreeze --namespace shop --reason 'the sale is over'"
)]
pub struct Unfreeze {
    /// Where.
    #[command(flatten)]
    place: Place,
    /// Why.
    #[arg(long, default_value = "")]
    reason: String,
}

/// Reads a mode.
///
/// # Errors
///
/// When it is none.
pub fn parse_mode(text: &str) -> Result<Mode, String> {
    let modes = [Mode::Observe, Mode::Ask, Mode::Act];
    modes
        .into_iter()
        .find(|mode| mode.as_str() == text)
        .ok_or_else(|| format!("`{text}` is not a mode: observe, ask, act"))
}

fn duration(text: &str) -> Result<std::time::Duration, String> {
    let signed: Result<jiff::SignedDuration, _> = text.parse();
    let length = signed.ok().and_then(|length| length.try_into().ok());
    length.ok_or_else(|| format!("`{text}` is not a duration such as `2h` or `30m`"))
}

impl SetMode {
    /// Does it.
    ///
    /// # Errors
    ///
    /// When the gateway or policy refuses.
    pub async fn run(self) -> Result<()> {
        let body = json!({"scope": self.place.scope(), "mode": self.mode, "reason": self.reason});
        order(Method::POST, "/modes", &body).await
    }
}

impl Freeze {
    /// Does it.
    ///
    /// # Errors
    ///
    /// When the gateway or policy refuses.
    pub async fn run(self) -> Result<()> {
        let until = match (self.until, self.length) {
            (Some(until), _) => until,
            (None, length) => now()? + length.unwrap_or_default(),
        };
        let body = json!({"scope": self.place.scope(), "until": until, "reason": self.reason});
        order(Method::POST, "/freezes", &body).await
    }
}

impl Unfreeze {
    /// Does it.
    ///
    /// # Errors
    ///
    /// When the gateway or policy refuses.
    pub async fn run(self) -> Result<()> {
        let body = json!({"scope": self.place.scope(), "reason": self.reason});
        order(Method::DELETE, "/freezes", &body).await
    }
}

async fn order(method: Method, path: &str, body: &Value) -> Result<()> {
    let mut session = Session::load()?;
    let path = format!("{path}?wait=10");
    let answered = session.ask(method, &path, Some(body)).await?;
    report(&answered)
}

fn now() -> Result<Timestamp> {
    let nanos = i64::try_from(jiff::Timestamp::now().as_nanosecond());
    Ok(Timestamp::from_nanos(
        nanos.context("the clock is far off")?,
    ))
}
