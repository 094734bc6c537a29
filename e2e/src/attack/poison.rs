//! Messages that nobody can read or that stand where they may not, to every consumer that there is. Each must
//! be put aside with its reason, and whatever comes behind it must be handled as if it had not been there.

mod kinds;

use std::collections::BTreeMap;
use std::time::Duration;

use aegis_schemas::signal::Alert;
use aegis_schemas::{
    AssessmentVerdict, DeadLetter, Event, EventId, Kind, Signal, SignalBody, Stream,
};
use anyhow::{Context as _, Result};
use tokio::time::Instant;

use self::kinds::{PLACES, Place, Poison, kinds, unreadable};
use super::Finding;
use crate::broker::wire::{Message, Wire};
use crate::stack::until;
use crate::{Options, Stack, Watch};

/// How soon every one of them must be put aside.
const ASIDE_WITHIN: Duration = Duration::from_secs(60);
/// How long what comes behind may take: a whole story, and what waits for a slow machine.
const BEHIND_WITHIN: Duration = Duration::from_secs(150);

/// A message that was put somewhere.
struct Put {
    place: &'static Place,
    poison: Poison,
    seq: u64,
}

impl Put {
    /// Whether nobody can read it, which is a fault where Aegis itself writes.
    fn is_quarantined(&self) -> bool {
        self.place.stream != Stream::Intake && self.poison.kind != Some(Kind::Access.as_str())
    }
}

pub(super) async fn run() -> Result<Vec<Finding>> {
    let stack = Stack::start(Options::scenario("corrupt-pod")).await?;
    let mut watch = stack.watch().await?;
    let mut all = Vec::new();
    for place in &PLACES {
        let poison = match place.stream {
            Stream::Intake => kinds().into_iter().chain(unreadable()).collect(),
            _ => kinds(),
        };
        all.extend(put(&stack, place, poison).await?);
    }
    hand_in(&stack).await?;
    let mut findings = aside(&stack, &mut watch, &all).await?;
    findings.extend(counted(&stack, &all).await?);
    findings.extend(behind(&stack, &mut watch, &all).await?);
    stack.stop().await;
    Ok(findings)
}

async fn put(stack: &Stack, place: &'static Place, all: Vec<Poison>) -> Result<Vec<Put>> {
    let home = stack.installation();
    let mut wire = Wire::of(&home, &stack.config().bus, &place.user).await?;
    let mut done = Vec::new();
    for (number, poison) in all.into_iter().enumerate() {
        let id = EventId::of_content(place.subject, &number.to_be_bytes());
        let id = id.to_string();
        let headers = [
            ("ce-specversion", "1.0"),
            ("ce-id", id.as_str()),
            ("ce-type", poison.kind.unwrap_or(place.kind.as_str())),
            ("ce-source", "poison"),
            ("content-type", poison.content),
        ];
        let bare = poison.block.is_some_and(<[u8]>::is_empty);
        let message = Message {
            subject: place.subject,
            headers: if bare { &[] } else { &headers },
            block: poison.block.filter(|block| !block.is_empty()),
            body: &poison.body,
            ..Message::default()
        };
        let answer = wire.send_and_hear(message).await?;
        let seq = answer["seq"].as_u64();
        let seq = seq.with_context(|| format!("{} is not stored: {answer}", poison.name))?;
        done.push(Put { place, poison, seq });
    }
    Ok(done)
}

/// A sound message behind the poison.
async fn hand_in(stack: &Stack) -> Result<()> {
    let place = &PLACES[4];
    let mut wire = Wire::of(&stack.installation(), &stack.config().bus, &place.user).await?;
    let alert = Event::Signal(Signal {
        entity: "demo/shop/deployment/cart".parse()?,
        observed: aegis::local::now(),
        source: "gateway".to_owned(),
        body: SignalBody::Alert(Alert::default()),
    });
    let message = Message {
        subject: place.subject,
        headers: &[("ce-type", Kind::Signal.as_str())],
        body: &alert.encode()?,
        ..Message::default()
    };
    wire.send_and_hear(message).await?;
    Ok(())
}

/// Waits until every reader has put every message aside, and the record has all of them.
async fn aside(stack: &Stack, watch: &mut Watch, all: &[Put]) -> Result<Vec<Finding>> {
    let mut letters: BTreeMap<(String, u64, String), DeadLetter> = BTreeMap::new();
    let missing = |letters: &BTreeMap<_, DeadLetter>| {
        let wanted = all
            .iter()
            .flat_map(|put| put.place.readers.iter().map(move |reader| (put, reader.0)));
        wanted
            .filter(|(put, reader)| {
                let stream = put.place.stream.name().to_owned();
                let letter = letters.get(&(stream, put.seq, (*reader).to_owned()));
                letter.is_none_or(|letter| letter.reason.is_empty())
            })
            .map(|(put, reader)| format!("{reader}: {} on {}", put.poison.name, put.place.subject))
            .collect::<Vec<_>>()
    };
    let end = Instant::now() + ASIDE_WITHIN;
    while !missing(&letters).is_empty() && Instant::now() < end {
        for entry in watch.all().await? {
            if let Event::DeadLetter(letter) = &entry.event {
                let key = (
                    letter.stream.clone(),
                    letter.stream_seq,
                    letter.service.clone(),
                );
                letters.insert(key, letter.clone());
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let wanted: usize = all.iter().map(|put| put.place.readers.len()).sum();
    let missing = missing(&letters);
    let shown = |missing: &[String], total: usize| match missing {
        [] => format!("all {total}"),
        some => format!("all but {}", some.join("; ")),
    };
    let mut findings = vec![Finding::of(
        format!(
            "{} messages of poison: dead letters with a reason within 60 s",
            all.len()
        ),
        format!("all {wanted}"),
        shown(&missing, wanted),
    )];
    findings.extend(recorded(stack, all).await?);
    Ok(findings)
}

/// What the record has of them.
async fn recorded(stack: &Stack, all: &[Put]) -> Result<Vec<Finding>> {
    let quarantined = all.iter().filter(|put| put.is_quarantined()).count();
    let admin = stack.database_admin()?.replace("/postgres?", "/aegis?");
    let mut database = <sqlx::PgConnection as sqlx::Connection>::connect(&admin).await?;
    let end = Instant::now() + ASIDE_WITHIN;
    let found = loop {
        let mut found = (0, 0);
        for put in all {
            let place = |table: &str| {
                let query = format!(
                    "SELECT count(*) FROM audit.{table} WHERE stream = $1 AND stream_seq = $2"
                );
                sqlx::query_scalar::<_, i64>(sqlx::AssertSqlSafe(query))
                    .bind(put.place.stream.name())
                    .bind(put.seq.cast_signed())
            };
            found.0 += place("audit_key").fetch_one(&mut database).await?;
            if put.is_quarantined() {
                found.1 += place("audit_quarantine").fetch_one(&mut database).await?;
            }
        }
        if found == (all.len() as i64, quarantined as i64) || Instant::now() > end {
            break found;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    Ok(vec![
        Finding::of(
            "in the audit log",
            format!("{} once each", all.len()),
            format!("{} once each", found.0),
        ),
        Finding::of(
            "in its quarantine",
            quarantined.to_string(),
            found.1.to_string(),
        ),
    ])
}

/// Whether each consumer's metrics tell how many it put aside.
async fn counted(stack: &Stack, all: &[Put]) -> Result<Vec<Finding>> {
    let mut wanted: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for put in all {
        for reader in put.place.readers {
            *wanted.entry(*reader).or_default() += 1;
        }
    }
    let mut findings = Vec::new();
    for ((role, consumer), letters) in wanted {
        let metrics = stack.metrics(role).await?;
        let counted = sample(&metrics, "aegis_nats_dead_letters_total", consumer).unwrap_or(0.0);
        findings.push(Finding {
            tried: format!("metrics of {consumer}"),
            expected: format!("at least {letters} dead letters"),
            seen: format!("{counted} dead letters"),
            held: counted >= letters as f64,
        });
    }
    Ok(findings)
}

/// The value of `name{consumer="…"}` in a page of metrics.
fn sample(page: &str, name: &str, consumer: &str) -> Option<f64> {
    let begin = format!("{name}{{consumer=\"{consumer}\"}} ");
    page.lines()
        .find_map(|line| line.strip_prefix(&begin)?.trim().parse().ok())
}

/// What came behind all of it is handled: a message that is handed in, the scorer's samples, and a whole
/// story through every core, the executor and the record.
async fn behind(stack: &Stack, watch: &mut Watch, all: &[Put]) -> Result<Vec<Finding>> {
    let last = |stream: Stream| {
        let of = all.iter().filter(|put| put.place.stream == stream);
        of.map(|put| put.seq).max().unwrap_or(0)
    };
    let handed_in = watch
        .until(
            "what was handed in behind the poison",
            BEHIND_WITHIN,
            |entry| match &entry.event {
                Event::Signal(signal) if signal.source == "intake/gateway" => Some("there"),
                _ => None,
            },
        )
        .await?;
    let samples = last(Stream::Metrics);
    until(
        "the scorer behind the poison",
        BEHIND_WITHIN,
        || async move {
            let metrics = stack.metrics("detector").await.unwrap_or_default();
            let at = sample(&metrics, "aegis_nats_handled_sequence", "scorer-0");
            at.is_some_and(|at| at > samples as f64)
        },
    )
    .await?;
    let events = last(Stream::Events);
    watch.rewind();
    let verdict = watch
        .until(
            "an act that is judged after the poison",
            BEHIND_WITHIN,
            |entry| {
                let assessment = entry.assessment()?;
                (entry.record.seq > events).then_some(assessment.verdict)
            },
        )
        .await?;
    let verified = AssessmentVerdict::Verified.to_string();
    Ok(vec![
        Finding::of(
            "a sound alert that is handed in behind it",
            "there",
            handed_in,
        ),
        Finding::of(
            "the story that goes on behind it",
            verified,
            verdict.to_string(),
        ),
    ])
}
