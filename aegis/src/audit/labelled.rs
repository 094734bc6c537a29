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
    Command, CommandBody, Entity, Event, FailureKind, FeedbackVerdict, Incident, IncidentId, Stream,
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
    after_help = "A folder per incident, as `aegis simulate incidents --as-seen` writes them. Its kind is what the incident was called\nwhen somebody called that right (`latency` counts as `dependency_latency`, kinds that are not simulated as `unknown`);\n`unknown` when somebody called it no problem; when somebody said that the cause was wrong, the kind and the entity that\ntheir reason names, such as `it was disk_pressure of cart`: a kind alone does not say whose. The last opinion counts.\nIncidents without one, or whose kind nobody named, or that had another root by then, are not written.\n\nExamples:\n  aegis audit incidents --output ./ours\n  aegis train --incidents ./seen --incidents ./ours --trees 100 --output kinds.model"
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
    /// What somebody could read of the incident then.
    about: Option<Said>,
}

/// What the record says of an incident.
#[derive(Clone, Debug, PartialEq)]
struct Said {
    kind: FailureKind,
    root: Entity,
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
            let labelled = seen.and_then(|(incident, case)| {
                let label = label(&opinion, &incident.entity, &case)?;
                Some((incident, case, label))
            });
            let Some((incident, case, (kind, root))) = labelled else {
                left_out += 1;
                continue;
            };
            Found::of_case(&incident, case)
                .write(&self.output, &id.to_string(), (kind, &root))
                .with_context(|| format!("cannot write below `{}`", self.output.display()))?;
            written += 1;
        }
        println!("{written} incidents below {}", self.output.display());
        if left_out > 0 {
            println!(
                "{left_out} left out: the opinion does not name what was wrong, the root was another by then, or it is no longer on record"
            );
        }
        Ok(())
    }
}

/// What is known of the incidents that somebody has an opinion on.
#[derive(Debug, Default)]
struct Known {
    opinions: BTreeMap<IncidentId, Opinion>,
    seen: BTreeMap<IncidentId, (Incident, Case)>,
    /// What the record said of each last.
    said: BTreeMap<IncidentId, Said>,
    /// Something was done about these: what is seen since is that act's doing as well.
    treated: BTreeSet<IncidentId>,
}

impl Known {
    /// Takes in what is said of an incident, by Aegis or by somebody, and that something was done about one.
    fn note(&mut self, record: &Record) {
        match record.event() {
            // What stood there is what was judged. Another version of the core may call it otherwise.
            Ok(Event::Incident(incident)) => {
                let said = Said {
                    kind: incident.kind,
                    root: incident.entity,
                };
                self.said.insert(incident.incident, said);
            }
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
            about: self.said.get(&incident).cloned(),
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
                // In order, so that an opinion is of what was said before it.
                self.note(record);
                if !player.play(record)?.is_empty() {
                    self.look(&player);
                }
            }
        }
    }

    /// Looks at what is open now. An opinion may come long after, so that those to come are known already.
    fn look(&mut self, player: &Player<incidents::Core>) {
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

/// The kind to learn and the entity that is taught as its cause, if the opinion tells both of the case that was
/// seen with that root.
fn label(opinion: &Opinion, root: &Entity, case: &Case) -> Option<(&'static str, String)> {
    // Where the root was another by then, the case shows something else than what was judged.
    let said = opinion.about.as_ref().filter(|said| said.root == *root)?;
    let name = root.name.to_string();
    match opinion.verdict {
        FeedbackVerdict::Right => {
            let is_named = said.kind != FailureKind::Unknown;
            is_named.then(|| (simulated(said.kind), name))
        }
        // Who says that the cause is wrong may mean the root as well.
        FeedbackVerdict::WrongCause => {
            let kind = named(&opinion.reason)?;
            Some((kind, named_entity(&opinion.reason, kind, case)?))
        }
        FeedbackVerdict::NotAProblem => Some((UNKNOWN, name)),
        FeedbackVerdict::Withdrawn => None,
    }
}

/// What simulated incidents of that kind are called. There is one kind of slowness among them, that of whoever is
/// slow itself.
fn simulated(kind: FailureKind) -> &'static str {
    let name = match kind {
        FailureKind::Latency => FailureKind::DependencyLatency.as_str(),
        _ => kind.as_str(),
    };
    KINDS
        .into_iter()
        .find(|known| *known == name)
        .unwrap_or(UNKNOWN)
}

/// The only entity of the case that the text names beside the kind, as `cart` or `deployment/cart`.
fn named_entity(text: &str, kind: &str, case: &Case) -> Option<String> {
    let text = text.to_ascii_lowercase();
    let is_of_name =
        |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.' | '_');
    let words: BTreeSet<&str> = text
        .split(|letter: char| !is_of_name(letter))
        .map(|word| word.trim_matches(['-', '.']))
        .collect();
    let is_of_kind = |name: &str| kind.split('_').any(|word| word == name);
    let is_named = |name: &str| words.contains(name) && !is_of_kind(name);
    let mut named = case.entities.keys().filter(|name| is_named(name));
    let first = named.next()?;
    named.next().is_none().then(|| first.clone())
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

    fn entity(name: &str) -> Entity {
        format!("demo/shop/deployment/{name}")
            .parse()
            .expect("an entity")
    }

    /// What an opinion labels an incident of `cart` that `cart-db`, `web` and `disk` are near.
    fn labelled(
        verdict: FeedbackVerdict,
        about: Option<(FailureKind, &str)>,
        reason: &str,
    ) -> Option<(&'static str, String)> {
        let mut case = Case::default();
        for name in ["cart", "cart-db", "web", "disk"] {
            case.entities.insert(name.to_owned(), BTreeMap::new());
        }
        let about = about.map(|(kind, root)| Said {
            kind,
            root: entity(root),
        });
        let opinion = Opinion {
            verdict,
            reason: reason.to_owned(),
            about,
        };
        label(&opinion, &entity("cart"), &case)
    }

    #[test]
    fn an_opinion_labels_an_incident_where_it_says_what_was_wrong() {
        use FailureKind::{ImagePull, Latency, MemoryLeak, NodeNotReady, Unknown};
        use FeedbackVerdict::{NotAProblem, Right, Withdrawn};
        for (verdict, called, expected) in [
            (Right, MemoryLeak, Some("memory_leak")),
            (Right, Latency, Some("dependency_latency")),
            (Right, ImagePull, Some(UNKNOWN)),
            (Right, NodeNotReady, Some(UNKNOWN)),
            (Right, Unknown, None),
            (NotAProblem, MemoryLeak, Some(UNKNOWN)),
            (Withdrawn, MemoryLeak, None),
        ] {
            let label = labelled(verdict, Some((called, "cart")), "");
            let expected = expected.map(|kind| (kind, "cart".to_owned()));
            assert_eq!(label, expected, "{verdict:?} {called:?}");
            // Another root was judged, or nobody knows which.
            assert_eq!(labelled(verdict, Some((called, "web")), ""), None);
            assert_eq!(labelled(verdict, None, ""), None);
        }
    }

    #[test]
    fn who_says_that_the_cause_is_wrong_says_what_it_was_and_whose() {
        for (reason, expected) in [
            (
                "It was Disk pressure of cart-db!",
                Some(("disk_pressure", "cart-db")),
            ),
            (
                "see deployment/web: disk_pressure.",
                Some(("disk_pressure", "web")),
            ),
            ("error_spike of cart", Some(("error_spike", "cart"))),
            // Whose it was is not said, or not clear, or nobody who was there.
            ("it was disk_pressure", None),
            ("disk pressure", None),
            ("disk_pressure of cart or web", None),
            ("disk_pressure of search", None),
            // What it was is not said, or not clear.
            ("cart-db", None),
            ("a memory_leak of web after a bad rollout", None),
            ("unknown, in web", None),
        ] {
            let about = Some((FailureKind::MemoryLeak, "cart"));
            let label = labelled(FeedbackVerdict::WrongCause, about, reason);
            let expected = expected.map(|(kind, root)| (kind, root.to_owned()));
            assert_eq!(label, expected, "{reason}");
        }
    }
}
