//! The rows of the views as the pages read them.

use aegis_schemas::{Cause, CauseKind, Entity, Evidence, Grouped, Reason, Recommendation};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::words::{Thing, When, spoken};

/// What is wrong.
#[derive(Debug, Deserialize)]
pub(super) struct Incident {
    pub(super) incident: String,
    pub(super) state: String,
    pub(super) severity: String,
    pub(super) kind: String,
    pub(super) entity: String,
    pub(super) confidence: i32,
    pub(super) opened_at: Timestamp,
    pub(super) updated_at: Timestamp,
    pub(super) resolved_at: Option<Timestamp>,
    pub(super) newest_evidence_at: Timestamp,
    pub(super) summary: String,
    // Lists leave out what only the page of one incident shows.
    #[serde(default)]
    pub(super) affected: Vec<Entity>,
    /// Null in rows that an older audit-sink wrote.
    #[serde(default)]
    pub(super) grouped: Option<Vec<Grouped>>,
    /// How bad it is without what a person merged in, if that is less.
    #[serde(default)]
    pub(super) own_severity: Option<String>,
    #[serde(default)]
    pub(super) evidence: Vec<Evidence>,
    #[serde(default)]
    pub(super) causes: Vec<Cause>,
    #[serde(default)]
    pub(super) recommendations: Vec<Recommendation>,
}

impl Incident {
    pub(super) fn is_open(&self) -> bool {
        self.state == "open"
    }

    pub(super) fn thing(&self) -> Thing<'_> {
        Thing(&self.entity)
    }

    pub(super) fn kind(&self) -> String {
        spoken(&self.kind)
    }

    pub(super) fn opened(&self) -> When {
        When(self.opened_at)
    }

    pub(super) fn last_seen(&self) -> When {
        When(self.newest_evidence_at)
    }

    pub(super) fn resolved(&self) -> Option<When> {
        self.resolved_at.map(When)
    }

    /// Why each of those affected belongs to it, but what it is about.
    pub(super) fn grouped(&self) -> &[Grouped] {
        self.grouped.as_deref().unwrap_or_default()
    }

    /// Percent.
    pub(super) fn sure(&self) -> i32 {
        self.confidence / 10
    }

    /// How long it lasted, or has lasted.
    pub(super) fn lasted(&self) -> String {
        super::words::span(self.opened_at, self.resolved_at.unwrap_or(self.updated_at))
    }
}

/// What policy said.
#[derive(Debug, Deserialize)]
pub(super) struct Decision {
    pub(super) decision: String,
    pub(super) idx: i64,
    pub(super) decided_at: Timestamp,
    pub(super) verdict: String,
    pub(super) actor: String,
    pub(super) description: Option<String>,
    pub(super) entity: Option<String>,
    pub(super) reasons: Vec<Reason>,
    pub(super) flip: Option<String>,
    pub(super) would_allow: bool,
    pub(super) undo_of: Option<String>,
}

impl Decision {
    pub(super) fn decided(&self) -> When {
        When(self.decided_at)
    }
}

/// What kind of cause it is, in words.
pub(super) const fn cause_kind(kind: &CauseKind) -> &'static str {
    match kind {
        CauseKind::RecentChange => "recent change",
        CauseKind::ExhaustedResource => "exhausted resource",
        CauseKind::Upstream => "upstream",
        CauseKind::ReplicaState => "one replica's state",
        CauseKind::Load => "load",
        CauseKind::Itself => "itself",
    }
}

/// A check of an act's assessment.
#[derive(Debug, Deserialize)]
pub(super) struct Check {
    pub(super) name: String,
    pub(super) held: bool,
    pub(super) measured: String,
}

/// An allowed act and what became of it.
#[derive(Debug, Deserialize)]
pub(super) struct Act {
    pub(super) decision: String,
    pub(super) idx: i64,
    pub(super) incident: Option<String>,
    pub(super) actor: String,
    pub(super) description: Option<String>,
    pub(super) entity: Option<String>,
    pub(super) decided_at: Timestamp,
    pub(super) state: String,
    pub(super) outcome_code: Option<String>,
    pub(super) outcome_message: Option<String>,
    pub(super) outcome_at: Option<Timestamp>,
    pub(super) outcome_idx: Option<i64>,
    pub(super) outcome: Option<String>,
    pub(super) checks: Option<Vec<Check>>,
    pub(super) assessed_at: Option<Timestamp>,
    pub(super) undo_of: Option<String>,
    pub(super) pre_image: Option<Value>,
    /// Whether another act took this one back.
    #[serde(default)]
    pub(super) undone: bool,
    /// Which time it is that its incident sees this; 0 where nobody counted.
    #[serde(default)]
    pub(super) tries: u32,
}

impl Act {
    pub(super) fn decided(&self) -> When {
        When(self.decided_at)
    }

    pub(super) fn what(&self) -> &str {
        self.description.as_deref().unwrap_or("act")
    }

    pub(super) fn thing(&self) -> Thing<'_> {
        Thing(self.entity.as_deref().unwrap_or_default())
    }

    /// Which try it is, of one that was tried before.
    pub(super) fn again(&self) -> Option<String> {
        let ending = match (self.tries % 10, self.tries % 100) {
            _ if self.tries < 2 => return None,
            (1, hundred) if hundred != 11 => "st",
            (2, hundred) if hundred != 12 => "nd",
            (3, hundred) if hundred != 13 => "rd",
            _ => "th",
        };
        Some(format!("{}{ending} try", self.tries))
    }

    /// Whether a person can still ask to take it back.
    pub(super) fn can_be_undone(&self) -> bool {
        self.outcome.as_deref() == Some("applied")
            && self.undo_of.is_none()
            && !self.undone
            // What a deleted pod was cannot be put back: its controller makes another.
            && self
                .pre_image
                .as_ref()
                .is_some_and(|image| image["kind"] != "pod")
    }

    /// How long it took until it was judged.
    pub(super) fn judged_after(&self) -> Option<String> {
        self.assessed_at
            .map(|at| super::words::span(self.outcome_at.unwrap_or(self.decided_at), at))
    }
}

/// What waits for a yes.
#[derive(Debug, Deserialize)]
pub(super) struct Approval {
    pub(super) proposal: String,
    pub(super) idx: i64,
    pub(super) incident: Option<String>,
    pub(super) description: Option<String>,
    pub(super) entity: Option<String>,
    pub(super) target: Option<Value>,
    pub(super) parameters: Option<Value>,
    pub(super) reasons: Vec<Reason>,
    pub(super) policy: String,
    pub(super) asked_at: Timestamp,
    pub(super) expires_at: Option<Timestamp>,
    pub(super) state: String,
    pub(super) answered_by: Option<String>,
    pub(super) answer_reason: Option<String>,
    pub(super) answered_at: Option<Timestamp>,
    pub(super) result: Option<String>,
}

impl Approval {
    pub(super) fn is_open(&self) -> bool {
        self.state == "open"
    }

    /// Its state in a word.
    pub(super) fn said(&self) -> &str {
        if self.is_open() {
            "waiting"
        } else {
            &self.state
        }
    }

    pub(super) fn what(&self) -> &str {
        self.description.as_deref().unwrap_or("act")
    }

    pub(super) fn thing(&self) -> Thing<'_> {
        Thing(self.entity.as_deref().unwrap_or_default())
    }

    pub(super) fn asked(&self) -> When {
        When(self.asked_at)
    }

    pub(super) fn expires(&self) -> Option<When> {
        self.expires_at.map(When)
    }

    pub(super) fn answered(&self) -> Option<When> {
        self.answered_at.map(When)
    }

    pub(super) fn short(&self) -> &str {
        self.proposal.get(..12).unwrap_or(&self.proposal)
    }
}
