//! ReplicaSets: as many pods of a template as asked for.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::pods::{is_active, readiness, ready_since};
use crate::api::cluster::Cluster;
use crate::api::deletion::disown;
use crate::api::eviction::is_ready;
use crate::api::resources::Kind;
use crate::api::store::Key;
use crate::api::{json, selector};

impl Cluster {
    pub(super) fn replica_set(&mut self, key: &Key, set: &Arc<Value>) {
        let pods = self.selected_pods(set);
        if !json::terminating(set) {
            self.replicate(set, &pods);
        }
        let pods: Vec<_> = self
            .selected_pods(set)
            .into_iter()
            .filter(|pod| is_active(pod))
            .collect();
        let min_ready = json::int(set, "/spec/minReadySeconds", 0);
        let (ready, available, next) = readiness(&pods, min_ready, self.now);
        if let Some(next) = next {
            self.wake(next, key);
        }
        let mut new = (**set).clone();
        let status = json::entry(&mut new, &["status"]);
        let count = i64::try_from(pods.len()).unwrap_or(i64::MAX);
        for (field, value) in [
            ("replicas", count),
            ("fullyLabeledReplicas", count),
            ("readyReplicas", ready),
            ("availableReplicas", available),
            (
                "observedGeneration",
                json::int(set, "/metadata/generation", 1),
            ),
        ] {
            json::set(status, &[field], value);
        }
        self.write_status(key, new);
    }

    /// The set's pods; one whose labels no longer match is let go.
    fn selected_pods(&mut self, set: &Value) -> Vec<Arc<Value>> {
        let mut kept = Vec::new();
        for pod in self.pods_of(json::namespace(set), json::uid(set)) {
            let labels = pod.pointer("/metadata/labels").unwrap_or(&Value::Null);
            if selector::selects(set.pointer("/spec/selector"), labels) {
                kept.push(pod);
            } else {
                let mut released = (*pod).clone();
                disown(&mut released, |owner| {
                    json::text(owner, "/uid") == json::uid(set)
                });
                self.write(&Key::of(Kind::Pod, &pod), released);
            }
        }
        kept
    }

    fn replicate(&mut self, set: &Value, pods: &[Arc<Value>]) {
        let active: Vec<_> = pods.iter().filter(|pod| is_active(pod)).collect();
        let wanted = usize::try_from(json::int(set, "/spec/replicas", 1)).unwrap_or(0);
        let name = json::name(set);
        for _ in active.len()..wanted {
            let template = &set["spec"]["template"];
            let prefix = format!("{name}-");
            let made = self.make_pod(Kind::ReplicaSet, set, template, &prefix, &[], None);
            let Some(pod) = made else { break };
            let message = format!("Created pod: {}", json::name(&pod));
            self.tell(
                set,
                "Normal",
                "SuccessfulCreate",
                &message,
                "replicaset-controller",
            );
        }
        let excess = active.len().saturating_sub(wanted);
        for pod in first_to_go(&active).into_iter().take(excess) {
            let message = format!("Deleted pod: {}", json::name(pod));
            self.tell(
                set,
                "Normal",
                "SuccessfulDelete",
                &message,
                "replicaset-controller",
            );
            self.delete_pod(pod);
        }
    }
}

/// The pods in the order in which a real ReplicaSet gives them up: those
/// that do the least first, then the crowded, then the young.
fn first_to_go<'a>(pods: &[&'a Arc<Value>]) -> Vec<&'a Value> {
    let mut crowd: BTreeMap<&str, usize> = BTreeMap::new();
    for pod in pods {
        *crowd.entry(json::text(pod, "/spec/nodeName")).or_default() += 1;
    }
    let rank = |pod: &Value| {
        let node = json::text(pod, "/spec/nodeName");
        let phase = match json::text(pod, "/status/phase") {
            "Pending" => 0,
            "Unknown" => 1,
            _ => 2,
        };
        let cost = json::annotation(pod, "controller.kubernetes.io/pod-deletion-cost")
            .and_then(|cost| cost.parse::<i64>().ok())
            .unwrap_or(0);
        let restarts: i64 = json::list(pod, "/status/containerStatuses")
            .iter()
            .map(|status| json::int(status, "/restartCount", 0))
            .max()
            .unwrap_or(0);
        (
            !node.is_empty(),
            phase,
            is_ready(pod),
            cost,
            Reverse(crowd.get(node).copied().unwrap_or(0)),
            Reverse(ready_since(pod)),
            Reverse(restarts),
            Reverse(json::text(pod, "/metadata/creationTimestamp").to_owned()),
            json::name(pod).to_owned(),
        )
    };
    let mut ordered: Vec<&Value> = pods.iter().map(|pod| &***pod).collect();
    ordered.sort_by_cached_key(|pod| rank(pod));
    ordered
}
