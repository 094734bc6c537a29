//! Whether so much goes wrong at once that no act on one workload is the answer.
//!
//! Counted are workloads that fell sick within a short time, each the root of its own incident, well again
//! or not, and nodes that are not ready any more. What was never well did not fall, and what another root
//! explains by now does not count (an incident names at most twenty that it explains; more of them count). A
//! storm begins where either is more than its share. It is over once what fell in it and is sick still, and
//! what is not ready, have been below half of that for a while, and nothing new makes one. Workloads that
//! policy does not know do not count: nothing is done to them anyway.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aegis_schemas::{Entity, Incident, IncidentId, IncidentPhase, Timestamp};
use serde::{Deserialize, Serialize};

use crate::dossier::Dossier;
use crate::rules::StormLimits;
use crate::world::World;

/// Where nobody looked for longer, nobody knows that it was calm.
const UNSEEN: Duration = Duration::from_secs(60);

/// A storm that lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Storm {
    /// Since when, stream time.
    pub since: Timestamp,
    /// How many workloads fell sick together at its worst, and of how many; none if they made no storm.
    pub workloads: Option<(u32, u32)>,
    /// How many nodes were not ready at its worst, and of how many; none if they made no storm.
    pub nodes: Option<(u32, u32)>,
    /// Since when it has been below half; none while it is not.
    calm: Option<Timestamp>,
    /// When was looked last.
    #[serde(default)]
    looked: Timestamp,
}

/// Who fell sick of late, and the storm, while one lasts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Storms {
    pub(crate) lasting: Option<Storm>,
    /// By root, for as long as they count.
    fallen: BTreeMap<Entity, Fallen>,
    /// Who fell in the storm that lasts.
    struck: BTreeSet<Entity>,
}

/// A workload that fell sick.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Fallen {
    at: Timestamp,
    /// Another root explains it since.
    explained: bool,
}

/// How much is wrong.
#[derive(Clone, Copy)]
struct Gauge {
    /// How many fell sick of late.
    sick: u32,
    /// How many of those that fell in the storm are sick still.
    still: u32,
    of: u32,
    /// From how many on it is a storm.
    limit: u32,
}

impl Gauge {
    /// A storm are at least `least` and more than `percent` of all.
    fn new((sick, still): (usize, usize), of: usize, least: u32, percent: u32) -> Self {
        let count = |number| u32::try_from(number).unwrap_or(u32::MAX);
        let share = u64::from(count(of)) * u64::from(percent) / 100;
        Self {
            sick: count(sick),
            still: count(still),
            of: count(of),
            limit: least.max(u32::try_from(share + 1).unwrap_or(u32::MAX)),
        }
    }

    const fn is_storm(self) -> bool {
        self.sick >= self.limit
    }

    /// Whether it is below half of what makes a storm.
    const fn is_calm(self) -> bool {
        self.still < self.limit.div_ceil(2)
    }

    /// The worse of what was and what is.
    fn worst(self, before: Option<(u32, u32)>) -> Option<(u32, u32)> {
        let is_worse = self.is_storm() && before.is_none_or(|(sick, _)| self.sick > sick);
        if is_worse {
            Some((self.sick, self.of))
        } else {
            before
        }
    }
}

impl Storms {
    /// Notes who fell sick, and whom the incident's root explains.
    pub(crate) fn note(&mut self, incident: &Incident, world: &World) {
        let root = &incident.entity;
        // One that comes back was opened long ago, and falls with its new evidence.
        let at = match incident.phase {
            IncidentPhase::Opened => incident.opened.max(incident.newest_evidence),
            IncidentPhase::Updated | IncidentPhase::Resolved => incident.opened,
        };
        let fallen = self.fallen.get(root);
        let known = world.workloads.get(root);
        if known.is_some_and(|known| known.was_well) && fallen.is_none_or(|fallen| fallen.at < at) {
            let explained = false;
            self.fallen.insert(root.clone(), Fallen { at, explained });
        }
        for member in incident.affected.iter().filter(|member| *member != root) {
            if let Some(fallen) = self.fallen.get_mut(member) {
                fallen.explained = true;
            }
        }
    }

    /// Looks whether a storm begins, lasts or is over.
    pub(crate) fn look(
        &mut self,
        world: &World,
        dossiers: &BTreeMap<IncidentId, Dossier>,
        limits: &StormLimits,
        now: Timestamp,
    ) {
        let recent = now - limits.within.0;
        let is_known = |root: &Entity| world.workloads.contains_key(root);
        self.fallen
            .retain(|root, fallen| fallen.at > recent && is_known(root));
        self.struck.retain(is_known);
        let sick = self.fallen.iter().filter(|(_, fallen)| !fallen.explained);
        let sick: Vec<&Entity> = sick.map(|(root, _)| root).collect();
        let open = dossiers.values().map(|dossier| &dossier.incident.entity);
        let still: BTreeSet<&Entity> = open.filter(|root| self.struck.contains(*root)).collect();
        let workloads = Gauge::new(
            (sick.len(), still.len()),
            world.workloads.len(),
            limits.workloads,
            limits.workloads_percent,
        );
        let failed = world.nodes.values().filter(|ready| !**ready).count();
        let nodes = Gauge::new(
            (failed, failed),
            world.nodes.len(),
            limits.nodes,
            limits.nodes_percent,
        );
        self.lasting = Storm::follow(self.lasting, workloads, nodes, limits, now);
        if self.lasting.is_some() {
            self.struck.extend(sick.into_iter().cloned());
        } else {
            self.struck.clear();
        }
    }
}

impl Storm {
    /// What becomes of the storm that lasted `before`, if one did.
    fn follow(
        before: Option<Self>,
        workloads: Gauge,
        nodes: Gauge,
        limits: &StormLimits,
        now: Timestamp,
    ) -> Option<Self> {
        let begins = workloads.is_storm() || nodes.is_storm();
        let mut storm = before.or_else(|| {
            begins.then_some(Self {
                since: now,
                workloads: None,
                nodes: None,
                calm: None,
                looked: now,
            })
        })?;
        storm.workloads = workloads.worst(storm.workloads);
        storm.nodes = nodes.worst(storm.nodes);
        let is_calm = !begins && workloads.is_calm() && nodes.is_calm();
        let seen = storm.calm.filter(|_| now.since(storm.looked) <= UNSEEN);
        storm.calm = is_calm.then(|| seen.unwrap_or(now));
        storm.looked = now;
        let is_over = storm
            .calm
            .is_some_and(|calm| now.since(calm) >= limits.over_after.0);
        (!is_over).then_some(storm)
    }
}
