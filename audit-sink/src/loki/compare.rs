//! Whether Loki holds what the log holds: hour by hour, how many lines and which.

use std::fmt;

use aegis_schemas::Timestamp;
use serde::{Deserialize, Serialize};

use super::client::{Client, PAGE};
use super::follow::{next_of, read};
use super::tally::{Difference, Hours, Tally, after, hour};
use crate::Error;
use crate::read::Reader;

/// What a comparison found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether Loki holds everything that was sent, and nothing else.
    pub agrees: bool,
    /// How many entries were compared.
    pub compared: u64,
    /// How many entries of the log were not sent yet.
    pub unsent: u64,
    /// How many hours they are of.
    pub hours: usize,
    /// The hours that differ.
    pub differences: Vec<Difference>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for difference in &self.differences {
            writeln!(f, "{difference}")?;
        }
        let how = if self.agrees {
            "holds"
        } else {
            "does NOT hold"
        };
        write!(
            f,
            "Loki {how} {} entries of {} hours; {} were not sent yet",
            self.compared, self.hours, self.unsent
        )
    }
}

/// Compares what was sent to the Loki that is known as `target` with what `client` finds there, in the
/// hours since that of `since`. `log` is the log's name.
///
/// # Errors
///
/// When the database or Loki does not answer, or nothing was ever sent there.
pub async fn compare(
    reader: &Reader,
    client: &Client,
    target: &str,
    log: &str,
    since: Timestamp,
) -> Result<Report, Error> {
    let size = reader.size().await?;
    let sent = next_of(reader.pool(), target).await?.ok_or_else(|| {
        Error::Loki(format!(
            "nothing was ever sent to `{target}`: name it as `audit.loki.url` does"
        ))
    })?;
    let sent = sent.cast_unsigned().min(size);
    let expected = of_log(reader, log, sent, hour(since)).await?;
    let mut differences = Vec::new();
    for (&hour, &here) in &expected {
        let there = of_loki(client, log, sent, hour).await?;
        if here != there {
            differences.push(Difference {
                hour,
                log: here,
                loki: there,
            });
        }
    }
    Ok(Report {
        agrees: differences.is_empty(),
        compared: expected.values().map(|tally| tally.lines).sum(),
        unsent: size - sent,
        hours: expected.len(),
        differences,
    })
}

/// The hours of the entries below `sent`.
async fn of_log(reader: &Reader, log: &str, sent: u64, since: Timestamp) -> Result<Hours, Error> {
    let mut hours = Hours::new();
    let mut next = 0;
    while next < sent {
        let lines = read(reader.pool(), log, next.cast_signed()).await?;
        if lines.is_empty() {
            return Err(Error::NotFound(format!("entry {next}")));
        }
        for line in lines {
            if next < sent && line.at >= since {
                hours
                    .entry(hour(line.at))
                    .or_default()
                    .add(line.at, &line.text);
            }
            next += 1;
        }
    }
    Ok(hours)
}

/// What Loki holds of an hour, page by page. What came after `sent` is left out.
async fn of_loki(client: &Client, log: &str, sent: u64, hour: Timestamp) -> Result<Tally, Error> {
    let mut tally = Tally::default();
    let (mut from, end) = (hour, after(hour));
    // The lines of a page's last instant come again with the next one.
    let mut known: Vec<String> = Vec::new();
    loop {
        let page = client.page(log, from, end).await?;
        let last = page.last().map(|(at, _)| *at);
        let is_full = page.len() >= PAGE;
        if is_full && last == Some(from) {
            return Err(Error::Loki(format!("more than {PAGE} lines of {from}")));
        }
        let mut again = Vec::new();
        for (at, text) in page {
            let seen = at == from && known.contains(&text);
            if !seen && index(&text).is_none_or(|idx| idx < sent) {
                tally.add(at, &text);
            }
            if Some(at) == last {
                again.push(text);
            }
        }
        match last {
            Some(last) if is_full => (from, known) = (last, again),
            _ => return Ok(tally),
        }
    }
}

/// The index of the entry that a line is of, if it is one of Aegis'.
fn index(text: &str) -> Option<u64> {
    #[derive(Deserialize)]
    struct Head {
        idx: u64,
    }
    serde_json::from_str(text).ok().map(|Head { idx }| idx)
}
