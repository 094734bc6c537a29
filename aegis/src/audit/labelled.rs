//! `aegis audit incidents`: incidents on record whose end operators know, as `aegis train` reads them.
//!
//! The record holds no samples for long, and the model that a running detector asks learns from what the incident
//! core saw. So the core runs again over the record, and what it sees of an incident soon after that was
//! opened is written, with the label that an operator gave it since.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use aegis_audit_sink::Record;
use aegis_audit_sink::read::Reader;
use aegis_detector::diagnosis::{Case, UNKNOWN};
use aegis_detector::incidents;
use aegis_nats::topology::Durable;
use aegis_schemas::{
    Command, CommandBody, Event, FailureKind, FeedbackVerdict, Incident, IncidentId, Stream,
};
use aegis_simulator::labelled::KINDS;
use anyhow::{Context, Result, bail};
use clap::Args;

use crate::backtest::folder::Found;
use crate::config::Config;
use crate::replay::Player;

/// An incident is written as it was so long after it was opened, or before something was done about it, or
/// before its end: in the middle of the times at which simulated ones are looked at.
const LOOKED: Duration = Duration::from_secs(120);
/// How many messages are read at once.
const PAGE: usize = 1_000;

/// Which incidents are written, and where.
#[derive(Debug, Args)]
#[command(
    after_help = "A folder per incident, as `aegis simulate incidents --as-seen` writes them. Its kind is what the incident was called\nwhen somebody called that right; `unknown` when somebody called it no problem; when somebody said that the cause\nwas wrong, the kind that their reason names, such as `it was disk_pressure`. The last opinion counts. Incidents\nwithout one, or whose kind nobody named, are not written.\n\nExamples:\n  aegis audit incidents --output ./ours\n  aegis train --incidents ./seen --incidents ./ours --trees 100 --output kinds.model"
)]
pub struct Incidents {
    /// The folder that incidents are written to: a new or an empty one.
    #[arg(long, value_name = "FOLDER")]
    pub(super) output: PathBuf,
}

/// The last opinion on an incident.
#[derive(Clone, Debug, PartialEq)]
struct Opinion {
    verdict: FeedbackVerdict,
    reason: String,
    /// What the incident was called then.
    called: Option<FailureKind>,
}

impl Incidents {
    /// Does it.
    ///
    /// # Errors
    ///
    /// When the record cannot be read, or the folder is not empty or cannot be written.
    pub(super) async fn run(&self, reader: &Reader, config: &Config) -> Result<()> {
        let mut there = self.output.read_dir().into_iter().flatten();
        if there.next().is_some() {
            bail!(
                "`{}` is not empty: incidents whose opinion was taken back since would stay in it",
                self.output.display()
            );
        }
        let mut known = Known::default();
        for command in reader.commands().await? {
            known.note(&command);
        }
        known.play(reader, config).await?;
        let (mut written, mut left_out) = (0_usize, 0_usize);
        for (id, opinion) in known.opinions {
            let seen = known.seen.remove(&id);
            let Some(((incident, case), label)) = seen.zip(label(&opinion)) else {
                left_out += 1;
                continue;
            };
            let root = incident.entity.name.to_string();
            Found::of_case(&incident, case)
                .write(&self.output, &id.to_string(), (label, &root))
                .with_context(|| format!("cannot write below `{}`", self.output.display()))?;
            written += 1;
        }
        println!("{written} incidents below {}", self.output.display());
        if left_out > 0 {
            println!("{left_out} with an opinion that names no kind, or no longer on record");
        }
        Ok(())
    }
}

/// What is known of the incidents that somebody has an opinion on.
#[derive(Debug, Default)]
struct Known {
    opinions: BTreeMap<IncidentId, Opinion>,
    seen: BTreeMap<IncidentId, (Incident, Case)>,
    called: BTreeMap<IncidentId, FailureKind>,
    /// Something was done about these: what is seen since is that act's doing as well.
    treated: BTreeSet<IncidentId>,
}

impl Known {
    /// Takes in what somebody says of an incident, and that something was done about one.
    fn note(&mut self, record: &Record) {
        match record.event() {
            Ok(Event::Command(command)) => self.opinion(command),
            Ok(Event::Outcome(outcome)) => self.treated.extend(outcome.incident),
            _ => {}
        }
    }

    fn opinion(&mut self, command: Command) {
        let CommandBody::Feedback { incident, verdict } = command.body else {
            return;
        };
        if verdict == FeedbackVerdict::Withdrawn {
            self.opinions.remove(&incident);
            return;
        }
        let opinion = Opinion {
            verdict,
            reason: command.reason,
            called: self.called.get(&incident).copied(),
        };
        self.opinions.insert(incident, opinion);
    }

    /// Runs the incident core over the record and looks at its incidents on the way.
    async fn play(&mut self, reader: &Reader, config: &Config) -> Result<()> {
        let cluster = &config.detector.cluster;
        let core = incidents::Core::new(cluster.clone(), incidents::Config::default());
        let mut player = Player::new(core, Durable::incidents(cluster), None);
        let mut after = 0;
        loop {
            let page = reader.stream(Stream::Events, after, PAGE).await?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            after = last.seq;
            for record in &page {
                // Now that it is known what the incident is called.
                self.note(record);
                if !player.play(record)?.is_empty() {
                    self.look(&player);
                }
            }
        }
    }

    /// Looks at what is open now. An opinion may come long after, so that those to come are known already.
    fn look(&mut self, player: &Player<incidents::Core>) {
        for incident in player.core().open() {
            self.called.insert(incident.incident, incident.kind);
        }
        let is_early = |incident: &Incident| player.now().since(incident.opened) <= LOOKED;
        let is_wanted = |incident: &Incident| {
            let id = &incident.incident;
            is_early(incident) && self.opinions.contains_key(id) && !self.treated.contains(id)
        };
        if !player.core().open().any(is_wanted) {
            return;
        }
        for (incident, case) in player.core().cases() {
            if is_wanted(incident) {
                self.seen
                    .insert(incident.incident, (incident.clone(), case));
            }
        }
    }
}

/// The kind to learn, if the opinion tells one.
fn label(opinion: &Opinion) -> Option<&'static str> {
    match opinion.verdict {
        FeedbackVerdict::Right => {
            let called = opinion.called?;
            (called != FailureKind::Unknown).then_some(called.as_str())
        }
        FeedbackVerdict::WrongCause => named(&opinion.reason),
        FeedbackVerdict::NotAProblem => Some(UNKNOWN),
        FeedbackVerdict::Withdrawn => None,
    }
}

/// The only kind that the text names, as `disk_pressure` or `disk pressure`.
fn named(text: &str) -> Option<&'static str> {
    let words = |text: &str| {
        let words = text.split(|letter: char| !letter.is_ascii_alphanumeric());
        let words: Vec<String> = words
            .filter(|word| !word.is_empty())
            .map(str::to_ascii_lowercase)
            .collect();
        format!(" {} ", words.join(" "))
    };
    let text = words(text);
    let mut named = KINDS
        .into_iter()
        .filter(|kind| *kind != UNKNOWN && text.contains(&words(kind)));
    let first = named.next()?;
    named.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_opinion_labels_an_incident_where_it_says_what_was_wrong() {
        use FeedbackVerdict::{NotAProblem, Right, Withdrawn, WrongCause};
        let leak = Some(FailureKind::MemoryLeak);
        for (verdict, called, reason, expected) in [
            (Right, leak, "", Some("memory_leak")),
            (Right, Some(FailureKind::Unknown), "", None),
            (Right, None, "", None),
            (NotAProblem, leak, "", Some(UNKNOWN)),
            (
                WrongCause,
                leak,
                "It was Disk pressure!",
                Some("disk_pressure"),
            ),
            (WrongCause, leak, "see disk_pressure", Some("disk_pressure")),
            (WrongCause, leak, "a disk", None),
            (WrongCause, leak, "a memory_leak after a bad rollout", None),
            (WrongCause, leak, "unknown", None),
            (Withdrawn, leak, "", None),
        ] {
            let opinion = Opinion {
                verdict,
                reason: reason.to_owned(),
                called,
            };
            assert_eq!(label(&opinion), expected, "{opinion:?}");
        }
    }
}
