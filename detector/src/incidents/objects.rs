//! What is remembered of one workload and of one pod.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use aegis_schemas::signal::{Change, PodState, WorkloadState};
use aegis_schemas::{Entity, EventId, Timestamp};
use serde::{Deserialize, Serialize};

/// A change with when it came.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct SeenChange {
    /// The event.
    pub(super) event: EventId,
    /// Stream time.
    pub(super) at: Timestamp,
    /// What was changed.
    pub(super) change: Change,
}

/// A workload.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Workload {
    /// Its last stated state.
    pub(super) state: WorkloadState,
    /// Its recent changes, oldest first.
    pub(super) changes: VecDeque<SeenChange>,
    /// Whom it calls.
    pub(super) callees: BTreeSet<Entity>,
    /// Since when all its replicas are ready, and at which template.
    pub(super) whole_since: Option<(Timestamp, Option<String>)>,
    /// Template hashes that were healthy for long enough, with when they last were.
    pub(super) healthy: BTreeMap<String, Timestamp>,
    /// How many replicas it had when it was last whole.
    pub(super) healthy_replicas: i32,
}

impl Workload {
    /// The hash of the template that it is at.
    pub(super) fn template_hash(&self) -> Option<&str> {
        self.state
            .revisions
            .iter()
            .find(|revision| revision.number == self.state.revision)
            .map(|revision| revision.template_hash.as_str())
    }

    /// Whether the rollout is done and every replica ready.
    pub(super) const fn is_whole(&self) -> bool {
        let state = &self.state;
        state.observed_generation >= state.generation
            && state.ready >= state.replicas
            && state.updated >= state.replicas
            && state.current == state.replicas
    }

    /// Whether a rollout is under way.
    pub(super) const fn is_rolling(&self) -> bool {
        let state = &self.state;
        state.observed_generation < state.generation || state.updated < state.replicas
    }

    /// Whether Kubernetes has never said anything of it.
    pub(super) const fn is_hearsay(&self) -> bool {
        self.state.gvk.is_empty() && self.state.uid.is_empty()
    }

    /// The newest change of its template that nobody but `except` made.
    pub(super) fn template_change(&self, except: &str) -> Option<&SeenChange> {
        self.changes
            .iter()
            .rev()
            .find(|seen| seen.change.what == "template" && seen.change.by != except)
    }
}

/// A pod.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Pod {
    /// Its last stated state.
    pub(super) state: PodState,
    /// The event that stated it.
    pub(super) event: EventId,
    /// Since when it is not ready, stream time; none while it is.
    pub(super) unready_since: Option<Timestamp>,
    /// When it restarted, oldest first, stream time.
    pub(super) restarts: VecDeque<Timestamp>,
    /// When it was first seen.
    pub(super) first_seen: Timestamp,
}
