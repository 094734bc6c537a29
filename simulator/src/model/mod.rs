//! What workloads make of their load: a pure model of queues, calls, CPU and memory.
//!
//! Requests run down the call graph, results run up again. Near its CPU limit a pod queues, beyond it
//! requests fail; a callee that is slow or fails makes its callers slow or fail.

mod counters;
mod flow;
mod loss;
mod spec;

pub(crate) use counters::{BUCKETS, Counters};
pub(crate) use flow::{Conditions, Flow, Health};
pub(crate) use spec::Spec;

use std::sync::Arc;

use crate::draw::Draws;
use crate::scenario::Behaviour;

/// The model of one pod.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    /// The CPU limit, cores.
    pub(crate) cpu_limit: f64,
    /// The memory limit, bytes.
    pub(crate) memory_limit: f64,
    /// How its version behaves.
    pub(crate) behaviour: Arc<Behaviour>,
    /// Whether its container runs.
    pub(crate) running: bool,
    /// Whether requests come to it.
    pub(crate) ready: bool,
    /// Memory that a fault makes it lose, bytes per second.
    pub(crate) leak: f64,
    /// Memory that it has lost, bytes.
    pub(crate) leaked: f64,
    /// Memory that it uses, bytes.
    pub(crate) memory: f64,
    /// What a fault makes it write to its node's disk, bytes per second.
    pub(crate) fill: f64,
    /// What its container has written to its node's disk, bytes.
    pub(crate) filled: f64,
    /// How long its container has been running, seconds.
    pub(crate) age: f64,
    /// How it fares at this moment.
    pub(crate) health: Health,
    /// What it has counted since its container started.
    pub(crate) counters: Counters,
    draws: Draws,
}

impl Process {
    pub(crate) fn new(
        seed: u64,
        name: &str,
        cpu_limit: f64,
        memory_limit: f64,
        calls: usize,
    ) -> Self {
        Self {
            cpu_limit,
            memory_limit,
            behaviour: Arc::default(),
            running: false,
            ready: false,
            leak: 0.0,
            leaked: 0.0,
            memory: 0.0,
            fill: 0.0,
            filled: 0.0,
            age: 0.0,
            health: Health::default(),
            counters: Counters::new(calls),
            draws: Draws::new(seed, name),
        }
    }

    /// A new container: counters, memory and what it wrote begin anew.
    pub(crate) fn restart(&mut self) {
        self.counters = Counters::new(self.counters.calls.len());
        self.leaked = 0.0;
        self.memory = 0.0;
        self.filled = 0.0;
        self.age = 0.0;
        self.health = Health::default();
    }

    /// Whether it needs more memory than it may have.
    pub(crate) fn is_out_of_memory(&self) -> bool {
        self.running && self.memory >= self.memory_limit
    }
}
