//! The one thing that goes wrong, by kind.

use std::collections::BTreeMap;
use std::time::Duration;

use super::dice::Dice;
use super::exactly;
use super::world::add_version;
use crate::quantity;
use crate::scenario::{Behaviour, Effect, Scenario, Which, Workload};

const MIB: f64 = 1_048_576.0;
/// What one pod can write before its node is under pressure, MiB.
const DISK_ROOM_MIB: f64 = 70.0 * 1024.0;

/// What goes wrong with the workload at `place`.
pub(super) struct Trouble {
    pub(super) place: usize,
    pub(super) effect: Effect,
}

/// Draws it; versions and connections that it needs are added to the scenario.
pub(super) fn draw(dice: &Dice, kind: &str, scenario: &mut Scenario) -> Trouble {
    let count = scenario.workloads.len() as u32;
    let any = dice.whole("target", 0, count - 1) as usize;
    // Everybody but the first is called by somebody.
    let called = dice.whole("target", 1, count - 1) as usize;
    let front = 0;
    let (place, effect) = match kind {
        "cpu_saturation" => (any, cpu_hog(dice, scenario, any)),
        "memory_leak" => (any, leak(dice, &scenario.workloads[any])),
        "oom_limit_too_low" => (any, out_of_memory(dice, &scenario.workloads[any])),
        "crash_loop" => {
            let effect = Effect::CorruptPod {
                exit_code: 1,
                pods: which(dice),
            };
            (any, effect)
        }
        "bad_rollout" => (any, bad_rollout(dice, scenario, any)),
        "dependency_latency" => (called, slow(dice, &scenario.workloads[called])),
        "error_spike" => {
            let ratio = exactly(dice.scaled("ratio", 0.03, 0.6));
            (any, Effect::Errors { ratio })
        }
        "network_loss" => {
            let effect = Effect::Loss {
                ratio: exactly(dice.scaled("ratio", 0.03, 0.4)),
                // As often on the way between nodes, where no interface of a pod counts it.
                counted: dice.chance("counted", 0.5),
            };
            (called, effect)
        }
        "disk_pressure" => {
            let minutes = dice.scaled("minutes", 4.0, 20.0);
            let effect = Effect::Fill {
                mib_per_minute: exactly(DISK_ROOM_MIB / minutes),
                pods: which(dice),
            };
            (any, effect)
        }
        "load_spike" => (front, load(dice, dice.scaled("factor", 1.6, 4.0))),
        "traffic_drop" => (front, load(dice, dice.scaled("factor", 0.05, 0.6))),
        _ => unknown(dice, scenario, (any, called)),
    };
    Trouble { place, effect }
}

fn which(dice: &Dice) -> Which {
    if dice.chance("all pods", 0.4) {
        Which::All
    } else {
        Which::One
    }
}

fn ramp(dice: &Dice) -> Duration {
    Duration::from_secs_f64(dice.between("ramp", 0.0, 180.0).round())
}

/// Each request costs so much more that the limit is near or passed.
fn cpu_hog(dice: &Dice, scenario: &Scenario, place: usize) -> Effect {
    let wanted = dice.between("utilisation", 0.8, 1.6);
    let factor = (wanted / busy(scenario, place)).max(1.3);
    Effect::CpuHog {
        factor: exactly(factor),
    }
}

/// Its CPU as a share of the limit on an ordinary day.
fn busy(scenario: &Scenario, place: usize) -> f64 {
    let mut demand = vec![0.0; scenario.workloads.len()];
    demand[0] = scenario.loads.first().map_or(0.0, |load| load.rps);
    for caller in 0..demand.len() {
        for call in &scenario.workloads[caller].calls {
            let to = format!("{}/{}", scenario.workloads[caller].namespace, call.to);
            if let Some(to) = scenario.place(&to) {
                demand[to] += demand[caller] * call.per_request;
            }
        }
    }
    let workload = &scenario.workloads[place];
    let limit = quantity::parse(&workload.cpu).unwrap_or(1.0);
    let used = demand[place] * workload.cpu_per_request;
    (used / (f64::from(workload.replicas) * limit)).max(0.01)
}

/// Memory that is gone within minutes to half an hour.
fn leak(dice: &Dice, workload: &Workload) -> Effect {
    let (limit, base) = memory(workload);
    let minutes = dice.scaled("minutes", 4.0, 30.0);
    Effect::Leak {
        mib_per_minute: exactly((limit - base) / MIB / minutes),
        pods: which(dice),
    }
}

/// A limit that somebody lowers below what is needed, or a need that grows beyond the limit.
fn out_of_memory(dice: &Dice, workload: &Workload) -> Effect {
    let (limit, base) = memory(workload);
    if dice.chance("lowered", 0.5) {
        let lowered = base * dice.between("of the need", 0.6, 1.0) / MIB;
        return Effect::Deploy {
            image: None,
            env: BTreeMap::new(),
            config: BTreeMap::new(),
            memory: Some(format!("{lowered:.0}Mi")),
        };
    }
    Effect::Grow {
        factor: exactly(limit / base * dice.between("over the limit", 1.0, 1.4)),
        ramp: Duration::from_secs_f64(dice.between("ramp", 0.0, 400.0).round()),
    }
}

/// Its memory limit and what it needs without requests, bytes.
fn memory(workload: &Workload) -> (f64, f64) {
    let bytes = |text: &str| quantity::parse(text).unwrap_or(MIB);
    (bytes(&workload.memory), bytes(&workload.base_memory))
}

/// A new version with one of five defects.
fn bad_rollout(dice: &Dice, scenario: &mut Scenario, place: usize) -> Effect {
    let mut behaviour = Behaviour::default();
    match dice.whole("defect", 0, 4) {
        0 => behaviour.crash = Some(1),
        1 => behaviour.never_ready = true,
        2 => behaviour.error_ratio = dice.scaled("ratio", 0.04, 0.7),
        3 => behaviour.slower = Some(dice.scaled("slower", 2.5, 12.0)),
        _ => {
            let wanted = dice.between("utilisation", 0.8, 1.6);
            behaviour.cpu = Some((wanted / busy(scenario, place)).max(1.5));
        }
    }
    deploy(add_version(scenario, place, behaviour))
}

fn deploy(image: String) -> Effect {
    Effect::Deploy {
        image: Some(image),
        env: BTreeMap::new(),
        config: BTreeMap::new(),
        memory: None,
    }
}

/// Answers take from a few times to many times as long, and at least 30 ms more.
fn slow(dice: &Dice, workload: &Workload) -> Effect {
    let least = 1.0 + 0.03 / workload.service_time.as_secs_f64();
    Effect::Slow {
        factor: exactly(dice.scaled("factor", 3.0, 25.0).max(least)),
    }
}

fn load(dice: &Dice, factor: f64) -> Effect {
    Effect::Load {
        factor: exactly(factor),
        ramp: ramp(dice),
    }
}

/// Something that none of the kinds names.
fn unknown(dice: &Dice, scenario: &mut Scenario, (any, called): (usize, usize)) -> (usize, Effect) {
    match dice.whole("what", 0, 3) {
        0 => (called, Effect::ScaleTo { replicas: 0 }),
        1 => (any, Effect::ScaleTo { replicas: 1 }),
        2 => {
            let behaviour = Behaviour {
                unpullable: true,
                ..Behaviour::default()
            };
            (any, deploy(add_version(scenario, any, behaviour)))
        }
        _ => crowd(dice, scenario, called),
    }
}

/// A caller of the workload at `place` gets twice the replicas, and with them more connections than the
/// workload can serve.
fn crowd(dice: &Dice, scenario: &mut Scenario, place: usize) -> (usize, Effect) {
    const OF_EACH: f64 = 10.0;
    let name = scenario.workloads[place].name.clone();
    let calls = |one: &Workload| one.calls.iter().position(|call| call.to == name);
    let mut callers = scenario.workloads.iter().enumerate();
    let found = callers.find_map(|(caller, one)| Some((caller, calls(one)?)));
    let (caller, call) = found.unwrap_or_default();
    let one = &mut scenario.workloads[caller];
    if let Some(call) = one.calls.get_mut(call) {
        call.connections = OF_EACH;
    }
    let replicas = one.replicas * 2;
    let open = OF_EACH * f64::from(replicas);
    scenario.workloads[place].connections = Some(open * dice.between("pool", 0.55, 0.85));
    (caller, Effect::ScaleTo { replicas })
}
