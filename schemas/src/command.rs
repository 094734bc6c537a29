//! What people ask for.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{
    Action, Cluster, DecisionId, Digest, Entity, IncidentId, Namespace, Target, Timestamp,
};

/// Who asks, as the gateway knows them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Actor {
    /// The user's name, or a service's.
    pub name: String,
    /// The roles: `admin`, `operator`, `auditor`, `service`.
    #[serde(default)]
    pub roles: BTreeSet<String>,
}

/// How much Aegis may do by itself.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Say what would be done.
    #[default]
    Observe,
    /// Ask a person first.
    Ask,
    /// Do it.
    Act,
}

impl Mode {
    /// The mode in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Ask => "ask",
            Self::Act => "act",
        }
    }
}

impl std::fmt::Display for Mode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a standing order covers; the narrowest that matches wins.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Scope {
    /// The cluster.
    pub cluster: Cluster,
    /// Only this namespace.
    #[serde(default)]
    pub namespace: Option<Namespace>,
    /// Only this action, in `snake_case`.
    #[serde(default)]
    pub action: Option<crate::ActionKind>,
}

/// What a configuration is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConfigurationKind {
    /// Cedar policies and the settings beside them.
    Policy,
    /// The incident core's thresholds and durations, TOML.
    Incidents,
    /// Whom the incident core asks where its rules are not sure: a file of `aegis train`; empty for nobody.
    Model,
}

/// What an operator says of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeedbackVerdict {
    /// Cause and act were right.
    Right,
    /// Something is wrong, but not for this cause.
    WrongCause,
    /// Nothing is wrong.
    NotAProblem,
    /// No opinion any more: what an earlier one changed is as it was.
    Withdrawn,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum CommandBody {
    /// Do this.
    Request {
        /// What.
        action: Action,
        /// To what.
        target: Target,
    },
    /// Yes to what policy asked.
    Approve {
        /// The proposal's digest.
        proposal: Digest,
    },
    /// No to what policy asked.
    Reject {
        /// The proposal's digest.
        proposal: Digest,
    },
    /// Take an act back.
    Undo {
        /// The act's decision.
        decision: DecisionId,
    },
    /// An opinion on an incident.
    Feedback {
        /// The incident.
        incident: IncidentId,
        /// The opinion.
        verdict: FeedbackVerdict,
    },
    /// Two incidents are one trouble: the first joins the other and is over.
    Merge {
        /// The incident that ends.
        incident: IncidentId,
        /// The incident that goes on, with the entities of both.
        into: IncidentId,
    },
    /// An entity has a trouble of its own: it leaves the incident and gets another.
    Split {
        /// The incident that it leaves.
        incident: IncidentId,
        /// An affected entity that is not the root.
        entity: Entity,
    },
    /// Let a configuration take effect at this very message.
    Activate {
        /// What it is for.
        what: ConfigurationKind,
        /// The SHA-256 of `content`.
        digest: Digest,
        /// The configuration itself, so that the log alone is enough for a replay.
        content: String,
    },
    /// Set a mode.
    Mode {
        /// Where.
        scope: Scope,
        /// Which.
        mode: Mode,
    },
    /// No acts in a scope until a time.
    Freeze {
        /// Where.
        scope: Scope,
        /// Until when.
        until: Timestamp,
    },
    /// End a freeze.
    Unfreeze {
        /// Where.
        scope: Scope,
    },
    /// Stop signing and executing.
    KillSwitch {
        /// Where.
        cluster: Cluster,
    },
    /// Go on after a kill switch.
    Resume {
        /// Where.
        cluster: Cluster,
    },
}

impl CommandBody {
    /// The token in the subject, also the name of the Cedar action that authorises it.
    #[must_use]
    pub const fn token(&self) -> &'static str {
        match self {
            Self::Request { .. } => "request",
            Self::Approve { .. } => "approve",
            Self::Reject { .. } => "reject",
            Self::Undo { .. } => "undo",
            Self::Feedback { .. } => "feedback",
            Self::Merge { .. } => "merge",
            Self::Split { .. } => "split",
            Self::Activate { .. } => "activate",
            Self::Mode { .. } => "mode",
            Self::Freeze { .. } => "freeze",
            Self::Unfreeze { .. } => "unfreeze",
            Self::KillSwitch { .. } => "kill_switch",
            Self::Resume { .. } => "resume",
        }
    }
}

/// What a person, or a service for one, asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Command {
    /// Who asks.
    pub actor: Actor,
    /// Why, in their words.
    #[serde(default)]
    pub reason: String,
    /// What.
    pub body: CommandBody,
}
