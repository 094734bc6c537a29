//! Groups what has one cause: every sick workload is led back to the one whose sickness explains it.
//!
//! Errors and slowness travel from the callee to its callers, a lack or a flood of requests from the
//! caller to its callees, and what the pods of a node share from the node to them. What has an origin of its
//! own (pods that fail, a resource that ran out, a suspect change) is explained by nobody else, so two
//! faults stay two incidents even when one calls the other.

use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet};

use aegis_schemas::Entity;

use super::node;
use super::symptom::{Kind, Symptom};
use super::world::World;

/// The sick entities by the root that explains them. `own_cause` tells of an entity whether a change
/// of its own would explain it.
pub(super) fn groups(
    world: &World,
    sick: &BTreeMap<Entity, Vec<Symptom>>,
    own_cause: impl Fn(&Entity) -> bool,
) -> BTreeMap<Entity, BTreeSet<Entity>> {
    let mut groups: BTreeMap<Entity, BTreeSet<Entity>> = BTreeMap::new();
    // Once for all, and only if the lack or the flood of requests has to be led back.
    let callers = LazyCell::new(|| callers(world));
    let callers = |entity: &Entity| callers.get(entity).into_iter().flatten().copied();
    for entity in sick.keys() {
        if let Some(root) = root(world, sick, &callers, &own_cause, entity) {
            groups.entry(root).or_default().insert(entity.clone());
        }
    }
    groups
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
fn root<'a, I: Iterator<Item = &'a Entity>>(
    world: &'a World,
    sick: &BTreeMap<Entity, Vec<Symptom>>,
    callers: &impl Fn(&Entity) -> I,
    own_cause: &impl Fn(&Entity) -> bool,
    start: &Entity,
) -> Option<Entity> {
    let is_harmed = |entity: &Entity| {
        sick.get(entity)
            .is_some_and(|all| all.iter().any(|s| s.kind.is_harm()))
    };
    if !is_harmed(start) {
        let symptoms = sick.get(start)?;
        let starved = symptoms.iter().any(|s| s.kind == Kind::LoadLow);
        let caller = callers(start).find(|caller| is_harmed(caller));
        let by = caller.filter(|_| starved).cloned();
        // Nobody else explains what will run out.
        let foretold = symptoms.iter().any(|s| s.kind.is_foretold());
        return by.or_else(|| foretold.then(|| start.clone()));
    }
    let mut at = start.clone();
    let mut seen = BTreeSet::from([at.clone()]);
    loop {
        let symptoms = sick.get(&at)?;
        let on_sick_node = || node::under(world, &at, symptoms).filter(|node| is_harmed(node));
        if own_cause(&at) {
            return Some(at);
        }
        if symptoms.iter().any(|s| s.kind.is_intrinsic()) {
            return Some(on_sick_node().unwrap_or(at));
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
            .or_else(|| candidates.first().copied())
            .cloned();
        match next {
            Some(callee) => {
                seen.insert(callee.clone());
                at = callee;
            }
            None => {
                let node = on_sick_node();
                return Some(node.unwrap_or_else(|| flooded_by(callers, sick, &is_harmed, &at)));
            }
        }
    }
}

/// A workload that is slow under more requests than usual is led back to the caller that floods it, if
/// that one is sick as well.
fn flooded_by<'a, I: Iterator<Item = &'a Entity>>(
    callers: &impl Fn(&Entity) -> I,
    sick: &BTreeMap<Entity, Vec<Symptom>>,
    is_harmed: &impl Fn(&Entity) -> bool,
    start: &Entity,
) -> Entity {
    let is_flooded = |entity: &Entity| {
        sick.get(entity)
            .is_some_and(|all| all.iter().any(|s| s.kind == Kind::LoadHigh))
    };
    let (mut at, mut root) = (start.clone(), start.clone());
    let mut seen = BTreeSet::from([start.clone()]);
    while is_flooded(&at) {
        let caller = callers(&at).find(|caller| is_flooded(caller) && !seen.contains(*caller));
        let Some(caller) = caller.cloned() else { break };
        seen.insert(caller.clone());
        if is_harmed(&caller) {
            root.clone_from(&caller);
        }
        at = caller;
    }
    root
}
