//! Groups what has one cause: every sick workload is led back to the one whose sickness explains it.
//!
//! Errors and slowness travel from the callee to its callers, a lack or a flood of requests from the
//! caller to its callees, and what the pods of a node share from the node to them. What has an origin of its
//! own (pods that fail, a resource that ran out, a suspect change) is explained by nobody else, so two
//! faults stay two incidents even when one calls the other. What people said last is heard afterwards
//! ([`super::regroup`]).

use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet};

use aegis_schemas::{Entity, GroupedBy};

use super::node;
use super::regroup::Apart;
use super::symptom::{Kind, Symptom};
use super::world::World;

/// The most steps of a way that are told: an incident is one message, however long the chains are.
const MAX_TOLD: usize = 8;

/// The sick entities, with the way that leads each to its root, by root.
pub(super) type Groups = BTreeMap<Entity, Group>;

/// The sick entities that one root explains, itself among them.
pub(super) type Group = BTreeMap<Entity, Way>;

/// How a sick entity is tied to the next one that explains it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tie {
    Calls,
    Node,
    MoreLoad,
    LessLoad,
}

/// The way from a sick entity to its root; without a step it is the root.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Way {
    steps: Vec<(Tie, Entity)>,
    /// From its end on only a person's word leads to the root.
    pub(super) merged: bool,
}

impl Way {
    /// Where it ends.
    pub(super) fn end<'a>(&'a self, start: &'a Entity) -> &'a Entity {
        self.steps.last().map_or(start, |(_, at)| at)
    }

    /// By what it begins; none for the root.
    pub(super) fn by(&self) -> Option<GroupedBy> {
        self.steps.first().map(|(tie, _)| match tie {
            Tie::Calls => GroupedBy::Calls,
            Tie::Node => GroupedBy::Node,
            Tie::MoreLoad | Tie::LessLoad => GroupedBy::Load,
        })
    }

    /// In words; empty for the root.
    pub(super) fn told(&self) -> String {
        let mut told = String::new();
        for (tie, at) in self.steps.iter().take(MAX_TOLD) {
            told += if told.is_empty() { "it " } else { ", which " };
            told += match tie {
                Tie::Calls => "calls ",
                Tie::Node => "has its pods on ",
                Tie::MoreLoad => "gets more requests than usual from ",
                Tie::LessLoad => "gets fewer requests than usual from ",
            };
            told += &at.short();
        }
        if let Some((_, root)) = self.steps.last().filter(|_| self.steps.len() > MAX_TOLD) {
            told += ", and so on to ";
            told += &root.short();
        }
        told
    }

    fn step(&mut self, tie: Tie, to: Entity) {
        self.steps.push((tie, to));
    }

    /// Ends it at `end`, if it passes there.
    fn end_at(&mut self, start: &Entity, end: &Entity) {
        let mut passed = std::iter::once(start).chain(self.steps.iter().map(|(_, at)| at));
        if let Some(end) = passed.position(|at| at == end) {
            self.steps.truncate(end);
        }
    }

    /// Ends it at the first entity that people keep apart from one further on, or from `beyond`, where a
    /// person's word leads; answers whether there is one.
    pub(super) fn cut(&mut self, start: &Entity, beyond: Option<&Entity>, apart: &Apart) -> bool {
        let passed = std::iter::once(start).chain(self.steps.iter().map(|(_, at)| at));
        let passed: Vec<&Entity> = passed.chain(beyond).collect();
        let is_apart = |end: &usize| {
            let further = &passed[end + 1..];
            further.iter().any(|one| apart.holds(passed[*end], one))
        };
        let end = (0..passed.len()).find(is_apart);
        self.steps.truncate(end.unwrap_or(self.steps.len()));
        end.is_some()
    }
}

/// The sick entities by the root that explains them. `own_cause` tells of an entity whether a change
/// of its own would explain it.
pub(super) fn groups(
    world: &World,
    sick: &BTreeMap<Entity, Vec<Symptom>>,
    apart: &Apart,
    own_cause: impl Fn(&Entity) -> bool,
) -> Groups {
    let mut groups = Groups::new();
    // Once for all, and only if the lack or the flood of requests has to be led back.
    let callers = LazyCell::new(|| callers(world));
    let callers = |entity: &Entity| callers.get(entity).into_iter().flatten().copied();
    for entity in sick.keys() {
        if let Some(mut way) = way(world, sick, &callers, &own_cause, entity) {
            way.cut(entity, None, apart);
            put(&mut groups, entity.clone(), way);
        }
    }
    for (one, other) in apart.pairs() {
        part(&mut groups, one, other);
    }
    groups
}

/// Takes `one` out of a group that has `other` as well, with those that it explains: a third explains both.
fn part(groups: &mut Groups, one: &Entity, other: &Entity) {
    let has_both = |group: &Group| group.contains_key(one) && group.contains_key(other);
    let both = groups.iter().find(|(_, group)| has_both(group));
    let Some(root) = both.map(|(root, _)| root.clone()) else {
        return;
    };
    for (entity, mut way) in groups.remove(&root).unwrap_or_default() {
        way.end_at(&entity, one);
        put(groups, entity, way);
    }
}

/// Puts an entity to the root that its way ends at.
pub(super) fn put(groups: &mut Groups, entity: Entity, way: Way) {
    let root = way.end(&entity).clone();
    groups.entry(root).or_default().insert(entity, way);
}

/// Who calls each workload.
fn callers(world: &World) -> BTreeMap<&Entity, Vec<&Entity>> {
    let mut callers: BTreeMap<&Entity, Vec<&Entity>> = BTreeMap::new();
    for (caller, workload) in &world.workloads {
        for callee in &workload.callees {
            callers.entry(callee).or_default().push(caller);
        }
    }
    callers
}

/// Follows sick callees until one is reached that no other explains.
fn way<'a, I: Iterator<Item = &'a Entity>>(
    world: &'a World,
    sick: &BTreeMap<Entity, Vec<Symptom>>,
    callers: &impl Fn(&Entity) -> I,
    own_cause: &impl Fn(&Entity) -> bool,
    start: &Entity,
) -> Option<Way> {
    let is_harmed = |entity: &Entity| {
        sick.get(entity)
            .is_some_and(|all| all.iter().any(|s| s.kind.is_harm()))
    };
    let mut way = Way::default();
    if !is_harmed(start) {
        let symptoms = sick.get(start)?;
        let starved = symptoms.iter().any(|s| s.kind == Kind::LoadLow);
        // A sick callee explains errors in the log, and nobody else what will run out.
        let shows = |kind: Kind| symptoms.iter().any(|s| s.kind == kind);
        let callee = || world.callees(start).find(|callee| is_harmed(callee));
        if let Some(callee) = shows(Kind::LogErrors).then(callee).flatten() {
            let mut on = self::way(world, sick, callers, own_cause, callee)?;
            on.steps.insert(0, (Tie::Calls, callee.clone()));
            return Some(on);
        }
        let caller = callers(start).find(|caller| is_harmed(caller));
        if let Some(caller) = caller.filter(|_| starved) {
            way.step(Tie::LessLoad, caller.clone());
            return Some(way);
        }
        let told = symptoms.iter().any(|s| s.kind.is_told());
        return told.then_some(way);
    }
    let mut seen = BTreeSet::from([start.clone()]);
    loop {
        let at = way.end(start).clone();
        let symptoms = sick.get(&at)?;
        if own_cause(&at) {
            return Some(way);
        }
        let on_sick_node = || node::under(world, &at, symptoms).filter(|node| is_harmed(node));
        if symptoms.iter().any(|s| s.kind.is_intrinsic()) {
            let node = on_sick_node().map(|node| (Tie::Node, node));
            way.steps.extend(node);
            return Some(way);
        }
        let pointed = |callee: &&Entity| {
            symptoms
                .iter()
                .any(|s| s.peer.as_ref().is_some_and(|peer| *peer == callee.name))
        };
        let candidates: Vec<&Entity> = world
            .callees(&at)
            .filter(|callee| is_harmed(callee) && !seen.contains(*callee))
            .collect();
        let next = candidates
            .iter()
            .copied()
            .find(pointed)
            .or_else(|| candidates.first().copied());
        let Some(callee) = next else {
            match on_sick_node() {
                Some(node) => way.step(Tie::Node, node),
                None => way.steps.extend(flooded_by(callers, sick, &is_harmed, &at)),
            }
            return Some(way);
        };
        seen.insert(callee.clone());
        way.step(Tie::Calls, callee.clone());
    }
}

/// A workload that is slow under more requests than usual is led back to the caller that floods it, if
/// that one is sick as well.
fn flooded_by<'a, I: Iterator<Item = &'a Entity>>(
    callers: &impl Fn(&Entity) -> I,
    sick: &BTreeMap<Entity, Vec<Symptom>>,
    is_harmed: &impl Fn(&Entity) -> bool,
    start: &Entity,
) -> Vec<(Tie, Entity)> {
    let is_flooded = |entity: &Entity| {
        sick.get(entity)
            .is_some_and(|all| all.iter().any(|s| s.kind == Kind::LoadHigh))
    };
    let mut at = start.clone();
    let (mut steps, mut harmed) = (Vec::new(), 0);
    let mut seen = BTreeSet::from([start.clone()]);
    while is_flooded(&at) {
        let caller = callers(&at).find(|caller| is_flooded(caller) && !seen.contains(*caller));
        let Some(caller) = caller.cloned() else { break };
        seen.insert(caller.clone());
        steps.push((Tie::MoreLoad, caller.clone()));
        if is_harmed(&caller) {
            harmed = steps.len();
        }
        at = caller;
    }
    steps.truncate(harmed);
    steps
}
