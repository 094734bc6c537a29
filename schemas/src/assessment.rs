//! Whether an act helped.

use serde::{Deserialize, Serialize};

use crate::{ActionKind, DecisionId, IncidentId, Target};

/// The verdict on an act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssessmentVerdict {
    /// It helped, and nothing else got worse.
    Verified,
    /// It changed nothing for the better in the time that it had.
    Ineffective,
    /// Something got worse because of it.
    Regressed,
}

impl AssessmentVerdict {
    /// The token in the subject.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Ineffective => "ineffective",
            Self::Regressed => "regressed",
        }
    }
}

impl std::fmt::Display for AssessmentVerdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// What: `settled`, `ready`, `silent`, `neighbours`, `replicas`.
    pub name: String,
    /// Whether it held.
    pub held: bool,
    /// What was measured, in words with numbers.
    pub measured: String,
}

/// The verdict on one act, from signals and anomalies alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Assessment {
    /// The act's decision.
    pub decision: DecisionId,
    /// The incident that it was for.
    #[serde(default)]
    pub incident: Option<IncidentId>,
    /// What was done.
    pub action: ActionKind,
    /// To what.
    pub target: Target,
    /// The verdict.
    pub verdict: AssessmentVerdict,
    /// What was looked at.
    pub checks: Vec<Check>,
    /// How long after the act the verdict was clear, in milliseconds of stream time.
    pub after_ms: u64,
}
