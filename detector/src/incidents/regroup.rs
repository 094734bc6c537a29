//! What people say of grouping, on top of what [`super::group`] finds: that two incidents are one trouble, or
//! that an entity has one of its own.
//!
//! A merge ends an incident at once and gives its entities to another, as if the root of that one explained
//! them: while it lasts, what is sick of them is its. It makes no act possible. Name, confidence and
//! recommendations stay those of the root, and what only a person brought in is told apart
//! ([`aegis_schemas::Incident::own_severity`], [`aegis_schemas::GroupedBy::Person`]), so that policy judges
//! acts without it. Acts for the incident that ended are judged as ever.
//!
//! A split takes an affected entity, with what it explains, out of an incident into one of its own. The rules
//! do not group the two roots again while either incident is open.
//!
//! Whoever was merged in and is well for a while, or is changed by somebody, is let go: what is wrong with it
//! then is another trouble.
//!
//! What fits nothing (an incident that is unknown, over or the same one, or another whose root is well by now;
//! an entity that is not affected, or the root) changes nothing and is counted.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use aegis_schemas::{Command, CommandBody, Entity, Incident, IncidentId, IncidentPhase, Timestamp};
use serde::{Deserialize, Serialize};

use super::config::seconds;
use super::core::{Core, State};
use super::describe::case;
use super::group::{self, Groups};
use super::open::Resolved;

/// The most pairs that are kept apart; beyond it the oldest is forgotten.
const MAX_APART: usize = 200;

/// Out of which incident an entity was merged, and by whom.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Merged {
    pub(super) from: IncidentId,
    pub(super) by: String,
    at: Timestamp,
    /// Since when nothing is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    well: Option<Timestamp>,
    /// Whether nobody named it: it is sick because of one that was merged.
    follows: bool,
}

impl Merged {
    /// Of one that is sick because of it.
    pub(super) fn follower(&self) -> Self {
        Self {
            follows: true,
            well: None,
            ..self.clone()
        }
    }

    /// Whether its trouble is the other incident's by a person's word.
    pub(super) const fn is_named(&self) -> bool {
        !self.follows
    }

    /// Whether the word no longer holds: it has been well for `patience`, or was changed since.
    fn is_over(
        &mut self,
        now: Timestamp,
        patience: Duration,
        sick: bool,
        changed: Option<Timestamp>,
    ) -> bool {
        if sick {
            self.well = None;
        }
        let well = (!sick).then(|| *self.well.get_or_insert(now));
        well.is_some_and(|since| now.since(since) >= patience)
            || changed.is_some_and(|at| at > self.at)
    }
}

/// Pairs of roots that people split, the newest last.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Apart(VecDeque<(Entity, Entity)>);

impl Apart {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn pairs(&self) -> impl Iterator<Item = &(Entity, Entity)> {
        self.0.iter()
    }

    /// Whether the two are kept apart.
    pub(super) fn holds(&self, one: &Entity, other: &Entity) -> bool {
        let is = |(a, b): &(Entity, Entity)| (a, b) == (one, other) || (a, b) == (other, one);
        self.0.iter().any(is)
    }

    /// An incident has another root by now, which is kept apart from the same ones.
    pub(super) fn moved(&mut self, from: &Entity, to: &Entity) {
        let partner = |(one, other): &(Entity, Entity)| match (one == from, other == from) {
            (true, _) => Some(other.clone()),
            (_, true) => Some(one.clone()),
            _ => None,
        };
        let partners: Vec<Entity> = self.0.iter().filter_map(partner).collect();
        for partner in partners.iter().filter(|partner| *partner != to) {
            self.add(partner, to);
        }
    }

    /// Forgets the pairs of which neither root has an incident that is open.
    pub(super) fn retain(&mut self, is_open: impl Fn(&Entity) -> bool) {
        self.0.retain(|(one, other)| is_open(one) || is_open(other));
    }

    fn add(&mut self, one: &Entity, other: &Entity) {
        self.remove(one, other);
        self.0.push_back((one.clone(), other.clone()));
        if self.0.len() > MAX_APART {
            self.0.pop_front();
        }
    }

    fn remove(&mut self, one: &Entity, other: &Entity) {
        let pair = Self([(one.clone(), other.clone())].into());
        self.0.retain(|(a, b)| !pair.holds(a, b));
    }
}

/// What a person's word asks of the open incidents at once.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// An incident that is over.
    pub(super) over: Option<Incident>,
    /// An entity that is a root of its own, however short it has been sick.
    pub(super) own: Option<Entity>,
}

impl Core {
    /// Takes a person's word in.
    pub(super) fn regroup(&mut self, command: &Command) -> Asked {
        let (over, own) = match &command.body {
            CommandBody::Merge { incident, into } => {
                (self.merge(*incident, *into, &command.actor.name), None)
            }
            CommandBody::Split { incident, entity } => (None, self.split(*incident, entity)),
            _ => return Asked::default(),
        };
        if over.is_none() && own.is_none() {
            self.stats.idle_regroupings += 1;
        }
        Asked { over, own }
    }

    /// The sick entities by root, as the rules and people group them.
    pub(super) fn groups(&self) -> Groups {
        let (config, state) = (&self.config, &self.state);
        let own_cause = |entity: &Entity| case(config, state, entity).suspect_change().is_some();
        let mut groups = group::groups(&state.world, &state.sick, &state.apart, own_cause);
        let is_root = |entity: &Entity| state.open.values().any(|open| open.root == *entity);
        for open in state.open.values() {
            // What is well, or is itself explained by another, explains nothing.
            if open.joined.is_empty() || !groups.contains_key(&open.root) {
                continue;
            }
            let merged = |root: &&Entity| open.takes(root) && !is_root(root);
            let roots: Vec<Entity> = groups.keys().filter(merged).cloned().collect();
            for root in &roots {
                for (entity, mut way) in groups.remove(root).unwrap_or_default() {
                    if way.cut(&entity, Some(&open.root), &state.apart) {
                        group::put(&mut groups, entity, way);
                    } else {
                        way.merged = true;
                        let group = groups.entry(open.root.clone()).or_default();
                        group.insert(entity, way);
                    }
                }
            }
        }
        groups
    }

    /// Lets go of whoever was merged in and has been well for `resolve_after_s`, or was changed since: what is
    /// wrong with them then is a trouble of its own.
    pub(super) fn release(&mut self) {
        let patience = seconds(self.config.resolve_after_s);
        let mut open = std::mem::take(&mut self.state.open);
        let (config, state) = (&self.config, &self.state);
        let changed = |entity: &Entity| Some(case(config, state, entity).suspect_change()?.at);
        for incident in open.values_mut() {
            let members = &mut incident.members;
            incident.joined.retain(|entity, merged| {
                let sick = state.sick.contains_key(entity);
                let over = merged.is_over(state.now, patience, sick, changed(entity));
                if over {
                    members.remove(entity);
                }
                !over
            });
        }
        self.state.open = open;
    }

    /// Ends an incident in favour of another; answers it as it is said for the last time.
    fn merge(&mut self, id: IncidentId, into: IncidentId, by: &str) -> Option<Incident> {
        let State {
            open,
            resolved,
            apart,
            now,
            ..
        } = &mut self.state;
        // Of one whose root is well nothing more is said.
        let lasts = open.get(&into).is_some_and(|into| into.healed.is_none());
        if id == into || !lasts {
            return None;
        }
        let over = open.remove(&id)?;
        let roots: BTreeSet<Entity> = open.values().map(|open| open.root.clone()).collect();
        let stays = open.get_mut(&into)?;
        apart.remove(&over.root, &stays.root);
        for entity in over.members.iter().chain([&over.root]) {
            if roots.contains(entity) {
                continue;
            }
            let merged = over.joined.get(entity).cloned().unwrap_or_else(|| Merged {
                from: id,
                by: by.to_owned(),
                at: *now,
                well: None,
                follows: *entity != over.root,
            });
            stays.members.insert(entity.clone());
            stays.joined.entry(entity.clone()).or_insert(merged);
        }
        stays.unsay();
        let summary = format!(
            "one trouble with {}: `{by}` merged it into {into}",
            stays.root.short()
        );
        resolved.insert(over.root.clone(), Resolved::at(*now, &over));
        Some(Incident {
            phase: IncidentPhase::Resolved,
            summary,
            ..over.last
        })
    }

    /// Takes an entity out of an incident; answers it.
    fn split(&mut self, id: IncidentId, entity: &Entity) -> Option<Entity> {
        let open = self.state.open.get(&id)?;
        let root = open.root.clone();
        let is_sick = self
            .groups()
            .values()
            .any(|group| group.contains_key(entity));
        if !is_sick || *entity == root || !open.members.contains(entity) {
            return None;
        }
        self.state.apart.add(entity, &root);
        let explained = self.groups().remove(entity).unwrap_or_default();
        let goes = |one: &Entity| one == entity || explained.contains_key(one);
        let open = self.state.open.get_mut(&id)?;
        open.members.retain(|member| !goes(member));
        open.joined.retain(|member, _| !goes(member));
        open.unsay();
        // Whoever says that it has a trouble of its own wants to hear of it.
        self.state.muted.remove(entity);
        Some(entity.clone())
    }
}
