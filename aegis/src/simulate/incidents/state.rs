//! What Kubernetes says of each workload at a moment, in numbers: what the incident core knows from
//! signals, and kube-state-metrics counts.

use std::collections::BTreeMap;

use aegis_schemas::signal::{NodeState, PodState, WorkloadState};
use aegis_schemas::{Entity, Name, Signal, SignalBody};

/// The objects as last said, and what happened since they were last asked for.
#[derive(Debug, Default)]
pub(super) struct Objects {
    workloads: BTreeMap<Entity, WorkloadState>,
    pods: BTreeMap<Entity, PodState>,
    nodes: BTreeMap<Name, NodeState>,
    restarts: BTreeMap<Entity, u32>,
    kills: BTreeMap<Entity, u32>,
}

impl Objects {
    /// Takes a signal in.
    pub(super) fn hear(&mut self, signal: &Signal) {
        let entity = &signal.entity;
        match &signal.body {
            SignalBody::Workload(state) => {
                self.workloads.insert(entity.clone(), state.clone());
            }
            SignalBody::Node(state) => {
                self.nodes.insert(entity.name.clone(), state.clone());
            }
            SignalBody::Pod(state) => self.pod(entity, state),
            SignalBody::Gone(_) => {
                self.pods.remove(entity);
                self.workloads.remove(entity);
            }
            _ => {}
        }
    }

    fn pod(&mut self, entity: &Entity, state: &PodState) {
        let before = self.pods.insert(entity.clone(), state.clone());
        let Some(workload) = &state.workload else {
            return;
        };
        let before = before.filter(|before| before.uid == state.uid);
        let (restarts, ended) = before.map_or((0, None), |pod| (pod.restarts, pod.terminated));
        let more = u32::try_from(state.restarts - restarts).unwrap_or(0);
        *self.restarts.entry(workload.clone()).or_default() += more;
        let killed = state.terminated.as_ref().is_some_and(|end| {
            end.reason == "OOMKilled" && ended.is_none_or(|before| before.at != end.at)
        });
        *self.kills.entry(workload.clone()).or_default() += u32::from(killed);
    }

    /// The numbers of each workload by metric, and forgets what happened until now.
    pub(super) fn numbers(&mut self) -> Vec<(Entity, &'static str, f64)> {
        let mut numbers = Vec::new();
        for (entity, state) in &self.workloads {
            let own = || {
                let of_it = move |pod: &&PodState| pod.workload.as_ref() == Some(entity);
                self.pods.values().filter(of_it)
            };
            let live = own().filter(|pod| !is_over(pod));
            let waiting = live.clone().filter(|pod| {
                let ordinary = ["ContainerCreating", "PodInitializing"];
                let why = pod.waiting.as_deref();
                why.is_some_and(|why| !ordinary.contains(&why))
            });
            let pressed = live.clone().filter(|pod| {
                let node = pod.node.as_ref().and_then(|node| self.nodes.get(node));
                node.is_some_and(|node| !node.problems.is_empty())
            });
            let of = |counts: &BTreeMap<Entity, u32>| counts.get(entity).copied().unwrap_or(0);
            let replicas = f64::from(state.replicas.max(0));
            let share = |part: f64| if replicas > 0.0 { part / replicas } else { 0.0 };
            let unready = f64::from((state.replicas - state.ready).max(0));
            for (metric, value) in [
                ("replicas", replicas),
                ("unready_ratio", share(unready)),
                ("waiting_ratio", share(waiting.count() as f64)),
                ("restarts", f64::from(of(&self.restarts))),
                ("oom_kills", f64::from(of(&self.kills))),
                (
                    "evicted_pods",
                    own().filter(|pod| is_over(pod)).count() as f64,
                ),
                ("node_problem_ratio", share(pressed.count() as f64)),
                ("template_revision", state.revision as f64),
            ] {
                numbers.push((entity.clone(), metric, value));
            }
        }
        self.restarts.clear();
        self.kills.clear();
        numbers
    }
}

fn is_over(pod: &PodState) -> bool {
    matches!(pod.phase.as_str(), "Failed" | "Succeeded")
}
