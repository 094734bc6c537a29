//! One decision on its way, from the message to its outcome.

use std::time::Duration;

use aegis_schemas::{
    DecisionId, Digest, EventId, Outcome, OutcomePhase, PreImage, Timestamp, Warrant,
};

use crate::accept::Refusal;
use crate::board::Done;

/// A decision as it was received.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// Its sequence in AEGIS_EVENTS.
    pub seq: u64,
    /// When the stream stored it.
    pub time: Timestamp,
    /// Its subject.
    pub subject: &'a str,
    /// Its bytes: a signed envelope.
    pub body: &'a [u8],
    /// Whether somebody may have handled it before.
    pub redelivered: bool,
}

/// A decision that is being carried out, with what its earlier attempts left behind.
#[derive(Clone, Debug)]
pub struct Trial<'a> {
    /// The decision.
    pub received: Received<'a>,
    pub(crate) tries: u32,
    /// A write may have had its effect without anybody knowing.
    pub(crate) unsettled: bool,
}

impl<'a> Trial<'a> {
    /// Nothing tried yet.
    #[must_use]
    pub const fn new(received: Received<'a>) -> Self {
        Self {
            received,
            tries: 0,
            unsettled: received.redelivered,
        }
    }
}

/// What an attempt came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// It is over: publish this.
    Done(Box<Outcome>),
    /// Try again.
    Wait {
        /// After that long.
        after: Duration,
        /// Why.
        reason: String,
    },
}

/// The outcome of bytes that are not believed.
pub(crate) fn unbelieved(received: &Received<'_>, refusal: Refusal) -> Outcome {
    let envelope = Digest::of(received.body);
    // Whoever sends bytes that are no decision must not choose the id that its refusal gets.
    let place = format!("{}/{envelope}", received.seq);
    Outcome {
        decision: DecisionId(EventId::of_content("executor/unbelieved", place.as_bytes())),
        incident: None,
        phase: OutcomePhase::Refused,
        code: Some(refusal.code),
        message: refusal.message,
        action: None,
        target: None,
        pre_image: None,
        generation: 0,
        resource_version: String::new(),
        fence: 0,
        stream_seq: received.seq,
        envelope,
    }
}

/// The outcome of a warrant that was not carried out.
pub(crate) fn prevented(
    received: &Received<'_>,
    warrant: &Warrant,
    phase: OutcomePhase,
    refusal: Refusal,
) -> Outcome {
    Outcome {
        decision: warrant.decision_id,
        incident: warrant.incident,
        phase,
        code: Some(refusal.code),
        message: refusal.message,
        action: Some(warrant.action.clone()),
        target: Some(warrant.target.object.clone()),
        pre_image: None,
        generation: 0,
        resource_version: String::new(),
        fence: warrant.fence,
        stream_seq: received.seq,
        envelope: Digest::of(received.body),
    }
}

/// The outcome of a warrant that was carried out.
pub(crate) fn applied(
    received: &Received<'_>,
    warrant: &Warrant,
    pre_image: Option<PreImage>,
    done: Done,
) -> Outcome {
    Outcome {
        decision: warrant.decision_id,
        incident: warrant.incident,
        phase: OutcomePhase::Applied,
        code: None,
        message: warrant.action.describe(),
        action: Some(warrant.action.clone()),
        target: Some(warrant.target.object.clone()),
        pre_image,
        generation: done.generation,
        resource_version: done.resource_version,
        fence: warrant.fence,
        stream_seq: received.seq,
        envelope: Digest::of(received.body),
    }
}
