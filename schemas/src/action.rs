//! The acts that Aegis knows, on what, and what they cost.

use serde::{Deserialize, Serialize};

use crate::Entity;

/// What an act is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionKind {
    /// Replace one pod.
    RestartPod,
    /// Replace all pods of a workload, one after the other.
    RolloutRestart,
    /// Set the number of replicas.
    Scale,
    /// Go back to an earlier revision.
    Rollback,
    /// Put a pod template back as it was: the undo of a rollback or a restart.
    RestoreTemplate,
}

impl ActionKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::RestartPod,
        Self::RolloutRestart,
        Self::Scale,
        Self::Rollback,
        Self::RestoreTemplate,
    ];

    /// The kind in `snake_case`, as policies and people write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RestartPod => "restart_pod",
            Self::RolloutRestart => "rollout_restart",
            Self::Scale => "scale",
            Self::Rollback => "rollback",
            Self::RestoreTemplate => "restore_template",
        }
    }
}

impl std::fmt::Display for ActionKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for ActionKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| format!("`{text}` is not an action"))
    }
}

/// An act with its parameters, all of them absolute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    /// Evict a pod, so that its controller makes a new one.
    RestartPod {
        /// Delete instead of evict; only for a pod that is not ready.
        #[serde(default)]
        delete: bool,
    },
    /// Set `kubectl.kubernetes.io/restartedAt` to the decision's time.
    RolloutRestart,
    /// Set `spec.replicas`.
    Scale {
        /// How many there shall be.
        replicas: i32,
        /// How many there are.
        from: i32,
    },
    /// Set the template to that of an earlier revision.
    Rollback {
        /// The revision's number.
        revision: i64,
        /// Its template's hash, so that a number that was given anew is noticed.
        template_hash: String,
    },
    /// Set the template to this one, canonical JSON.
    RestoreTemplate {
        /// `spec.template`.
        template: String,
    },
}

impl Action {
    /// What it is called.
    #[must_use]
    pub const fn kind(&self) -> ActionKind {
        match self {
            Self::RestartPod { .. } => ActionKind::RestartPod,
            Self::RolloutRestart => ActionKind::RolloutRestart,
            Self::Scale { .. } => ActionKind::Scale,
            Self::Rollback { .. } => ActionKind::Rollback,
            Self::RestoreTemplate { .. } => ActionKind::RestoreTemplate,
        }
    }

    /// In words, for people: `scale from 3 to 5 replicas`.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::RestartPod { delete: false } => "evict the pod".to_owned(),
            Self::RestartPod { delete: true } => "delete the pod".to_owned(),
            Self::RolloutRestart => "restart the rollout".to_owned(),
            Self::Scale { replicas, from } => format!("scale from {from} to {replicas} replicas"),
            Self::Rollback { revision, .. } => format!("roll back to revision {revision}"),
            Self::RestoreTemplate { .. } => "restore the template as it was".to_owned(),
        }
    }
}

/// The object that an act is aimed at, as it was when the act was thought of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The object: a workload, or a pod for `restart_pod`.
    pub entity: Entity,
    /// The workload that it is or belongs to: what cooldowns and budgets count by.
    pub workload: Entity,
    /// `apps/v1/Deployment`, `v1/Pod`.
    pub gvk: String,
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.generation`; 0 for pods, which have none worth the name.
    pub generation: i64,
}

/// What an act may take down at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blast {
    /// Pods of the workload that may be unready at once because of it.
    pub pods: u32,
    /// Pods that the workload has.
    pub of: u32,
}

/// What the executor found before it wrote: all that the undo needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum PreImage {
    /// `spec.replicas` before a scale.
    Replicas {
        /// How many there were.
        replicas: i32,
    },
    /// `spec.template` before a rollback or a restart, canonical JSON.
    Template {
        /// The template.
        template: String,
    },
    /// A pod that was replaced; nothing brings it back.
    Pod {
        /// Its UID.
        uid: String,
    },
}
