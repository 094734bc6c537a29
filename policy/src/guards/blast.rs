//! The blast radius: what may be at risk at once, reserved when an act is decided.
//!
//! Counted are ready pods that an act may take down: pods that are down already cost nothing, so a rollback
//! of a broken rollout and the restart of a pod that is not ready are always possible. Of a rollback
//! only ready pods that are not at the healthy revision are at risk, a quarter of the workload at most
//! (`maxUnavailable`), of a restart of all pods a quarter, of a scale the ready pods that it takes away.
//! An act and its undo are never under way together, so they share one reservation.

use aegis_schemas::{Action, Target, Timestamp};

use super::words;
use crate::acts::{Act, Standing};
use crate::judge::{Case, View};
use crate::objection::{Effect, Objection};
use crate::world::{World, count};

/// Ready pods that an act may take down at once.
pub(crate) fn at_risk(world: &World, action: &Action, target: &Target) -> u32 {
    let Some(workload) = world.workloads.get(&target.workload) else {
        return 0;
    };
    let quarter = (workload.pods() / 4).max(1);
    match action {
        Action::RestartPod { .. } => {
            u32::from(world.pods.get(&target.entity).is_some_and(|pod| pod.ready))
        }
        Action::RolloutRestart | Action::RestoreTemplate { .. } => {
            quarter.min(count(workload.ready))
        }
        Action::Rollback { template_hash, .. } => {
            let there = workload.ready_of.get(template_hash).copied().unwrap_or(0);
            let elsewhere = workload.ready.saturating_sub(there);
            quarter.min(count(elsewhere))
        }
        Action::Scale { replicas, .. } => count(workload.ready.saturating_sub(*replicas)),
    }
}

pub(super) fn check(view: &View<'_>, case: &Case<'_>) -> Option<Objection> {
    let (world, limits) = (&view.state.world, &view.settings().blast);
    let workload = &case.target.workload;
    let wanted = at_risk(world, case.action, case.target);
    let held = held(view);

    let share = |pods: u32, percent: u32| (u64::from(pods) * u64::from(percent) / 100).max(1);
    let pods = world
        .workloads
        .get(workload)
        .map_or(0, crate::world::Workload::pods);
    let in_namespace = world.pods_in_namespace_of(workload);
    let budgets = [
        (
            format!("{}'s {pods} pods", workload.short()),
            share(pods, limits.workload_percent),
            taken(&held, |act| act.workload() == workload),
        ),
        (
            format!("the namespace's {in_namespace} pods"),
            share(in_namespace, limits.namespace_percent),
            taken(&held, |act| act.workload().namespace == workload.namespace),
        ),
    ];
    for (of, limit, (taken, frees)) in budgets {
        let wanted = u64::from(wanted);
        if wanted == 0 || taken + wanted <= limit {
            continue;
        }
        if wanted > limit {
            let text = format!("{wanted} ready pods would be at risk, {limit} of {of} may be");
            return Some(Objection::new(
                Effect::Escalate,
                "blast-radius",
                text,
                "a larger share in `settings.toml`, or a person does it",
            ));
        }
        let text = format!(
            "{wanted} ready pods would be at risk beside {taken} of late, {limit} of {of} may be in {}",
            words(limits.window.0)
        );
        return Some(over(view, text, frees));
    }
    let acts = u32::try_from(held.len()).unwrap_or(u32::MAX);
    if acts >= limits.acts_per_cluster {
        let frees = held.iter().map(|(_, until)| *until).min();
        let text = format!(
            "{acts} acts in the cluster within {}, {} are allowed",
            words(limits.window.0),
            limits.acts_per_cluster
        );
        return Some(over(view, text, frees));
    }
    None
}

/// How many more acts the cluster may see at once, and how many in all.
pub(crate) fn left(view: &View<'_>) -> (u32, u32) {
    let held = u32::try_from(held(view).len()).unwrap_or(u32::MAX);
    let all = view.settings().blast.acts_per_cluster;
    (all.saturating_sub(held), all)
}

/// The acts whose reservations stand, and until when.
fn held<'a>(view: &View<'a>) -> Vec<(&'a Act, Timestamp)> {
    let acts = view.state.acts.iter();
    acts.filter_map(|act| Some((act, held_until(view, act)?)))
        .collect()
}

fn over(view: &View<'_>, text: String, frees: Option<Timestamp>) -> Objection {
    let objection = |flip| Objection::deny("blast-radius", text, flip);
    match frees.filter(|frees| *frees > view.now) {
        Some(frees) => objection(format!("wait {}", words(frees.since(view.now)))).until(frees),
        None => objection("the verdicts on the acts under way".to_owned()).passing(),
    }
}

/// How many pods are taken of a budget, and when the first of them are free again.
fn taken(held: &[(&Act, Timestamp)], of: impl Fn(&Act) -> bool) -> (u64, Option<Timestamp>) {
    let of: Vec<_> = held
        .iter()
        .filter(|(act, _)| act.at_risk > 0 && of(act))
        .collect();
    let pods = of.iter().map(|(act, _)| u64::from(act.at_risk)).sum();
    (pods, of.iter().map(|(_, until)| *until).min())
}

/// Until when an act's reservation stands, if it does: for the window, and while the act or its undo has no
/// verdict. An undo has none of its own.
fn held_until(view: &View<'_>, act: &Act) -> Option<Timestamp> {
    if act.undo_of.is_some() || !act.counts() {
        return None;
    }
    let (settings, now) = (view.settings(), view.now);
    let undo = act.undone_by.and_then(|id| view.state.acts.get(id));
    let decided = undo.map_or(act.decided, |undo| undo.decided.max(act.decided));
    let end = decided + settings.blast.window.0;
    let pending = [Some(act), undo]
        .into_iter()
        .flatten()
        .any(|act| act.standing(settings, now) == Standing::Pending);
    (pending || end > now).then_some(end)
}
