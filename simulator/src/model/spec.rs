//! The numbers of a workload, worked out once.

use std::sync::Arc;

use crate::quantity;
use crate::scenario::{Scenario, Workload};

/// What the model needs to know of a workload.
#[derive(Clone, Debug)]
pub(crate) struct Spec {
    pub(crate) cpu_per_request: f64,
    pub(crate) idle_cpu: f64,
    pub(crate) service: f64,
    pub(crate) base_memory: f64,
    pub(crate) memory_per_rps: f64,
    pub(crate) error_ratio: f64,
    pub(crate) connections: Option<f64>,
    pub(crate) calls: Vec<Edge>,
}

/// A call to another workload.
#[derive(Clone, Debug)]
pub(crate) struct Edge {
    /// Its place.
    pub(crate) to: usize,
    /// Its name.
    pub(crate) peer: Arc<str>,
    pub(crate) per_request: f64,
    pub(crate) connections: f64,
    pub(crate) essential: bool,
}

impl Spec {
    /// The specs of all workloads, in their order.
    pub(crate) fn all(scenario: &Scenario) -> Vec<Self> {
        scenario
            .workloads
            .iter()
            .map(|one| Self::of(scenario, one))
            .collect()
    }

    fn of(scenario: &Scenario, workload: &Workload) -> Self {
        let edge = |call: &crate::scenario::Call| {
            Some(Edge {
                to: scenario.place(&format!("{}/{}", workload.namespace, call.to))?,
                peer: call.to.as_str().into(),
                per_request: call.per_request,
                connections: call.connections,
                essential: call.essential,
            })
        };
        Self {
            cpu_per_request: workload.cpu_per_request,
            idle_cpu: workload.idle_cpu,
            service: workload.service_time.as_secs_f64(),
            base_memory: quantity::parse(&workload.base_memory).unwrap_or(0.0),
            memory_per_rps: workload.memory_per_rps * 1_048_576.0,
            error_ratio: workload.error_ratio,
            connections: workload.connections,
            calls: workload.calls.iter().filter_map(edge).collect(),
        }
    }
}
