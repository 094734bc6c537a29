//! Whether so much goes wrong at once that no act on one workload is the answer.
//!
//! Counted are workloads that got sick within a short time, each the root of its own incident, well again
//! or not, and nodes that are not ready any more. What another root explains by now does not count. A storm
//! begins where either is more than its share. It is over once what got sick in it and still is, and what
//! is not ready, have been below half of that for a while. Workloads that policy does not know do not
//! count: nothing is done to them anyway.

use std::collections::{BTreeMap, BTreeSet};

use aegis_schemas::{Entity, Incident, IncidentId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::dossier::Dossier;
use crate::rules::StormLimits;
use crate::world::World;

/// A storm that lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Storm {
    /// Since when, stream time.
    pub since: Timestamp,
    /// How many workloads got sick together at its worst, and of how many; none if they made no storm.
    pub workloads: Option<(u32, u32)>,
    /// How many nodes were not ready at its worst, and of how many; none if they made no storm.
    pub nodes: Option<(u32, u32)>,
    /// Since when it has been below half; none while it is not.
    calm: Option<Timestamp>,
}

/// Who got sick of late, and the storm, while one lasts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Storms {
    pub(crate) lasting: Option<Storm>,
    /// By root; as many as there are workloads at most, for as long as they count.
    fallen: BTreeMap<Entity, Fallen>,
}

/// A workload that got sick.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Fallen {
    at: Timestamp,
    /// Another root explains it since.
    explained: bool,
}

/// How much is wrong.
#[derive(Clone, Copy)]
struct Gauge {
    /// How many got sick of late.
    sick: u32,
    /// How many of those that got sick since the storm began are so still.
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
    /// Notes who got sick, and whom the incident's root explains.
    pub(crate) fn note(&mut self, incident: &Incident, world: &World) {
        let (root, at) = (&incident.entity, incident.opened);
        let fallen = self.fallen.get(root);
        if fallen.is_none_or(|fallen| fallen.at < at) && world.workloads.contains_key(root) {
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
        let open = |after: Timestamp| {
            let incidents = dossiers.values().map(|dossier| &dossier.incident);
            let roots = incidents.filter(move |incident| incident.opened > after);
            let roots = roots.map(|incident| &incident.entity);
            roots.filter(|root| is_known(root))
        };
        let over = self.fallen.iter().filter(|(_, fallen)| !fallen.explained);
        let sick: BTreeSet<&Entity> = over.map(|(root, _)| root).chain(open(recent)).collect();
        let since = self.lasting.map_or(now, |storm| storm.since);
        let still: BTreeSet<&Entity> = open(since - limits.within.0).collect();
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
            })
        })?;
        storm.workloads = workloads.worst(storm.workloads);
        storm.nodes = nodes.worst(storm.nodes);
        // Counted from when it was first seen to be calm: where nobody looked nobody knows.
        let is_calm = workloads.is_calm() && nodes.is_calm();
        storm.calm = is_calm.then(|| storm.calm.unwrap_or(now));
        (storm.ends(limits, now) > now || !is_calm).then_some(storm)
    }

    /// When it is over at the earliest.
    pub(crate) fn ends(&self, limits: &StormLimits, now: Timestamp) -> Timestamp {
        self.calm.unwrap_or(now) + limits.over_after.0
    }
}
