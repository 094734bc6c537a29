//! What is remembered of one workload and of one pod.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use aegis_schemas::signal::{Change, PodState, WorkloadState};
use aegis_schemas::{Entity, EventId, Timestamp};
use serde::{Deserialize, Serialize};

use super::classify::OWN_MANAGER;

/// The most changes that are remembered of a workload.
const MAX_CHANGES: usize = 16;
/// How long a number of replicas must stand to be the one that bears what is usual.
const USUAL_AFTER: Duration = Duration::from_secs(1_800);
/// Where the executor writes on an object which decision it carried out last.
const DECISION: &str = "aegis.dev/decision-id";

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
    /// The newest revision that was ever stated of this object, 0 before there was one, and since when.
    #[serde(default)]
    pub(super) newest: (i64, Timestamp),
    /// The number of replicas that stood for long before the present one, and since when that one stands.
    #[serde(default)]
    pub(super) replicas: (i32, Timestamp),
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
    /// Takes in its state. A revision that no change announced is a change: whoever watches the API
    /// server was away when it was made.
    pub(super) fn restate(&mut self, now: Timestamp, event: EventId, state: &WorkloadState) {
        if self.state.uid != state.uid {
            self.newest = (0, now);
            self.replicas = (state.replicas, now);
        } else if self.state.replicas != state.replicas {
            self.replicas = (self.usual_replicas(now), now);
        }
        if state.revision > self.newest.0 {
            if let Some(change) = self.unannounced(state) {
                self.remember(SeenChange {
                    event,
                    at: now,
                    change,
                });
            }
            self.newest = (state.revision, now);
        }
        self.state = state.clone();
    }

    /// How many replicas bore what is usual: as many as now, unless these are news.
    pub(super) fn usual_replicas(&self, now: Timestamp) -> i32 {
        let (before, since) = self.replicas;
        if now.since(since) < USUAL_AFTER {
            before
        } else {
            self.state.replicas
        }
    }

    /// Remembers a change.
    pub(super) fn remember(&mut self, change: SeenChange) {
        self.changes.push_back(change);
        while self.changes.len() > MAX_CHANGES {
            self.changes.pop_front();
        }
    }

    /// The change of the template that led to the newer revision of `state`, unless it is known.
    fn unannounced(&self, state: &WorkloadState) -> Option<Change> {
        let (before, since) = self.newest;
        let announced = self.changes.iter().any(|seen| {
            let newer = seen.at >= since || seen.change.revision >= state.revision;
            seen.change.what == "template" && newer
        });
        (before > 0 && !announced).then(|| Change {
            what: "template".to_owned(),
            by: changed_by(&self.state, state),
            generation: state.generation,
            revision: state.revision,
            from: describe(&self.state, before),
            to: describe(state, state.revision),
        })
    }

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

    /// Whether the template was changed again since `change`, by a rollback of Aegis for one.
    pub(super) fn replaced(&self, change: &SeenChange) -> bool {
        let mut changes = self.changes.iter();
        changes.any(|seen| seen.at > change.at && seen.change.what == "template")
    }

    /// The newest change of its template that nobody but `except` made.
    pub(super) fn template_change(&self, except: &str) -> Option<&SeenChange> {
        self.changes
            .iter()
            .rev()
            .find(|seen| seen.change.what == "template" && seen.change.by != except)
    }
}

/// Who changed the template between two states: the executor signs what it does, of others it is only
/// known who has a part in the template.
fn changed_by(old: &WorkloadState, new: &WorkloadState) -> String {
    if old.annotations.get(DECISION) != new.annotations.get(DECISION) {
        return OWN_MANAGER.to_owned();
    }
    let managers = new.managers.iter();
    let of_template = managers.filter(|(_, fields)| fields.contains("template"));
    let names: Vec<&str> = of_template.map(|(name, _)| name.as_str()).collect();
    names.join(", ")
}

/// A revision in words.
fn describe(state: &WorkloadState, number: i64) -> String {
    let mut revisions = state.revisions.iter();
    match revisions.find(|revision| revision.number == number) {
        Some(revision) => format!("revision {number} ({})", revision.images.join(", ")),
        None => format!("revision {number}"),
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

impl Pod {
    /// Whether none of its containers will run again: its controller has made another pod in its place.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.state.phase.as_str(), "Failed" | "Succeeded")
    }
}
