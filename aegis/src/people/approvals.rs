//! What waits for a yes, and the answer.

use anyhow::{Result, bail};
use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};

use super::output::{Output, print, print_json, report};
use super::row::{cell, line, list, time};
use crate::exit::Ended;
use crate::session::Session;

/// What waits for a yes.
#[derive(Debug, Subcommand)]
pub enum Approvals {
    /// List what waits for an answer.
    #[command(after_help = "Examples:\n  aegis approvals ls\n  aegis approvals ls --all -o json")]
    Ls {
        /// Also those that were answered or have expired.
        #[arg(long)]
        all: bool,
        /// What is printed.
        #[command(flatten)]
        output: Output,
    },
    /// Show one proposal: what exactly a yes allows, why a person is asked, until when.
    #[command(after_help = "Example:\n  aegis approvals show 3f1c")]
    Show {
        /// The proposal's digest, or the beginning of it.
        digest: String,
        /// What is printed.
        #[command(flatten)]
        output: Output,
    },
    /// Say yes to one proposal. Policy looks again before it signs.
    #[command(
        after_help = "Examples:\n  aegis approvals approve 3f1c --reason 'known bad release'\n  aegis approvals approve --only"
    )]
    Approve {
        /// The proposal's digest, or the beginning of it.
        #[arg(required_unless_present = "only")]
        digest: Option<String>,
        /// The only open one.
        #[arg(long, conflicts_with = "digest")]
        only: bool,
        /// Why, for the record.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Say no to one proposal.
    #[command(
        visible_alias = "reject",
        after_help = "Example:\n  aegis approvals deny 3f1c --reason 'maintenance in progress'"
    )]
    Deny {
        /// The proposal's digest, or the beginning of it.
        digest: String,
        /// Why, for the record.
        #[arg(long)]
        reason: String,
    },
}

impl Approvals {
    /// Does it.
    ///
    /// # Errors
    ///
    /// When the gateway or policy refuses.
    pub async fn run(self) -> Result<()> {
        let mut session = Session::load()?;
        match self {
            Self::Ls { all, output } => {
                let filter = if all { "" } else { "?state=open" };
                let rows = session
                    .ask(Method::GET, &format!("/approvals{filter}"), None)
                    .await?;
                let columns = ["proposal", "state", "description", "entity", "expires_at"];
                print(&rows, &output, &columns, "nothing waits for approval")
            }
            Self::Show { digest, output } => {
                let row = proposal(&mut session, Some(&digest)).await?;
                if output.is_json() {
                    return print_json(&row);
                }
                print!("{}", told(&row));
                Ok(())
            }
            Self::Approve { digest, reason, .. } => {
                let row = proposal(&mut session, digest.as_deref()).await?;
                answer(&mut session, &row, "approve", &reason).await
            }
            Self::Deny { digest, reason } => {
                let row = proposal(&mut session, Some(&digest)).await?;
                answer(&mut session, &row, "reject", &reason).await
            }
        }
    }
}

/// The open proposal whose digest begins with `begin`, or the only one.
async fn proposal(session: &mut Session, begin: Option<&str>) -> Result<Value> {
    let rows = session
        .ask(Method::GET, "/approvals?state=open", None)
        .await?;
    let fits = |row: &&Value| {
        let digest = row.get("proposal").and_then(Value::as_str);
        digest.is_some_and(|digest| begin.is_none_or(|begin| digest.starts_with(begin)))
    };
    let open: Vec<&Value> = rows.as_array().into_iter().flatten().filter(fits).collect();
    match (open.as_slice(), begin) {
        ([only], _) => Ok((*only).clone()),
        ([], Some(begin)) => {
            let said = format!("no open proposal begins with `{begin}`; see `aegis approvals ls`");
            Err(Ended::NotFound(said).into())
        }
        ([], None) => Err(Ended::NotFound("nothing waits for approval".to_owned()).into()),
        (several, _) => {
            let digests: Vec<String> = several.iter().map(|row| cell(row, "proposal")).collect();
            bail!(
                "{} proposals fit; name one of them: {}",
                several.len(),
                digests.join(", ")
            )
        }
    }
}

async fn answer(session: &mut Session, row: &Value, what: &str, reason: &str) -> Result<()> {
    let path = format!("/approvals/{}/{what}?wait=10", cell(row, "proposal"));
    let body = json!({"reason": reason});
    let answered = session.ask(Method::POST, &path, Some(&body)).await?;
    report(&answered)
}

/// What a yes would allow.
fn told(row: &Value) -> String {
    let mut told = format!("{}, {}\n", cell(row, "description"), cell(row, "entity"));
    told += &line("incident", &cell(row, "incident"));
    told += &line("exactly", &cell(row, "parameters"));
    told += &line("of", &cell(row, "target"));
    for (place, reason) in list(row, "reasons").iter().enumerate() {
        let label = if place == 0 { "because" } else { "" };
        let said = format!("{}: {}", cell(reason, "policy"), cell(reason, "text"));
        told += &line(label, &said);
    }
    told += &line("asked", &time(row, "asked_at"));
    told += &line(
        "until",
        &format!("{}, then it is denied", time(row, "expires_at")),
    );
    let short: String = cell(row, "proposal").chars().take(12).collect();
    told += &line("answer", &format!("aegis approvals approve {short}"));
    told
}
