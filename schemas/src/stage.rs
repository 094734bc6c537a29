//! Which message may stand where: a producer's permission is for subjects, so what is believed of a
//! message must follow from its subject.

use crate::pipeline::Origin;
use crate::{Event, Kind, SignalBody};

/// A message that may not stand on its subject.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misplaced {
    /// Another message belongs there.
    #[error("a message `{kind}` may not stand on `{subject}`")]
    Kind {
        /// What it is.
        kind: Kind,
        /// Where it stands.
        subject: String,
    },
    /// Another core speaks there, or none.
    #[error("`{producer}` may not say where a message on `{subject}` stands in its output")]
    Origin {
        /// Who the message says made it.
        producer: String,
        /// Where it stands.
        subject: String,
    },
}

/// Whether `event` may stand on `subject` and be of `origin`. What no core says has no origin; what a
/// core says may lack one, and is then nobody's.
///
/// # Errors
///
/// What does not fit. Such a message is refused as one that cannot be read.
pub fn placed(subject: &str, origin: Option<&Origin>, event: &Event) -> Result<(), Misplaced> {
    let mut tokens = subject
        .strip_prefix("aegis.v1.")
        .unwrap_or_default()
        .split('.');
    let stage = tokens.next().unwrap_or_default();
    let kind = tokens.next().unwrap_or_default();
    let short = || subject.chars().take(200).collect();
    if !belongs(stage, kind, event) {
        return Err(Misplaced::Kind {
            kind: event.kind(),
            subject: short(),
        });
    }
    match origin {
        Some(origin) if !speaks(stage, &origin.producer) => Err(Misplaced::Origin {
            producer: origin.producer.chars().take(80).collect(),
            subject: short(),
        }),
        _ => Ok(()),
    }
}

/// `kind` is the token after the stage. Where users may publish on some kinds only, it is binding too.
fn belongs(stage: &str, kind: &str, event: &Event) -> bool {
    match event {
        Event::Metric(_) => matches!(stage, "metric" | "intake"),
        Event::Signal(signal) => match stage {
            "metric" => matches!(signal.body, SignalBody::Heartbeat(_)),
            // A kind that this version does not know has another token.
            "signal" => signal.body == SignalBody::Unknown || kind == signal.body.token(),
            _ => stage == "intake",
        },
        Event::Anomaly(_) => stage == "anomaly",
        Event::Incident(_) => stage == "incident",
        Event::Assessment(_) => stage == "assessment",
        Event::Warrant(_) => stage == "decision" && kind == "allow",
        Event::Decision(_) => stage == "decision" && kind != "allow",
        Event::Outcome(_) => stage == "action",
        Event::Command(command) => stage == "command" && kind == command.body.token(),
        Event::Access(_) => stage == "access",
        Event::DeadLetter(_) => stage == "dlq",
    }
}

/// Whether the cores that speak on that stage are called like `producer`.
fn speaks(stage: &str, producer: &str) -> bool {
    let core = match stage {
        "anomaly" => "scorer/",
        "incident" | "assessment" => "incidents/",
        "decision" => "policy/",
        _ => return false,
    };
    producer.starts_with(core)
}
