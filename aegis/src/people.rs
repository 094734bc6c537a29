//! What a person does from a terminal through the gateway: sign in, look, approve, stop.

use std::io::{BufRead, IsTerminal, Write};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use crate::exit::Ended;
use crate::session::Session;

/// Signs in.
#[derive(Debug, Args)]
#[command(
    after_help = "The password is read from the terminal, or from standard input.\n\nExamples:\n  aegis login --url http://127.0.0.1:3000 --name ann\n  aegis login --name ann < password.txt"
)]
pub struct Login {
    /// The gateway's URL.
    #[arg(long, env = "AEGIS_URL", default_value = "http://127.0.0.1:3000")]
    url: String,
    /// The user's name.
    #[arg(long)]
    name: String,
}

/// What is printed.
#[derive(Debug, Args)]
pub struct Output {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Incidents.
#[derive(Debug, Subcommand)]
pub enum Incidents {
    /// List incidents, the newest first.
    #[command(
        after_help = "Examples:\n  aegis incidents ls\n  aegis incidents ls --state open --json"
    )]
    Ls {
        /// Only those that are `open` or `resolved`.
        #[arg(long)]
        state: Option<String>,
        /// What is printed.
        #[command(flatten)]
        output: Output,
    },
    /// Show one incident with its causes, decisions and acts.
    #[command(after_help = "Example:\n  aegis incidents show w4k5m2aq7c3x5jw2mzy4n6p8ra")]
    Show {
        /// The incident's id.
        id: String,
    },
}

/// What waits for a yes.
#[derive(Debug, Subcommand)]
pub enum Approvals {
    /// List what waits for an answer.
    #[command(after_help = "Examples:\n  aegis approvals ls\n  aegis approvals ls --all --json")]
    Ls {
        /// Also those that were answered or have expired.
        #[arg(long)]
        all: bool,
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
        after_help = "Example:\n  aegis approvals reject 3f1c --reason 'maintenance in progress'"
    )]
    Reject {
        /// The proposal's digest, or the beginning of it.
        digest: String,
        /// Why, for the record.
        #[arg(long)]
        reason: String,
    },
}

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

/// `aegis login`.
///
/// # Errors
///
/// When the gateway refuses.
pub async fn login(login: &Login) -> Result<()> {
    let password = password(&format!("password of {}: ", login.name))?;
    let session = Session::sign_in(&login.url, &login.name, &password).await?;
    eprintln!("signed in as {} at {}", session.name, session.url);
    Ok(())
}

/// `aegis logout`.
///
/// # Errors
///
/// When nobody is signed in.
pub async fn logout() -> Result<()> {
    Session::load()?.sign_out().await?;
    eprintln!("signed out");
    Ok(())
}

/// `aegis incidents`.
///
/// # Errors
///
/// When the gateway refuses.
pub async fn incidents(command: &Incidents) -> Result<()> {
    let mut session = Session::load()?;
    match command {
        Incidents::Ls { state, output } => {
            let filter = state
                .as_ref()
                .map_or_else(String::new, |state| format!("?state={state}"));
            let rows = session
                .ask(Method::GET, &format!("/incidents{filter}"), None)
                .await?;
            let columns = [
                "incident",
                "state",
                "severity",
                "kind",
                "entity",
                "opened_at",
            ];
            print(
                &rows,
                output,
                &columns,
                "no incidents: nothing is wrong that Aegis can see",
            )
        }
        Incidents::Show { id } => {
            let found = session
                .ask(Method::GET, &format!("/incidents/{id}"), None)
                .await?;
            println!("{}", serde_json::to_string_pretty(&found)?);
            Ok(())
        }
    }
}

/// `aegis approvals`.
///
/// # Errors
///
/// When the gateway or policy refuses.
pub async fn approvals(command: &Approvals) -> Result<()> {
    let mut session = Session::load()?;
    match command {
        Approvals::Ls { all, output } => {
            let filter = if *all { "" } else { "?state=open" };
            let rows = session
                .ask(Method::GET, &format!("/approvals{filter}"), None)
                .await?;
            let columns = ["proposal", "state", "description", "entity", "expires_at"];
            print(&rows, output, &columns, "nothing waits for approval")
        }
        Approvals::Approve { digest, reason, .. } => {
            let digest = proposal(&mut session, digest.as_deref()).await?;
            answer(&mut session, &digest, "approve", reason).await
        }
        Approvals::Reject { digest, reason } => {
            let digest = proposal(&mut session, Some(digest)).await?;
            answer(&mut session, &digest, "reject", reason).await
        }
    }
}

/// `aegis kill-switch`.
///
/// # Errors
///
/// When the gateway refuses.
pub async fn kill_switch(switch: &KillSwitch) -> Result<()> {
    let mut session = Session::load()?;
    let method = if switch.off {
        Method::DELETE
    } else {
        Method::POST
    };
    let body = json!({"reason": switch.reason});
    session.ask(method, "/kill-switch", Some(&body)).await?;
    eprintln!(
        "{}",
        if switch.off {
            "Aegis may act again"
        } else {
            "all acts are stopped"
        }
    );
    Ok(())
}

/// `aegis undo`.
///
/// # Errors
///
/// When the gateway or policy refuses.
pub async fn undo(undo: &Undo) -> Result<()> {
    let mut session = Session::load()?;
    let path = format!("/decisions/{}/undo?wait=10", undo.decision);
    let body = json!({"reason": undo.reason});
    let answered = session.ask(Method::POST, &path, Some(&body)).await?;
    report(&answered)
}

/// The whole digest of the open proposal that begins with `begin`, or of the only one.
async fn proposal(session: &mut Session, begin: Option<&str>) -> Result<String> {
    let rows = session
        .ask(Method::GET, "/approvals?state=open", None)
        .await?;
    let open: Vec<&str> = rows
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|row| row.get("proposal")?.as_str())
        .filter(|digest| begin.is_none_or(|begin| digest.starts_with(begin)))
        .collect();
    match (open.as_slice(), begin) {
        ([only], _) => Ok((*only).to_owned()),
        ([], Some(begin)) => {
            let said = format!("no open proposal begins with `{begin}`; see `aegis approvals ls`");
            Err(Ended::NotFound(said).into())
        }
        ([], None) => Err(Ended::NotFound("nothing waits for approval".to_owned()).into()),
        _ => bail!(
            "{} proposals fit; name one of them: {}",
            open.len(),
            open.join(", ")
        ),
    }
}

async fn answer(session: &mut Session, digest: &str, what: &str, reason: &str) -> Result<()> {
    let path = format!("/approvals/{digest}/{what}?wait=10");
    let body = json!({"reason": reason});
    let answered = session.ask(Method::POST, &path, Some(&body)).await?;
    report(&answered)
}

/// Says what policy made of a command; a denial is a failure for scripts.
pub(crate) fn report(answered: &Value) -> Result<()> {
    let Some(decision) = answered.get("decision") else {
        eprintln!("the command is on the log; policy has not answered yet");
        return Ok(());
    };
    let verdict = decision
        .get("verdict")
        .and_then(Value::as_str)
        .unwrap_or("?");
    println!("{verdict}");
    for reason in decision["reasons"].as_array().into_iter().flatten() {
        let text = |name: &str| reason.get(name).and_then(Value::as_str).unwrap_or("");
        println!("  {}: {}", text("policy"), text("text"));
    }
    if verdict == "deny" {
        return Err(Ended::Denied("policy denied it".to_owned()).into());
    }
    Ok(())
}

fn print(rows: &Value, output: &Output, columns: &[&str], nothing: &str) -> Result<()> {
    if output.json {
        println!("{}", serde_json::to_string_pretty(rows)?);
        return Ok(());
    }
    let rows = rows.as_array().cloned().unwrap_or_default();
    if rows.is_empty() {
        eprintln!("{nothing}");
        return Ok(());
    }
    let cell = |row: &Value, column: &str| match row.get(column) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => "-".to_owned(),
        Some(other) => other.to_string(),
    };
    let widths: Vec<usize> = columns
        .iter()
        .map(|column| {
            let cells = rows.iter().map(|row| cell(row, column).chars().count());
            cells.max().unwrap_or(0).max(column.len())
        })
        .collect();
    let line = |cells: Vec<String>| {
        let padded: Vec<String> = cells
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        println!("{}", padded.join("  ").trim_end());
    };
    line(columns.iter().map(|column| column.to_uppercase()).collect());
    for row in &rows {
        line(columns.iter().map(|column| cell(row, column)).collect());
    }
    Ok(())
}

/// Reads a secret from the terminal without showing it, or the first line of standard input.
///
/// # Errors
///
/// When there is nothing to read.
pub fn password(prompt: &str) -> Result<String> {
    let terminal = std::io::stdin().is_terminal();
    let echo = |on: bool| {
        // Best effort: without `stty` the password is seen, not lost.
        let _ = Command::new("stty")
            .arg(if on { "echo" } else { "-echo" })
            .status();
    };
    if terminal {
        eprint!("{prompt}");
        std::io::stderr().flush()?;
        echo(false);
    }
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    if terminal {
        echo(true);
        eprintln!();
    }
    read.context("cannot read the password")?;
    let password = line.trim_end_matches(['\r', '\n']).to_owned();
    if password.is_empty() {
        bail!("no password was given");
    }
    Ok(password)
}
