//! Who sends how much at this moment, and how all pods bear it.

use std::f64::consts::TAU;

use jiff::Timestamp;

use super::World;
use crate::model::{Flow, Process};

/// How long a wave of users lasts, seconds: noise that a mean over a scrape does not smooth away.
const WAVE: i64 = 30;
const DAY: f64 = 86_400.0;

impl World {
    /// Lets the time until `next` pass for all pods.
    pub(super) fn pass(&mut self, next: Timestamp) {
        let second = self.now.as_second();
        let users = self.users(second);
        let conditions = self
            .faults
            .conditions(self.scenario.workloads.len(), self.now);
        let mut pods: Vec<Vec<&mut Process>> = self.specs.iter().map(|_| Vec::new()).collect();
        for pod in self.pods.values_mut() {
            if let Some(place) = pod.place {
                pods[place].push(&mut pod.process);
            }
        }
        let flow = Flow {
            specs: &self.specs,
            order: &self.order,
            conditions: &conditions,
            second,
            span: next.duration_since(self.now).as_secs_f64(),
        };
        self.health = flow.pass(&users, &mut pods);
    }

    /// Requests per second from users to each workload.
    fn users(&mut self, second: i64) -> Vec<f64> {
        let mut users = vec![0.0; self.scenario.workloads.len()];
        let since = (second - self.start.as_second()) as f64;
        for (load, draws) in self.scenario.loads.iter().zip(&mut self.users) {
            let Some(place) = self.scenario.place(&load.to) else {
                continue;
            };
            let day = 1.0 + load.daily * ((since - load.peak.as_secs_f64()) / DAY * TAU).cos();
            let ripple = draws.at(second).normal();
            let wave = draws.at(second / WAVE * WAVE - 1).normal();
            let noise = 1.0 + load.noise * (0.8 * ripple + 0.6 * wave);
            users[place] += load.rps * day * noise.max(0.0);
        }
        users
    }
}
