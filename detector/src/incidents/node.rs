//! What a sick node explains: the pods on it get less of what they share than they need.

use std::collections::BTreeSet;

use aegis_schemas::{CauseKind, Entity, EntityKind, FailureKind};

use super::classify::{Case, Diagnosis};
use super::objects::Pod;
use super::symptom::{Kind, Symptom};
use super::world::World;

/// The node that a pod of `workload` is on.
pub(super) fn of(workload: &Entity, pod: &Pod) -> Option<Entity> {
    let name = pod.state.node.clone()?;
    let cluster = workload.cluster.clone();
    Some(Entity::cluster_scoped(cluster, EntityKind::Node, name))
}

/// The one node that all pods with `symptoms` are on, if a node can bring those about. Where a symptom names
/// no pod, all pods of the workload count. More requests than usual are no node's doing: they may be what fills it.
pub(super) fn under(world: &World, workload: &Entity, symptoms: &[Symptom]) -> Option<Entity> {
    let is_load = |symptom: &Symptom| symptom.kind == Kind::LoadHigh;
    let harms = || symptoms.iter().filter(|symptom| symptom.kind.is_harm());
    if symptoms.iter().any(is_load) || !harms().all(|symptom| symptom.kind.may_be_its_nodes()) {
        return None;
    }
    // What names no pod may come from each of them.
    let named: BTreeSet<&Entity> = if harms().any(|symptom| symptom.pods.is_empty()) {
        BTreeSet::new()
    } else {
        harms().flat_map(|symptom| &symptom.pods).collect()
    };
    let pods = world.pods_of(workload);
    let mut nodes = pods
        .filter(|(entity, _)| named.is_empty() || named.contains(entity))
        .map(|(_, pod)| of(workload, pod));
    let first = nodes.next()??;
    let all = nodes.all(|node| node.as_ref() == Some(&first));
    all.then_some(first)
}

/// The failure of a node that runs out of what its pods share. It has no template, no replicas and no
/// leak of its own, and nothing in the catalogue is done to it.
pub(super) fn runs_out(case: &Case<'_>) -> Option<Diagnosis> {
    let is_node = case.root.kind == EntityKind::Node;
    let symptom = case.get(Kind::Cpu).or_else(|| case.get(Kind::Memory));
    let symptom = symptom.filter(|_| is_node)?;
    let kind = if symptom.kind == Kind::Cpu {
        FailureKind::CpuSaturation
    } else {
        FailureKind::Unknown
    };
    let because = vec![symptom.text.clone()];
    Some(case.diagnosis(kind, CauseKind::ExhaustedResource, 800, because))
}
