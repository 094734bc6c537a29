//! An incident that is open, and what is kept of one that was.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aegis_schemas::{Digest, Entity, Incident, IncidentId, Timestamp};
use serde::{Deserialize, Serialize};

use super::config::{Config, seconds};
use super::group::Group;
use super::regroup::Merged;

/// How many times `resolve_after_s` what was sick with a healed root may take to recover before it is
/// taken for a trouble of its own.
pub(super) const LINGER: u64 = 4;

/// An incident that is not over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Open {
    pub(super) root: Entity,
    pub(super) members: BTreeSet<Entity>,
    /// Those of them that are there by a person's word.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) joined: BTreeMap<Entity, Merged>,
    /// Since when the root is well.
    pub(super) healed: Option<Timestamp>,
    /// Since when the root and all members are well.
    pub(super) quiet: Option<Timestamp>,
    pub(super) said_at: Timestamp,
    pub(super) said: Digest,
    /// As last said.
    pub(super) last: Incident,
}

/// An incident that is over, for a while.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Resolved {
    pub(super) incident: IncidentId,
    pub(super) opened: Timestamp,
    pub(super) at: Timestamp,
}

impl Resolved {
    /// It is over as of now.
    pub(super) fn at(now: Timestamp, open: &Open) -> Self {
        Self {
            incident: open.last.incident,
            opened: open.last.opened,
            at: now,
        }
    }
}

impl Open {
    /// Whether the trouble of that entity is this incident's by a person's word.
    pub(super) fn takes(&self, entity: &Entity) -> bool {
        self.joined.get(entity).is_some_and(Merged::is_named)
    }

    /// The incident that an entity was merged in with.
    pub(super) fn came_with(&self, entity: &Entity) -> Option<IncidentId> {
        let merged = self.joined.get(entity).filter(|merged| merged.is_named());
        merged.map(|merged| merged.from)
    }

    /// Whom it keeps from being incidents of their own: nobody once its root has been well for `patience`, for
    /// then it says nothing more.
    pub(super) fn keeps(
        &self,
        now: Timestamp,
        patience: Duration,
    ) -> impl Iterator<Item = &Entity> {
        let lasts = self.healed.is_none_or(|since| now.since(since) < patience);
        let named = self.joined.iter().filter(|(_, merged)| merged.is_named());
        named.filter(move |_| lasts).map(|(entity, _)| entity)
    }

    /// Takes in who is sick with its root now; answers whether one of them is new to it.
    pub(super) fn gather(&mut self, group: &Group) -> bool {
        let before = self.members.len();
        for (entity, way) in group {
            if !self.members.contains(entity) {
                self.members.insert(entity.clone());
            }
            let merged = self.joined.get(way.end(entity)).filter(|_| way.merged);
            if let Some(merged) = merged.cloned() {
                let follower = || merged.follower();
                self.joined.entry(entity.clone()).or_insert_with(follower);
            }
        }
        self.healed = None;
        self.quiet = None;
        self.members.len() > before
    }

    /// A person changed it: it is said again, whatever is said.
    pub(super) fn unsay(&mut self) {
        self.said = Digest::default();
    }

    /// Whether a person changed it since it was said.
    pub(super) fn is_unsaid(&self) -> bool {
        self.said == Digest::default()
    }

    /// What was sick with this root and recovers after it is no new incident.
    pub(super) fn shelters(&self, config: &Config, now: Timestamp, entity: &Entity) -> bool {
        self.healed.is_some_and(|since| {
            self.members.contains(entity)
                && now.since(since) < seconds(LINGER * config.resolve_after_s)
        })
    }
}
