//! An incident as the diagnosis reads recorded ones: the root, what is sick with it and what it calls
//! or is called by, each with what the scorer blames in it and with what is known of its objects.
//!
//! The core keeps no samples. Of a feature it knows what it is, what it used to be and how far off that is;
//! of objects what they are and what they are when all is well.

use std::collections::BTreeSet;

use aegis_schemas::{Blame, Entity};

use super::classify::Case as Sick;
use super::config::Config;
use super::core::State;
use super::describe::case;
use super::objects::Pod;
use super::symptom::restarts_within;
use crate::diagnosis::{Case, Usual};

/// The most entities that are looked at: the root and whoever is nearest to it.
const MAX_ENTITIES: usize = 32;
/// Why a container waits when all is well.
const ORDINARY: [&str; 2] = ["ContainerCreating", "PodInitializing"];

/// Of a share that is zero when all is well.
const NO_SHARE: Usual = Usual {
    level: 0.0,
    scale: 0.1,
};
/// Of something that does not happen when all is well.
const NEVER: Usual = Usual {
    level: 0.0,
    scale: 1.0,
};

/// The incident with that root and those members as of now.
pub(super) fn seen(
    config: &Config,
    state: &State,
    root: &Entity,
    members: &BTreeSet<Entity>,
) -> Case {
    let at = state.now.as_millis().div_euclid(1_000);
    let mut seen = Case {
        detected_at: at,
        ..Case::default()
    };
    let near = near(state, root, members);
    for entity in &near {
        // Two of one name in two namespaces: the nearer one is meant.
        if seen.entities.contains_key(entity.name.as_str()) {
            continue;
        }
        seen.entities
            .insert(entity.name.to_string(), Default::default());
        let episode = state.episodes.get(*entity);
        // There are as many certificates and templates as somebody has names for: a model knows none of them.
        let blamed = episode.iter().flat_map(|one| &one.anomaly.blame);
        let is_named = |blame: &&Blame| {
            let names = ["certificate.", "log_template."];
            names.iter().any(|name| blame.feature.starts_with(name))
        };
        for blame in blamed.filter(|blame| !is_named(blame)) {
            seen.note(
                entity.name.as_str(),
                &blame.feature,
                usual(blame),
                blame.value,
            );
        }
        let alone = episode.is_some_and(|one| one.anomaly.blame.iter().any(|b| b.pod.is_some()));
        seen.note(entity.name.as_str(), "one_pod", NEVER, flag(alone));
        for (metric, usual, value) in objects(&case(config, state, entity)) {
            seen.note(entity.name.as_str(), metric, usual, value);
        }
    }
    for caller in &near {
        let callees = state.world.callees(caller);
        let calls = callees.filter(|callee| near.contains(callee));
        let pair = |callee: &Entity| (caller.name.to_string(), callee.name.to_string());
        seen.calls.extend(calls.map(pair));
    }
    seen
}

/// The root, its members, whom it calls and who calls it; the nearest first, nobody twice.
fn near<'a>(state: &'a State, root: &'a Entity, members: &'a BTreeSet<Entity>) -> Vec<&'a Entity> {
    let world = &state.world;
    let all = std::iter::once(root)
        .chain(members)
        .chain(world.callees(root))
        .chain(world.callers(root));
    let mut near: Vec<&Entity> = Vec::new();
    for entity in all {
        if near.len() < MAX_ENTITIES && !near.contains(&entity) {
            near.push(entity);
        }
    }
    near
}

/// What the scorer holds for usual: as far from the value as the deviation says.
fn usual(blame: &Blame) -> Usual {
    Usual {
        level: blame.expected,
        scale: (blame.value - blame.expected).abs() / blame.deviation.abs().max(1.0),
    }
}

/// What Kubernetes says of a workload, and what was changed of late.
fn objects(sick: &Sick<'_>) -> Vec<(&'static str, Usual, f64)> {
    let Some(workload) = sick.workload() else {
        return Vec::new();
    };
    let (world, now) = (sick.world, sick.now);
    let pods: Vec<&Pod> = world.pods_of(sick.root).map(|(_, pod)| pod).collect();
    let recently = |pod: &Pod| restarts_within(pod, now, sick.config.restart_window_s);
    let share = |count: usize| count as f64 / pods.len().max(1) as f64;
    let count = |is: &dyn Fn(&Pod) -> bool| pods.iter().filter(|pod| is(pod)).count();
    let restarts: usize = pods.iter().map(|pod| recently(pod)).sum();
    let killed = |pod: &Pod| {
        let end = pod.state.terminated.as_ref();
        end.is_some_and(|end| end.reason == "OOMKilled") && recently(pod) > 0
    };
    let waiting = |pod: &Pod| {
        let why = pod.state.waiting.as_deref();
        why.is_some_and(|why| !ORDINARY.contains(&why))
    };
    let pressed = |pod: &Pod| world.has_problem(sick.root, pod, "DiskPressure");
    let before = f64::from(workload.usual_replicas(now).max(1));
    vec![
        (
            "replicas_ratio",
            Usual {
                level: 1.0,
                scale: 0.1,
            },
            f64::from(workload.state.replicas) / before,
        ),
        (
            "unready_ratio",
            NO_SHARE,
            share(count(&|pod| !pod.state.ready)),
        ),
        ("waiting_ratio", NO_SHARE, share(count(&waiting))),
        ("restarts", NEVER, restarts as f64),
        ("oom_kills", NEVER, count(&killed) as f64),
        (
            "evicted_pods",
            NEVER,
            world.ended_pods_of(sick.root).count() as f64,
        ),
        ("disk_pressure_ratio", NO_SHARE, share(count(&pressed))),
        (
            "template_change",
            NEVER,
            flag(sick.suspect_change().is_some()),
        ),
        (
            "configuration_change",
            NEVER,
            flag(sick.configuration_change().is_some()),
        ),
        (
            "fewer_replicas",
            NEVER,
            flag(sick.fewer_replicas().is_some()),
        ),
    ]
}

fn flag(is: bool) -> f64 {
    f64::from(u8::from(is))
}
