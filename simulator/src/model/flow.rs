//! One moment of all workloads: requests down the call graph, results up.

use super::loss::{PACKETS, Waits};
use super::{Process, Spec};

/// No answer takes longer: callers give up.
pub(super) const TIMEOUT: f64 = 5.0;
/// How long it takes to learn that nobody listens.
const REFUSED: f64 = 0.003;
/// Idle connections, probes and acknowledgements, packets per second.
const CHATTER: f64 = 4.0;
/// How long a container takes to use all the memory that it needs beyond what it starts with, seconds.
const WARMING: f64 = 30.0;
/// From this share of its CPU limit on, a queue no longer grows: it overflows.
const FULL: f64 = 0.95;

/// What faults do to a workload at this moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Conditions {
    /// Requests, as a multiple.
    pub(crate) load: f64,
    /// Service time, as a multiple.
    pub(crate) slow: f64,
    /// CPU per request, as a multiple.
    pub(crate) cpu: f64,
    /// Share of answers that fail.
    pub(crate) errors: f64,
    /// Share of packets to and from it that are lost.
    pub(crate) loss: f64,
    /// Whether its own interfaces lose and count them.
    pub(crate) loss_counted: bool,
    /// Memory without requests, as a multiple.
    pub(crate) memory: f64,
}

impl Default for Conditions {
    fn default() -> Self {
        Self {
            load: 1.0,
            slow: 1.0,
            cpu: 1.0,
            errors: 0.0,
            loss: 0.0,
            loss_counted: false,
            memory: 1.0,
        }
    }
}

/// How a pod or a workload fares.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Health {
    /// Requests per second.
    pub(crate) rps: f64,
    /// CPU that it wants, as a share of its limit.
    pub(crate) utilisation: f64,
    /// Mean latency, seconds.
    pub(crate) latency: f64,
    /// Share of answers that fail.
    pub(crate) error: f64,
}

/// A moment: so long, in that second.
pub(crate) struct Flow<'a> {
    pub(crate) specs: &'a [Spec],
    /// Places, callers first.
    pub(crate) order: &'a [usize],
    pub(crate) conditions: &'a [Conditions],
    /// The second whose randomness counts.
    pub(crate) second: i64,
    /// How long, seconds.
    pub(crate) span: f64,
}

impl Flow<'_> {
    /// Lets the moment pass for all pods (`pods[place]`), with `users[place]` requests per second from
    /// outside. How each workload fares.
    pub(crate) fn pass(&self, users: &[f64], pods: &mut [Vec<&mut Process>]) -> Vec<Health> {
        let demand = self.demand(users, pods);
        let pressure = self.pressure(pods);
        let mut health = vec![Health::default(); self.specs.len()];
        for place in self.order.iter().rev().copied() {
            health[place] = self.workload(place, demand[place], pressure[place], pods, &health);
        }
        health
    }

    /// Requests per second that come to each workload.
    fn demand(&self, users: &[f64], pods: &[Vec<&mut Process>]) -> Vec<f64> {
        let mut demand = users.to_vec();
        for place in self.order.iter().copied() {
            let conditions = &self.conditions[place];
            demand[place] *= conditions.load;
            let spec = &self.specs[place];
            let room: f64 = pods[place]
                .iter()
                .filter(|pod| pod.ready)
                .map(|pod| pod.cpu_limit)
                .sum();
            let wanted = demand[place] * spec.cpu_per_request * conditions.cpu;
            let served = if wanted > 0.0 {
                (room / wanted).min(1.0)
            } else {
                1.0
            };
            for edge in &spec.calls {
                // Of calls that are given up, every second one was never heard.
                let heard = 1.0 - self.waits(place, edge.to).given_up() / 2.0;
                demand[edge.to] += demand[place] * served * edge.per_request * heard;
            }
        }
        demand
    }

    /// What is waited for when `caller` calls `callee`.
    fn waits(&self, caller: usize, callee: usize) -> Waits {
        let kept = [caller, callee].map(|place| 1.0 - self.conditions[place].loss);
        let loss = 1.0 - kept[0] * kept[1];
        if loss > 0.0 {
            Waits::of(loss)
        } else {
            Waits::NONE
        }
    }

    /// Connections to each workload as a share of what it can serve.
    fn pressure(&self, pods: &[Vec<&mut Process>]) -> Vec<f64> {
        let mut open = vec![0.0; self.specs.len()];
        for (place, spec) in self.specs.iter().enumerate() {
            let callers = pods[place].iter().filter(|pod| pod.running).count() as f64;
            for edge in &spec.calls {
                open[edge.to] += callers * edge.connections;
            }
        }
        let capacity = self.specs.iter().map(|spec| spec.connections);
        open.iter()
            .zip(capacity)
            .map(|(open, capacity)| capacity.map_or(0.0, |capacity| open / capacity))
            .collect()
    }

    fn workload(
        &self,
        place: usize,
        demand: f64,
        pressure: f64,
        pods: &mut [Vec<&mut Process>],
        callees: &[Health],
    ) -> Health {
        let ready = pods[place].iter().filter(|pod| pod.ready).count();
        let mut sum = Health::default();
        for pod in &mut pods[place] {
            if !pod.running {
                pod.health = Health::default();
                continue;
            }
            let share = if pod.ready {
                demand / ready as f64
            } else {
                0.0
            };
            self.pod(place, share, pressure, pod, callees);
            if pod.ready {
                sum.rps += pod.health.rps;
                sum.latency += pod.health.latency;
                sum.error += pod.health.error;
                sum.utilisation += pod.health.utilisation;
            }
        }
        if ready == 0 {
            return Health {
                rps: demand,
                utilisation: 0.0,
                latency: REFUSED,
                error: 1.0,
            };
        }
        let count = ready as f64;
        Health {
            rps: sum.rps,
            utilisation: sum.utilisation / count,
            latency: sum.latency / count,
            error: sum.error / count,
        }
    }

    fn pod(&self, place: usize, share: f64, pressure: f64, pod: &mut Process, callees: &[Health]) {
        let (spec, conditions) = (&self.specs[place], &self.conditions[place]);
        let draws = pod.draws.at(self.second);
        let [spread, work, pace, luck, heap] = [(); 5].map(|()| draws.normal());
        let behaviour = pod.behaviour.clone();
        let rps = (share * (1.0 + 0.03 * spread)).max(0.0);

        let per_request = spec.cpu_per_request * conditions.cpu * behaviour.cpu.unwrap_or(1.0);
        let wanted = (spec.idle_cpu + rps * per_request) * (1.0 + 0.02 * work);
        let utilisation = wanted / pod.cpu_limit;
        let rho = utilisation.clamp(0.0, FULL);
        let overflow = (1.0 - 1.0 / utilisation.max(1.0)).max(0.0);

        let slow = conditions.slow * behaviour.slower.unwrap_or(1.0);
        let crowd = 1.0 + 4.0 * (pressure - 0.9).max(0.0);
        let queue = 1.0 + rho * rho / (1.0 - rho);
        let mut latency = spec.service * slow * crowd * queue * (1.0 + 0.03 * pace);
        let crowded_out = (1.0 - 1.0 / pressure.max(1.0)).max(0.0);
        let base = (spec.error_ratio * (1.0 + 0.3 * luck)).max(0.0);
        let mut well = 1.0;
        for error in [
            base,
            conditions.errors,
            behaviour.error_ratio,
            overflow,
            crowded_out,
        ] {
            well *= 1.0 - error.clamp(0.0, 1.0);
        }
        let mut waits = Waits::NONE;
        let mut exchanges = rps;
        for (edge, counted) in spec.calls.iter().zip(&mut pod.counters.calls) {
            let callee = &callees[edge.to];
            let of_call = self.waits(place, edge.to);
            let waited = (callee.latency + of_call.mean()).min(TIMEOUT);
            let failed = 1.0 - (1.0 - callee.error) * (1.0 - of_call.given_up());
            // Those that are turned away at the door call nobody.
            let count = rps * (1.0 - overflow) * edge.per_request * self.span;
            counted.made(count, waited, failed);
            exchanges += rps * (1.0 - overflow) * edge.per_request;
            latency += callee.latency.min(TIMEOUT) * edge.per_request;
            waits = waits.and(of_call, edge.per_request);
            if edge.essential {
                well *= (1.0 - failed).max(0.0).powf(edge.per_request.min(1.0));
            }
        }
        let latency = latency.clamp(0.0005, TIMEOUT);
        let error = 1.0 - well.max(0.0);
        pod.counters.cpu_seconds += wanted.clamp(0.0, pod.cpu_limit) * self.span;
        let count = rps * self.span;
        for (share, delay) in waits.late().filter(|(share, _)| *share > 0.0) {
            let latency = (latency + delay).min(TIMEOUT);
            pod.counters.answer(count * share, latency, error);
        }
        if waits.given_up() > 0.0 {
            let given_up = count * waits.given_up();
            pod.counters.answer(given_up, TIMEOUT, error);
        }
        let latency = (latency + waits.mean()).min(TIMEOUT);
        let packets = (exchanges * PACKETS / 2.0 + CHATTER) * self.span;
        pod.counters.packets += packets * (1.0 - conditions.loss);
        if conditions.loss_counted {
            pod.counters.dropped += packets * conditions.loss;
        }
        pod.leaked += (pod.leak + behaviour.leak * 1_048_576.0 / 60.0) * self.span;
        pod.age += self.span;
        pod.filled += pod.fill * self.span;
        let grown = spec.base_memory * (conditions.memory - 1.0) * (pod.age / WARMING).min(1.0);
        let live = spec.base_memory + grown + spec.memory_per_rps * rps;
        pod.memory = live * (1.0 + 0.005 * heap) + pod.leaked;
        pod.health = Health {
            rps,
            utilisation,
            latency,
            error,
        };
    }
}
