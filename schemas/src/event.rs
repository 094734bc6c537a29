//! Any message, and which one its bytes are.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::signature::Envelope;
use crate::{
    Access, Anomaly, Assessment, Command, CommandBody, DeadLetter, Decision, DecisionId, Incident,
    IncidentId, MetricBatch, Outcome, Signal, codec,
};

/// The type of a message's body, the header `ce-type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// [`MetricBatch`].
    Metric,
    /// [`Signal`].
    Signal,
    /// [`Anomaly`].
    Anomaly,
    /// [`Incident`].
    Incident,
    /// [`Assessment`].
    Assessment,
    /// [`Envelope`] around a [`crate::Warrant`].
    Warrant,
    /// [`Decision`].
    Decision,
    /// [`Outcome`].
    Outcome,
    /// [`Command`].
    Command,
    /// [`Access`].
    Access,
    /// [`DeadLetter`].
    DeadLetter,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 11] = [
        Self::Metric,
        Self::Signal,
        Self::Anomaly,
        Self::Incident,
        Self::Assessment,
        Self::Warrant,
        Self::Decision,
        Self::Outcome,
        Self::Command,
        Self::Access,
        Self::DeadLetter,
    ];

    /// The value of `ce-type`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Metric => "aegis.metric.v1",
            Self::Signal => "aegis.signal.v1",
            Self::Anomaly => "aegis.anomaly.v1",
            Self::Incident => "aegis.incident.v1",
            Self::Assessment => "aegis.assessment.v1",
            Self::Warrant => "aegis.warrant.v1",
            Self::Decision => "aegis.decision.v1",
            Self::Outcome => "aegis.outcome.v1",
            Self::Command => "aegis.command.v1",
            Self::Access => "aegis.access.v1",
            Self::DeadLetter => "aegis.dead-letter.v1",
        }
    }

    /// The kind of that `ce-type`.
    #[must_use]
    pub fn parse(raw: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == raw)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Any message. It serialises as the message itself: which one it is, its kind says.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Event {
    /// Samples.
    Metric(MetricBatch),
    /// A signal.
    Signal(Signal),
    /// An anomaly.
    Anomaly(Anomaly),
    /// An incident.
    Incident(Incident),
    /// An assessment.
    Assessment(Assessment),
    /// A signed allow.
    Warrant(Envelope),
    /// Any other decision.
    Decision(Decision),
    /// An outcome.
    Outcome(Outcome),
    /// A command.
    Command(Command),
    /// An access.
    Access(Access),
    /// A dead letter.
    DeadLetter(DeadLetter),
}

/// The incident and the decision that a message speaks of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// The incident.
    pub incident: Option<IncidentId>,
    /// The decision.
    pub decision: Option<DecisionId>,
}

impl Event {
    /// Which incident and which decision it speaks of.
    #[must_use]
    pub fn about(&self) -> About {
        let (incident, decision) = match self {
            Self::Incident(incident) => (Some(incident.incident), None),
            Self::Assessment(said) => (said.incident, Some(said.decision)),
            Self::Decision(said) => (said.incident, Some(said.decision)),
            Self::Outcome(said) => (said.incident, Some(said.decision)),
            Self::Warrant(envelope) => envelope.peek().map_or((None, None), |warrant| {
                (warrant.incident, Some(warrant.decision_id))
            }),
            Self::Command(command) => match &command.body {
                CommandBody::Feedback { incident, .. }
                | CommandBody::Merge { incident, .. }
                | CommandBody::Split { incident, .. } => (Some(*incident), None),
                CommandBody::Undo { decision } => (None, Some(*decision)),
                _ => (None, None),
            },
            Self::Metric(_)
            | Self::Signal(_)
            | Self::Anomaly(_)
            | Self::Access(_)
            | Self::DeadLetter(_) => (None, None),
        };
        About { incident, decision }
    }

    /// Which one it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Metric(_) => Kind::Metric,
            Self::Signal(_) => Kind::Signal,
            Self::Anomaly(_) => Kind::Anomaly,
            Self::Incident(_) => Kind::Incident,
            Self::Assessment(_) => Kind::Assessment,
            Self::Warrant(_) => Kind::Warrant,
            Self::Decision(_) => Kind::Decision,
            Self::Outcome(_) => Kind::Outcome,
            Self::Command(_) => Kind::Command,
            Self::Access(_) => Kind::Access,
            Self::DeadLetter(_) => Kind::DeadLetter,
        }
    }

    /// Its bytes.
    ///
    /// # Errors
    ///
    /// When they are more than [`codec::MAX_BODY`], or for a dead letter [`codec::MAX_LETTER`].
    pub fn encode(&self) -> Result<Vec<u8>, codec::Error> {
        match self {
            Self::Metric(message) => codec::encode(message),
            Self::Signal(message) => codec::encode(message),
            Self::Anomaly(message) => codec::encode(message),
            Self::Incident(message) => codec::encode(message),
            Self::Assessment(message) => codec::encode(message),
            Self::Warrant(message) => codec::encode(message),
            Self::Decision(message) => codec::encode(message),
            Self::Outcome(message) => codec::encode(message),
            Self::Command(message) => codec::encode(message),
            Self::Access(message) => codec::encode(message),
            Self::DeadLetter(message) => codec::encode_within(codec::MAX_LETTER, message),
        }
    }

    /// The message of type `ce_type` in `body`.
    ///
    /// # Errors
    ///
    /// When the type is unknown or the body is not of it. Never panics.
    pub fn decode(ce_type: &str, body: &[u8]) -> Result<Self, codec::Error> {
        let kind = Kind::parse(ce_type)
            .ok_or_else(|| codec::Error::UnknownType(ce_type.chars().take(80).collect()))?;
        Ok(match kind {
            Kind::Metric => Self::Metric(codec::decode(body)?),
            Kind::Signal => Self::Signal(codec::decode(body)?),
            Kind::Anomaly => Self::Anomaly(codec::decode(body)?),
            Kind::Incident => Self::Incident(codec::decode(body)?),
            Kind::Assessment => Self::Assessment(codec::decode(body)?),
            Kind::Warrant => Self::Warrant(codec::decode(body)?),
            Kind::Decision => Self::Decision(codec::decode(body)?),
            Kind::Outcome => Self::Outcome(codec::decode(body)?),
            Kind::Command => Self::Command(codec::decode(body)?),
            Kind::Access => Self::Access(codec::decode(body)?),
            Kind::DeadLetter => Self::DeadLetter(codec::decode_within(codec::MAX_LETTER, body)?),
        })
    }
}
