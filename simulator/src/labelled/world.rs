//! The world of an incident: workloads, calls, load, and what happens in it beside the fault.

use std::collections::BTreeMap;
use std::time::Duration;

use super::dice::Dice;
use super::{exactly, fault};
use crate::scenario::{
    Behaviour, Call, Effect, Fault, Load, Namespace, Scenario, Workload, WorkloadKind,
};

/// How long all is well before the scenario's start: baselines need half an hour.
const HISTORY: Duration = Duration::from_secs(2_400);
/// What a name is made of.
const SYLLABLES: [&str; 16] = [
    "ba", "co", "di", "fe", "gu", "ka", "lo", "mi", "na", "po", "ra", "su", "ti", "ve", "wo", "zu",
];
const LIMITS: [(&str, f64); 4] = [("250m", 0.25), ("500m", 0.5), ("1", 1.0), ("2", 2.0)];
const MEMORY_MIB: [f64; 4] = [128.0, 256.0, 512.0, 1024.0];
/// An image of every workload that starts like the one before, and works.
pub(super) const NEXT: &str = "next";

/// The namespace that everything is in.
pub(super) const NAMESPACE: &str = "shop";

/// A world without faults.
pub(super) fn draw(dice: &Dice) -> Scenario {
    let count = dice.whole("workloads", 3, 8) as usize;
    let names = names(dice, count);
    let calls = calls(dice, &names);
    let rps = dice.scaled("rps", 30.0, 250.0);
    let demand = demand(&calls, &names, rps);
    let workloads = (0..count).map(|place| workload(dice, place, &names, &calls, demand[place]));
    Scenario {
        name: "incident".to_owned(),
        description: "one thing goes wrong".to_owned(),
        length: Duration::from_secs(3_600),
        history: HISTORY,
        hold: Duration::from_secs(60),
        pace: Duration::from_secs(1),
        most_incidents: None,
        nodes: dice.whole("nodes", 2, 5),
        namespaces: vec![Namespace {
            name: NAMESPACE.to_owned(),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
        }],
        loads: vec![Load {
            to: format!("{NAMESPACE}/{}", names[0]),
            rps,
            daily: dice.between("daily", 0.0, 0.5),
            peak: Duration::from_secs_f64(dice.between("peak", 0.0, 86_400.0).round()),
            noise: dice.scaled("noise", 0.02, 0.2),
        }],
        workloads: workloads.collect(),
        faults: Vec::new(),
        expect: Vec::new(),
    }
}

fn names(dice: &Dice, count: usize) -> Vec<String> {
    let mut names: Vec<String> = Vec::with_capacity(count);
    for place in 0..count {
        let syllables = dice.whole(&format!("syllables {place}"), 2, 3);
        let name = (0..syllables)
            .map(|number| *dice.pick(&format!("syllable {place} {number}"), &SYLLABLES));
        let mut name: String = name.collect();
        if names.contains(&name) {
            name = format!("{name}-{place}");
        }
        names.push(name);
    }
    names
}

/// Who calls whom: everybody but the first is called by somebody before, some by two.
fn calls(dice: &Dice, names: &[String]) -> Vec<Vec<Call>> {
    let mut calls = vec![Vec::new(); names.len()];
    for (place, name) in names.iter().enumerate().skip(1) {
        let first = dice.whole(&format!("caller {place}"), 0, place as u32 - 1);
        let second = dice.whole(&format!("second caller {place}"), 0, place as u32 - 1);
        let twice = second != first && dice.chance(&format!("called twice {place}"), 0.3);
        for caller in [Some(first), twice.then_some(second)].into_iter().flatten() {
            let edge = format!("edge {caller} {place}");
            calls[caller as usize].push(Call {
                to: name.clone(),
                per_request: dice.scaled(&format!("{edge} calls"), 0.2, 1.5),
                connections: 0.0,
                essential: dice.chance(&format!("{edge} essential"), 0.8),
            });
        }
    }
    calls
}

/// Requests per second of each.
fn demand(calls: &[Vec<Call>], names: &[String], rps: f64) -> Vec<f64> {
    let mut demand = vec![0.0; names.len()];
    demand[0] = rps;
    for place in 0..names.len() {
        for call in &calls[place] {
            if let Some(to) = names.iter().position(|name| *name == call.to) {
                demand[to] += demand[place] * call.per_request;
            }
        }
    }
    demand
}

fn workload(
    dice: &Dice,
    place: usize,
    names: &[String],
    calls: &[Vec<Call>],
    demand: f64,
) -> Workload {
    let of = |what: &str| format!("{what} {place}");
    let replicas = dice.whole(&of("replicas"), 2, 6);
    let (cpu, cores) = *dice.pick(&of("cpu"), &LIMITS);
    let memory = *dice.pick(&of("memory"), &MEMORY_MIB);
    let busy = dice.between(&of("busy"), 0.1, 0.5);
    let share = demand / f64::from(replicas);
    let base = dice.between(&of("base memory"), 0.25, 0.55) * memory;
    // The first pod that is ready bears the load of all.
    let live = dice.between(&of("live memory"), 0.005, 0.03) * memory;
    let last = place + 1 == names.len();
    Workload {
        name: names[place].clone(),
        namespace: NAMESPACE.to_owned(),
        kind: if last && dice.chance(&of("stateful"), 0.5) {
            WorkloadKind::StatefulSet
        } else {
            WorkloadKind::Deployment
        },
        replicas,
        image: format!("{}:1", names[place]),
        env: BTreeMap::new(),
        config: BTreeMap::new(),
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        cpu: cpu.to_owned(),
        memory: format!("{memory}Mi"),
        service_time: Duration::from_secs_f64(dice.scaled(&of("service"), 0.003, 0.06)),
        cpu_per_request: busy * cores / share.max(0.1),
        idle_cpu: 0.01,
        base_memory: format!("{base:.1}Mi"),
        memory_per_rps: live / share.max(0.1),
        error_ratio: dice.scaled(&of("errors"), 0.0001, 0.005),
        start: Duration::from_secs(u64::from(dice.whole(&of("start"), 1, 20))),
        connections: None,
        calls: calls[place].clone(),
        versions: Vec::new(),
    }
}

/// What happens beside the fault on the workload at `place`, which begins at `onset`: a rollout that goes
/// well, a wave of users, one replica more.
pub(super) fn harmless(
    dice: &Dice,
    scenario: &Scenario,
    place: usize,
    onset: Duration,
) -> Vec<Fault> {
    let count = scenario.workloads.len();
    let other = |name: &str| (place + 1 + dice.whole(name, 0, count as u32 - 2) as usize) % count;
    let before = |name: &str, most: f64| {
        onset.saturating_sub(Duration::from_secs_f64(
            dice.between(name, 0.0, most).round(),
        ))
    };
    let mut faults = Vec::new();
    if dice.chance("good rollout", 0.4) {
        let target = &scenario.workloads[other("good rollout of")];
        let effect = Effect::Deploy {
            image: Some(format!("{}:{NEXT}", target.name)),
            env: BTreeMap::new(),
            config: BTreeMap::new(),
            memory: None,
        };
        let at = before("good rollout at", 300.0);
        faults.push(fault("good-rollout", &target.path(), at, None, effect));
    }
    if dice.chance("wave", 0.5) {
        let effect = Effect::Load {
            factor: exactly(dice.between("wave of", 0.8, 1.3)),
            ramp: Duration::from_secs(60),
        };
        let length = Duration::from_secs_f64(dice.between("wave for", 200.0, 600.0).round());
        let at = before("wave at", 300.0);
        let target = scenario.workloads[0].path();
        faults.push(fault("wave", &target, at, Some(length), effect));
    }
    if dice.chance("one more", 0.2) {
        let target = &scenario.workloads[other("one more of")];
        let replicas = target.replicas + 1;
        let at = before("one more at", 300.0);
        let effect = Effect::ScaleTo { replicas };
        faults.push(fault("one-more", &target.path(), at, None, effect));
    }
    faults
}

/// A version of the workload at `place` that behaves like that, by the name of its image.
pub(super) fn add_version(scenario: &mut Scenario, place: usize, behaviour: Behaviour) -> String {
    let workload = &mut scenario.workloads[place];
    let image = format!("{}:2", workload.name);
    workload.versions.push(crate::scenario::Version {
        image: Some(image.clone()),
        env: BTreeMap::new(),
        config: BTreeMap::new(),
        behaviour,
    });
    image
}
