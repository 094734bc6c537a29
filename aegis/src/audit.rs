//! `aegis audit`: reads and proves the audit log. Needs the database and the log's public key, and
//! nothing else: no service has to run, and none is believed.

mod labelled;

use std::path::{Path, PathBuf};

use aegis_audit_sink::checkpoint::VerifyingKey;
use aegis_audit_sink::read::{Entry, Reader};
use aegis_audit_sink::report::Report;
use aegis_audit_sink::{Error, loki, prove, rebuild, story, verify};
use aegis_schemas::{EventId, IncidentId, Timestamp};
use anyhow::{Context, Result, bail};
use clap::Subcommand;
use jiff::SignedDuration;
use serde::Serialize;

use crate::config::Config;
use crate::exit::Ended;
use crate::replay::Replay;

/// How many entries are read at once.
const PAGE: u32 = 500;

/// The audit log.
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// Recompute everything: leaves, tree, signed checkpoints. Names what was edited, deleted or inserted.
    ///
    /// With --loki, compares the copy in Loki with the record as well, hour by hour: how many lines, and
    /// whether they are the same.
    #[command(
        after_help = "Examples:\n  aegis audit verify\n  aegis audit verify --remembered checkpoint-of-last-week.txt --key log.pub\n  aegis audit verify --json\n  aegis audit verify --loki\n  aegis audit verify --loki http://loki:3100 --since 24h"
    )]
    Verify {
        /// A checkpoint that was kept elsewhere: the log must have grown from it.
        #[arg(long, value_name = "FILE")]
        remembered: Option<PathBuf>,
        /// The log's public key, kept elsewhere; without it the one beside the signing key.
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        /// Compare Loki with the record, the one at URL or else that of `audit.loki.url`.
        #[arg(long, value_name = "URL", num_args = 0..=1, default_missing_value = "")]
        loki: Option<String>,
        /// Compare only the hours since so long ago, such as 24h: Loki keeps lines for a time.
        #[arg(long, value_name = "SPAN", requires = "loki")]
        since: Option<SignedDuration>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Prove that an event is in the log: entry, path to the root, signed checkpoint.
    #[command(
        after_help = "Examples:\n  aegis audit prove w4k5m2aq7c3x5jw2mzy4n6p8ra\n  aegis audit prove w4k5m2aq7c3x5jw2mzy4n6p8ra --json > proof.json"
    )]
    Prove {
        /// The event's id.
        event: EventId,
        /// The log's public key, kept elsewhere; without it the one beside the signing key.
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Tell an incident: what was seen, causes, decisions with reasons, acts, how they were verified.
    #[command(after_help = "Example:\n  aegis audit story w4k5m2aq7c3x5jw2mzy4n6p8ra")]
    Story {
        /// The incident's id.
        incident: IncidentId,
    },
    /// Make the views that people read anew from the log.
    #[command(
        after_help = "Examples:\n  aegis audit rebuild-views --compare\n  aegis audit rebuild-views"
    )]
    RebuildViews {
        /// Change nothing; say where the kept views differ from the log.
        #[arg(long)]
        compare: bool,
    },
    /// Write the incidents that operators gave an opinion on, for `aegis train`.
    Incidents(labelled::Incidents),
    /// Run the cores again over the record and compare every byte that they said.
    Replay(Replay),
    /// Print entries as they come.
    #[command(
        after_help = "Examples:\n  aegis audit tail\n  aegis audit tail --from 0 --kind decision"
    )]
    Tail {
        /// From this index on; without it what comes from now on.
        #[arg(long)]
        from: Option<u64>,
        /// Only kinds that contain this text.
        #[arg(long, default_value = "")]
        kind: String,
    },
}

impl Audit {
    /// Makes paths absolute: loading the configuration changes the working directory.
    ///
    /// # Errors
    ///
    /// When there is no working directory.
    pub fn from_here(mut self) -> Result<Self> {
        let paths = match &mut self {
            Self::Verify {
                remembered, key, ..
            } => [remembered.as_mut(), key.as_mut()],
            Self::Prove { key, .. } => [key.as_mut(), None],
            Self::Incidents(wanted) => [Some(&mut wanted.output), None],
            _ => [None, None],
        };
        for path in paths.into_iter().flatten() {
            *path = std::path::absolute(&*path)?;
        }
        Ok(self)
    }

    /// Does it.
    ///
    /// # Errors
    ///
    /// When the log cannot be read, or does not hold.
    pub async fn run(self, config: &Config) -> Result<()> {
        let reader = Reader::connect_file(&config.audit.database_url_file)
            .await
            .context("cannot reach the audit log")?;
        match self {
            Self::Verify {
                remembered,
                key,
                loki,
                since,
                json,
            } => {
                let key = public_key(config, key.as_deref())?;
                let log = verified(&reader, &key, remembered.as_deref()).await?;
                let loki = match loki {
                    Some(url) => Some(compared(&reader, &config.audit, &url, since).await?),
                    None => None,
                };
                Verified { log, loki }.tell(json)
            }
            Self::Prove { event, key, json } => {
                let key = public_key(config, key.as_deref())?;
                let proof = prove::prove(&reader, event, &key).await.map_err(ended)?;
                if json {
                    println!("{}", serde_json::to_string_pretty(&proof)?);
                } else {
                    println!("{proof}\nthe proof holds under the key {key}");
                }
                Ok(())
            }
            Self::Story { incident } => {
                println!("{}", story::story(&reader, incident).await.map_err(ended)?);
                Ok(())
            }
            Self::RebuildViews { compare: true } => {
                let found = rebuild::compare(&reader).await?;
                for difference in &found.differences {
                    println!("{difference}");
                }
                if !found.agrees() {
                    bail!(
                        "the views differ from the log; make them anew with `aegis audit rebuild-views`"
                    );
                }
                println!("{} rows agree with {} entries", found.same, found.entries);
                Ok(())
            }
            Self::RebuildViews { compare: false } => {
                println!(
                    "views made anew from {} entries",
                    rebuild::views(&reader).await?
                );
                Ok(())
            }
            Self::Incidents(wanted) => wanted.run(&reader, config).await,
            Self::Replay(replay) => replay.run(config).await,
            Self::Tail { from, kind } => tail(&reader, from, &kind).await,
        }
    }
}

/// The file with the log's public key, beside the one that signs.
pub(crate) fn public_key_file(config: &Config) -> PathBuf {
    let mut beside = config.audit.signing_key_file.clone().into_os_string();
    beside.push(".pub");
    PathBuf::from(beside)
}

fn public_key(config: &Config, named: Option<&Path>) -> Result<VerifyingKey> {
    let file = named.map_or_else(|| public_key_file(config), Path::to_owned);
    VerifyingKey::read(&file)
        .with_context(|| format!("cannot read the log's public key `{}`", file.display()))
}

/// What a verification found.
#[derive(Serialize)]
struct Verified {
    #[serde(flatten)]
    log: Report,
    #[serde(skip_serializing_if = "Option::is_none")]
    loki: Option<loki::Report>,
}

impl Verified {
    /// Says it; what does not hold is a failure for scripts.
    fn tell(&self, json: bool) -> Result<()> {
        if json {
            println!("{}", serde_json::to_string_pretty(self)?);
        } else {
            println!("{}", self.log);
            if let Some(loki) = &self.loki {
                println!("{loki}");
            }
        }
        if !self.log.holds {
            bail!("the audit log does not hold");
        }
        if self.loki.as_ref().is_some_and(|loki| !loki.agrees) {
            bail!("Loki does not hold what the audit log holds");
        }
        Ok(())
    }
}

async fn verified(
    reader: &Reader,
    key: &VerifyingKey,
    remembered: Option<&Path>,
) -> Result<Report> {
    let note = remembered
        .map(|file| {
            std::fs::read_to_string(file)
                .with_context(|| format!("cannot read `{}`", file.display()))
        })
        .transpose()?;
    Ok(verify::verify(reader, key, note.as_deref()).await?)
}

/// The copy in the Loki at `url`, or, when that is empty, in the one that the configuration names.
async fn compared(
    reader: &Reader,
    audit: &aegis_audit_sink::Config,
    url: &str,
    since: Option<SignedDuration>,
) -> Result<loki::Report> {
    let mut named = audit.loki.clone();
    if !url.is_empty() {
        named.url = Some(url.to_owned());
    }
    let client = loki::Client::new(&named)?
        .context("no Loki is named: give its URL, or set `audit.loki.url`")?;
    // Whoever asks may see Loki under another name than the audit sink.
    let target = loki::Client::new(&audit.loki)?
        .map_or_else(|| client.target(), |configured| configured.target());
    let begin = since.map_or(Timestamp::EPOCH, |since| {
        let begin = jiff::Timestamp::now().saturating_sub(since);
        Timestamp::from_millis(begin.map_or(0, jiff::Timestamp::as_millisecond))
    });
    Ok(loki::compare(reader, &client, &target, &audit.origin, begin).await?)
}

/// What is not there has an exit code of its own.
fn ended(error: Error) -> anyhow::Error {
    match error {
        Error::NotFound(_) => Ended::NotFound(error.to_string()).into(),
        other => other.into(),
    }
}

async fn tail(reader: &Reader, from: Option<u64>, kind: &str) -> Result<()> {
    let mut next = match from {
        Some(from) => from,
        None => reader.size().await?,
    };
    loop {
        let found = reader.entries(next, PAGE).await?;
        if found.is_empty() {
            reader.wait().await?;
        }
        for Entry { idx, record } in found {
            next = idx + 1;
            let this = record.kind();
            if this.contains(kind) {
                let id = record
                    .event_id()
                    .map_or_else(|| "-".to_owned(), |id| id.to_string());
                println!("{idx:8}  {}  {this}  {id}  {}", record.time, record.subject);
            }
        }
    }
}
