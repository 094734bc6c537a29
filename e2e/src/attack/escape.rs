//! Every user tries everything; the server's refusals are compared with a table that was written by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aegis_nats::Service;
use aegis_nats::topology::Bucket;
use aegis_schemas::Stream;
use anyhow::{Result, ensure};

use super::Finding;
use crate::broker::Broker;
use crate::broker::matrix;
use crate::broker::probes;
use crate::broker::wire::{Message, Wire};

/// So many are sent before the refusals are read: both sides' buffers hold them.
const AT_ONCE: usize = 400;

pub(super) async fn run() -> Result<Vec<Finding>> {
    let broker = Broker::start().await?;
    let users: Vec<Service> = broker.users();
    let named: BTreeSet<&str> = users.iter().map(Service::as_str).collect();
    let known: BTreeSet<&str> = matrix::users().collect();
    ensure!(
        named == known,
        "the table speaks of {known:?}, the server has {named:?}"
    );

    let mut expected = stored(&broker).await?;
    let publish = probes::publish(broker.settings());
    let subscribe = probes::subscribe(broker.settings());
    let mut findings = Vec::new();
    for user in &users {
        let mut wire = broker.wire(user).await?;
        let may = matrix::may_publish(user.as_str());
        let refused = refused_publishes(&mut wire, &publish).await?;
        findings.push(compare(user, "publish", &publish, &may, &refused));
        for subject in publish.iter().filter(|one| matrix::covered(&may, one)) {
            if let Some(stream) = stream_of(subject) {
                *expected.entry((stream, subject.clone())).or_default() += 1;
            }
        }
        let may = matrix::may_subscribe(user.as_str());
        let (refused, queued) = refused_subscriptions(&mut wire, &subscribe).await?;
        findings.push(compare(user, "subscribe", &subscribe, &may, &refused));
        findings.push(compare(
            user,
            "subscribe in a queue",
            &subscribe,
            &may,
            &queued,
        ));
    }
    findings.push(what_is_stored(&broker, expected).await?);
    let declared = broker.as_declared().await;
    findings.push(Finding::of(
        "all of that, with bodies that nobody can read",
        "streams and consumers are as declared",
        declared.map_or_else(
            |faults| faults.join("; "),
            |()| "streams and consumers are as declared".to_owned(),
        ),
    ));
    Ok(findings)
}

async fn refused_publishes(wire: &mut Wire, probes: &BTreeSet<String>) -> Result<Vec<String>> {
    let mut refusals = Vec::new();
    let all: Vec<&String> = probes.iter().collect();
    for some in all.chunks(AT_ONCE) {
        for subject in some {
            // Not JSON: what is allowed must do no harm.
            let message = Message {
                subject,
                body: b"{",
                ..Message::default()
            };
            wire.publish(message).await?;
        }
        refusals.extend(wire.settle().await?);
    }
    refusals
        .iter()
        .map(|text| between(text, "Publish to"))
        .collect()
}

/// What was refused to one alone, and as one of a queue.
async fn refused_subscriptions(
    wire: &mut Wire,
    probes: &BTreeSet<String>,
) -> Result<(Vec<String>, Vec<String>)> {
    let mut refusals = Vec::new();
    let all: Vec<&String> = probes.iter().collect();
    for some in all.chunks(AT_ONCE / 2) {
        for subject in some {
            wire.subscribe(subject, None).await?;
            wire.subscribe(subject, Some("thieves")).await?;
        }
        refusals.extend(wire.settle().await?);
    }
    let (queued, alone): (Vec<_>, Vec<_>) = refusals
        .into_iter()
        .partition(|text| text.contains("using queue"));
    let subjects = |texts: Vec<String>| {
        let subject = |text: &String| between(text, "Subscription to");
        texts.iter().map(subject).collect::<Result<Vec<_>>>()
    };
    Ok((subjects(alone)?, subjects(queued)?))
}

/// The subject in `Permissions Violation for Publish to "subject"`.
fn between(text: &str, verb: &str) -> Result<String> {
    let subject = text.split('"').nth(1);
    match subject {
        Some(subject) if text.contains("Permissions Violation") && text.contains(verb) => {
            Ok(subject.to_owned())
        }
        _ => anyhow::bail!("the server says `{text}`"),
    }
}

fn compare(
    user: &Service,
    verb: &str,
    probes: &BTreeSet<String>,
    may: &[String],
    refused: &[String],
) -> Finding {
    let refused: BTreeSet<&String> = refused.iter().collect();
    let allowed: Vec<&String> = probes
        .iter()
        .filter(|one| matrix::covered(may, one))
        .collect();
    let differs = |subject: &&String| matrix::covered(may, subject) == refused.contains(subject);
    let wrong: Vec<&str> = probes.iter().filter(differs).map(String::as_str).collect();
    let expected = format!("{} allowed, the rest refused", allowed.len());
    let seen = match wrong.as_slice() {
        [] => expected.clone(),
        wrong => format!("the other way round: {}", wrong.join(" ")),
    };
    Finding::of(
        format!("{user}: {verb}, {} subjects", probes.len()),
        expected,
        seen,
    )
}

/// How many messages lie where.
type Stored = BTreeMap<(String, String), u64>;

/// The stream that keeps a subject; the advisories tell what was tried, which is another matter.
fn stream_of(subject: &str) -> Option<String> {
    let bucket = |bucket: &Bucket| subject.starts_with(&bucket.subject(""));
    if let Some(bucket) = Bucket::ALL.iter().find(|one| bucket(one)) {
        return Some(bucket.stream());
    }
    let stream = match subject.strip_prefix("aegis.v1.")?.split_once('.')?.0 {
        "metric" => Stream::Metrics,
        "intake" => Stream::Intake,
        "dlq" => Stream::Dlq,
        "probe" => return None,
        _ => Stream::Events,
    };
    Some(stream.name().to_owned())
}

async fn stored(broker: &Broker) -> Result<Stored> {
    let streams = Stream::ALL
        .into_iter()
        .filter(|stream| *stream != Stream::Advisories);
    let names = streams.map(|stream| stream.name().to_owned());
    let mut all = Stored::new();
    for name in names.chain(Bucket::ALL.map(Bucket::stream)) {
        for (subject, count) in broker.stored(&name).await? {
            all.insert((name.clone(), subject), count);
        }
    }
    Ok(all)
}

/// What is stored must follow from the table alone: nothing came in sideways.
async fn what_is_stored(broker: &Broker, mut expected: Stored) -> Result<Finding> {
    for ((stream, _), count) in &mut expected {
        // A bucket keeps the last value only.
        if stream.starts_with("KV_") {
            *count = 1;
        }
    }
    let mut seen = stored(broker).await?;
    // What comes from another account is stored a moment later.
    for _ in 0..100 {
        if seen == expected {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        seen = stored(broker).await?;
    }
    let total = |all: &Stored| {
        format!(
            "{} messages on {} subjects",
            all.values().sum::<u64>(),
            all.len()
        )
    };
    let mut wrong: Vec<String> = Vec::new();
    let places: BTreeSet<_> = expected.keys().chain(seen.keys()).collect();
    for place in places {
        let (expected, seen) = (
            expected.get(place).unwrap_or(&0),
            seen.get(place).unwrap_or(&0),
        );
        if expected != seen {
            wrong.push(format!("{} has {seen}, not {expected}", place.1));
        }
    }
    let seen = if wrong.is_empty() {
        total(&seen)
    } else {
        wrong.join("; ")
    };
    Ok(Finding::of("what is stored of it", total(&expected), seen))
}
