//! What stands in the way of an act.

use aegis_schemas::{Reason, Timestamp};

/// What an objection comes to; the later one is stricter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Effect {
    /// A person must say yes.
    Ask,
    /// People must look.
    Escalate,
    /// No.
    Deny,
}

/// What stands in the way of an act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Objection {
    pub(crate) effect: Effect,
    pub(crate) policy: String,
    pub(crate) text: String,
    pub(crate) flip: String,
    /// When it ends by itself, if that is known.
    pub(crate) until: Option<Timestamp>,
    /// It ends by itself, or with the next word of the incident.
    pub(crate) passing: bool,
    /// Nobody need be told: the next word follows anyway.
    pub(crate) quiet: bool,
}

impl Objection {
    pub(crate) fn new(
        effect: Effect,
        policy: &str,
        text: impl Into<String>,
        flip: impl Into<String>,
    ) -> Self {
        Self {
            effect,
            policy: policy.to_owned(),
            text: text.into(),
            flip: flip.into(),
            until: None,
            passing: false,
            quiet: false,
        }
    }

    pub(crate) fn deny(policy: &str, text: impl Into<String>, flip: impl Into<String>) -> Self {
        Self::new(Effect::Deny, policy, text, flip)
    }

    /// It ends then.
    pub(crate) const fn until(mut self, end: Timestamp) -> Self {
        self.until = Some(end);
        self.passing = true;
        self
    }

    /// It ends, nobody knows when.
    pub(crate) const fn passing(mut self) -> Self {
        self.passing = true;
        self
    }

    pub(crate) const fn quiet(mut self) -> Self {
        self.quiet = true;
        self
    }

    pub(crate) fn reason(&self) -> Reason {
        Reason {
            policy: self.policy.clone(),
            text: self.text.clone(),
        }
    }
}
