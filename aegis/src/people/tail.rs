//! `aegis tail`: what happens, as it happens.

mod feed;

use std::io::Write as _;
use std::time::Duration;

use aegis_nats::retry::Backoff;
use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use futures::StreamExt as _;
use serde_json::{Value, json};

use self::feed::{Feed, Message};
use super::output::Output;
use super::row::{cell, list, reasons, short, text, time};
use crate::session::Session;

/// How long a connection that gives nothing is believed to live. The gateway says every 15 s that it does.
const SILENCE: Duration = Duration::from_secs(60);

/// What can be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    Incident,
    Decision,
    Outcome,
    Assessment,
    Answer,
    Standing,
}

/// Follows what happens.
#[derive(Debug, Args)]
#[command(
    after_help = "Goes on until Ctrl-C, and catches up after an interruption. With -o json one object a line.\n\nExamples:\n  aegis tail\n  aegis tail --kind incident --kind decision\n  aegis tail --incident w4k5m2aq7c3x5jw2mzy4n6p8ra -o json"
)]
pub struct Tail {
    /// Only these; may be given more than once.
    #[arg(long = "kind", value_enum)]
    kinds: Vec<Kind>,
    /// Only of that incident.
    #[arg(long, value_name = "ID")]
    incident: Option<String>,
    /// What is printed.
    #[command(flatten)]
    output: Output,
}

impl Tail {
    /// Does it.
    ///
    /// # Errors
    ///
    /// When the gateway refuses, or nobody reads what is printed.
    pub async fn run(self) -> Result<()> {
        let mut session = Session::load()?;
        let path = self.path();
        let mut last: Option<String> = None;
        let mut backoff = Backoff::standard();
        // The first connection must succeed; later ones are tried until they do.
        let mut answer = session.open(&path, None).await?;
        loop {
            let mut feed = Feed::default();
            let mut chunks = answer.bytes_stream();
            while let Ok(Some(Ok(chunk))) = tokio::time::timeout(SILENCE, chunks.next()).await {
                for message in feed.take(&chunk) {
                    self.print(&message)?;
                    last = message.id.or(last);
                    backoff.reset();
                }
            }
            answer = loop {
                tokio::time::sleep(backoff.delay()).await;
                match session.open(&path, last.as_deref()).await {
                    Ok(answer) => break answer,
                    Err(error) => eprintln!("interrupted: {error:#}"),
                }
            };
        }
    }

    fn path(&self) -> String {
        let names = self.kinds.iter().filter_map(ValueEnum::to_possible_value);
        let names: Vec<String> = names.map(|name| name.get_name().to_owned()).collect();
        let kinds = (!names.is_empty()).then(|| format!("kinds={}", names.join(",")));
        let incident = self.incident.as_ref().map(|id| format!("incident={id}"));
        let query: Vec<String> = kinds.into_iter().chain(incident).collect();
        format!("/events?{}", query.join("&"))
    }

    fn print(&self, message: &Message) -> Result<()> {
        let Ok(row) = serde_json::from_str::<Value>(&message.data) else {
            return Ok(());
        };
        let line = if self.output.is_json() {
            json!({ "id": message.id, "event": message.event, "data": row }).to_string()
        } else {
            told(&message.event, &row)
        };
        writeln!(std::io::stdout(), "{line}").context("nobody reads")
    }
}

/// A row in one line: when, what, about whom, in words.
fn told(event: &str, row: &Value) -> String {
    let columns = ["at", "decided_at", "updated_at"];
    let at = columns.iter().find(|column| text(row, column).is_some());
    let at = at.map_or_else(|| "-".to_owned(), |column| time(row, column));
    let about = row.get("entity").filter(|entity| !entity.is_null());
    let about = about.map(short).unwrap_or_default();
    let (what, words) = match event {
        "incident" => (
            format!("{} {}", cell(row, "state"), cell(row, "severity")),
            cell(row, "summary"),
        ),
        "decision" => {
            let act = text(row, "description").unwrap_or("no act");
            (cell(row, "verdict"), format!("{act}: {}", reasons(row)))
        }
        "outcome" => (cell(row, "phase"), cell(row, "message")),
        "assessment" => (cell(row, "verdict"), cell(row, "action").replace('_', " ")),
        "answer" => (
            format!("{} by {}", cell(row, "answer"), cell(row, "actor")),
            cell(row, "reason"),
        ),
        "standing" => {
            let on = !list(row, "halted").is_empty();
            let (modes, freezes) = (list(row, "modes").len(), list(row, "freezes").len());
            let switch = if on {
                "kill switch on"
            } else {
                "kill switch off"
            };
            (
                switch.to_owned(),
                format!("{modes} modes, {freezes} freezes"),
            )
        }
        _ => (String::new(), row.to_string()),
    };
    let parts = [at.as_str(), event, &what, &about, &words];
    let parts = parts.iter().filter(|part| !part.is_empty());
    parts.copied().collect::<Vec<_>>().join("  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_one_line() {
        let cases = [
            (
                "incident",
                json!({ "updated_at": "T1", "state": "open", "severity": "error", "entity": "demo/shop/deployment/cart", "summary": "it crashes" }),
                "T1  incident  open error  deployment/cart  it crashes",
            ),
            (
                "decision",
                json!({ "decided_at": "T2", "verdict": "deny", "description": null, "entity": null, "reasons": [{ "text": "frozen" }] }),
                "T2  decision  deny  no act: frozen",
            ),
            (
                "outcome",
                json!({ "at": "T3", "phase": "applied", "message": "done" }),
                "T3  outcome  applied  done",
            ),
            (
                "standing",
                json!({ "at": "T5", "modes": [1, 2], "freezes": [], "halted": ["demo"] }),
                "T5  standing  kill switch on  2 modes, 0 freezes",
            ),
            ("later", json!({ "at": "T4" }), "T4  later  {\"at\":\"T4\"}"),
        ];
        for (event, row, expected) in cases {
            assert_eq!(told(event, &row), expected);
        }
    }

    #[test]
    fn what_is_followed_is_asked_of_the_gateway() {
        use clap::Parser;
        #[derive(Parser)]
        struct Line {
            #[command(flatten)]
            tail: Tail,
        }
        let path = |arguments: &[&str]| {
            let line = ["tail"].iter().chain(arguments);
            Line::parse_from(line).tail.path()
        };
        assert_eq!(path(&[]), "/events?");
        assert_eq!(
            path(&[
                "--kind",
                "incident",
                "--kind",
                "decision",
                "--incident",
                "w4k5"
            ]),
            "/events?kinds=incident,decision&incident=w4k5"
        );
    }
}
