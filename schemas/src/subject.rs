//! The streams and the subjects that messages travel on.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Digest, Entity};

/// What every subject of this version begins with.
const PREFIX: &str = "aegis.v1";

/// A JetStream stream of Aegis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// Samples, by partition.
    Metrics,
    /// Everything that cores decide from, in one order.
    Events,
    /// What other systems publish.
    Intake,
    /// Refused input with its reason.
    Dlq,
    /// What the server says about consumers and streams.
    Advisories,
}

impl Stream {
    /// Every stream.
    pub const ALL: [Self; 5] = [
        Self::Metrics,
        Self::Events,
        Self::Intake,
        Self::Dlq,
        Self::Advisories,
    ];

    /// The stream's name on the server.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Metrics => "AEGIS_METRICS",
            Self::Events => "AEGIS_EVENTS",
            Self::Intake => "AEGIS_INTAKE",
            Self::Dlq => "AEGIS_DLQ",
            Self::Advisories => "AEGIS_ADVISORIES",
        }
    }

    /// The stream of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stream| stream.name() == name)
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A subject that no stage publishes on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a subject of Aegis")]
pub struct InvalidSubject(String);

/// The partition of `entity` among `partitions`: the scorer is sharded by it.
///
/// # Panics
///
/// When `partitions` is zero; the configuration refuses that.
#[must_use]
pub fn partition_of(entity: &Entity, partitions: u16) -> u16 {
    assert!(
        partitions > 0,
        "the number of partitions is checked at start"
    );
    let digest = Digest::of_parts("aegis/partition/v1", &[entity.to_string().as_bytes()]);
    let head = digest.as_bytes();
    (u32::from_be_bytes([head[0], head[1], head[2], head[3]]) % u32::from(partitions)) as u16
}

/// Whose samples are published on `subject`: cluster, namespace and workload as they stand in it. `None`
/// when it is not a subject of metrics.
#[must_use]
pub fn metrics_of(subject: &str) -> Option<&str> {
    let (_partition, place) = subject
        .strip_prefix(PREFIX)?
        .strip_prefix(".metric.")?
        .split_once('.')?;
    Some(place)
}

/// A subject that a message is published on: `aegis.v1.<stage>.<kind…>.<cluster>.<namespace>.<workload>`.
///
/// Dots in names become `_`, which no Kubernetes name contains; what has no namespace or workload
/// has `_` alone in that place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Subject(String);

impl Subject {
    /// Samples of `entity` in its partition.
    #[must_use]
    pub fn metric(partition: u16, entity: &Entity) -> Self {
        Self(format!("{PREFIX}.metric.{partition}.{}", place(entity)))
    }

    /// A signal of that kind token about `entity`.
    #[must_use]
    pub fn signal(kind: &str, entity: &Entity) -> Self {
        Self(format!("{PREFIX}.signal.{kind}.{}", place(entity)))
    }

    /// An anomaly of `entity`.
    #[must_use]
    pub fn anomaly(entity: &Entity) -> Self {
        Self(format!("{PREFIX}.anomaly.{}", place(entity)))
    }

    /// An incident with `entity` at its root.
    #[must_use]
    pub fn incident(entity: &Entity) -> Self {
        Self(format!("{PREFIX}.incident.{}", place(entity)))
    }

    /// An assessment with that verdict token of an act on `entity`.
    #[must_use]
    pub fn assessment(verdict: &str, entity: &Entity) -> Self {
        Self(format!("{PREFIX}.assessment.{verdict}.{}", place(entity)))
    }

    /// A decision with that verdict token about `entity`.
    #[must_use]
    pub fn decision(verdict: &str, entity: &Entity) -> Self {
        Self(format!("{PREFIX}.decision.{verdict}.{}", place(entity)))
    }

    /// What the executor says of an act on `entity`.
    #[must_use]
    pub fn action(phase: &str, entity: &Entity) -> Self {
        Self(format!("{PREFIX}.action.{phase}.{}", place(entity)))
    }

    /// A command of that kind token about `entity`.
    #[must_use]
    pub fn command(kind: &str, entity: &Entity) -> Self {
        Self(format!("{PREFIX}.command.{kind}.{}", place(entity)))
    }

    /// What the gateway says of who came in and who was refused.
    #[must_use]
    pub fn access(outcome: &str) -> Self {
        Self(format!("{PREFIX}.access.{outcome}"))
    }

    /// What the publisher `publisher` hands in, under a topic of one token.
    ///
    /// # Errors
    ///
    /// When a token is empty or has a character that a subject may not have.
    pub fn intake(publisher: &str, topic: &str) -> Result<Self, InvalidSubject> {
        Self::parse(&format!("{PREFIX}.intake.{publisher}.{topic}"))
    }

    /// What `service` refused.
    #[must_use]
    pub fn dlq(service: &str, stream: Stream) -> Self {
        Self(format!(
            "{PREFIX}.dlq.{service}.{}",
            stream.name().to_ascii_lowercase()
        ))
    }

    /// Checks a subject that came from outside.
    ///
    /// # Errors
    ///
    /// When it is not `aegis.v1.` and at most 14 more tokens of letters, digits, `-` and `_`.
    pub fn parse(raw: &str) -> Result<Self, InvalidSubject> {
        let token = |token: &str| {
            !token.is_empty()
                && token
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        };
        let tokens = raw.split('.').count();
        let valid = raw.starts_with("aegis.v1.")
            && raw.len() <= 900
            && (3..=16).contains(&tokens)
            && raw.split('.').all(token);
        if valid {
            Ok(Self(raw.to_owned()))
        } else {
            Err(InvalidSubject(raw.chars().take(80).collect()))
        }
    }

    /// The subject's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The stream that keeps what is published here.
    ///
    /// # Errors
    ///
    /// When no stream of Aegis has that subject.
    pub fn stream(&self) -> Result<Stream, InvalidSubject> {
        match self.stage() {
            "metric" => Ok(Stream::Metrics),
            "intake" => Ok(Stream::Intake),
            "dlq" => Ok(Stream::Dlq),
            "signal" | "anomaly" | "incident" | "assessment" | "decision" | "action"
            | "command" | "access" => Ok(Stream::Events),
            _ => Err(InvalidSubject(self.0.clone())),
        }
    }

    /// The token after the prefix: `metric`, `signal`, …
    #[must_use]
    pub fn stage(&self) -> &str {
        self.0.split('.').nth(2).unwrap_or("")
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where in the world a message is about, as its subject says; dots in names are underscores there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// The cluster.
    pub cluster: &'a str,
    /// The namespace, for what is in one.
    pub namespace: Option<&'a str>,
}

impl<'a> Place<'a> {
    /// The place of a message on that subject, if it is about one.
    #[must_use]
    pub fn of(subject: &'a str) -> Option<Self> {
        let rest = subject.strip_prefix(PREFIX)?.strip_prefix('.')?;
        let tokens: Vec<&str> = rest.split('.').collect();
        let (cluster, namespace) = match *tokens.as_slice() {
            ["anomaly" | "incident", cluster, namespace, _]
            | [
                "metric" | "signal" | "assessment" | "decision" | "action" | "command",
                _,
                cluster,
                namespace,
                _,
            ] => (cluster, namespace),
            _ => return None,
        };
        Some(Self {
            cluster,
            namespace: (namespace != "_").then_some(namespace),
        })
    }
}

fn place(entity: &Entity) -> String {
    let escape = |raw: &str| raw.replace('.', "_");
    let namespace = entity
        .namespace
        .as_ref()
        .map_or_else(|| "_".to_owned(), |namespace| escape(namespace.as_str()));
    format!(
        "{}.{namespace}.{}",
        escape(entity.cluster.as_str()),
        escape(entity.name.as_str())
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_says_where_its_message_is_about() {
        let table = [
            (
                "aegis.v1.metric.0.demo.shop.cart",
                Some(("demo", Some("shop"))),
            ),
            ("aegis.v1.signal.node.demo._.node-1", Some(("demo", None))),
            (
                "aegis.v1.incident.demo.shop.cart",
                Some(("demo", Some("shop"))),
            ),
            (
                "aegis.v1.decision.allow.demo.shop.cart",
                Some(("demo", Some("shop"))),
            ),
            ("aegis.v1.access.forbidden", None),
            ("aegis.v1.intake.ci.a.b.c", None),
            ("aegis.v1.dlq.policy.aegis_events", None),
            ("aegis.v1.incident.demo.shop", None),
            ("$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.A.b", None),
        ];
        for (subject, expected) in table {
            let found = Place::of(subject).map(|place| (place.cluster, place.namespace));
            assert_eq!(found, expected, "{subject}");
        }
    }
}
