//! The scheduler: a node for every pod.

use std::sync::Arc;

use serde_json::Value;

use super::conditions;
use super::pods::is_finished;
use crate::api::cluster::{self, Cluster};
use crate::api::json;
use crate::api::managed::Writer;
use crate::api::resources::Kind;
use crate::api::store::Key;

/// Binds to a node as the scheduler writes it.
const MANAGER: &str = "kube-scheduler";

#[derive(Clone, Copy, Debug, Default)]
struct Load {
    milli_cpu: i64,
    bytes: i64,
    pods: i64,
    siblings: i64,
}

impl Cluster {
    /// Gives an unscheduled pod the node with the fewest of its siblings,
    /// then the fewest pods, or says why there is none.
    pub(super) fn schedule(&mut self, key: &Key, pod: &Arc<Value>) {
        if json::terminating(pod) || is_finished(pod) {
            return;
        }
        let spec = &pod["spec"];
        if !json::text(spec, "/nodeName").is_empty() {
            if conditions::get(pod, "PodScheduled").is_none() {
                self.bind(key, pod, None);
            }
            return;
        }
        let needs = requests(spec);
        let nodes: Vec<_> = self
            .store
            .all(Kind::Node)
            .map(|(_, node)| Arc::clone(node))
            .collect();
        let (mut best, mut refusing, mut full) = (None, 0, 0);
        for node in &nodes {
            if !admits(node, spec, false) {
                refusing += 1;
                continue;
            }
            let load = self.load(json::name(node), cluster::controller(pod));
            if !fits(node, load, needs) {
                full += 1;
                continue;
            }
            let rank = (load.siblings, load.pods, json::name(node));
            if best.is_none_or(|best| rank < best) {
                best = Some(rank);
            }
        }
        if let Some((_, _, node)) = best {
            self.bind(key, pod, Some(node));
            return;
        }
        let message = format!(
            "0/{} nodes are available: {refusing} node(s) were not ready, unschedulable or did \
             not match, {full} Insufficient resources.",
            nodes.len()
        );
        let mut new = (**pod).clone();
        let why = ("Unschedulable", message.as_str());
        conditions::set(&mut new, "PodScheduled", false, why, self.now);
        let before = self.store.version();
        self.commit(key, new, &Writer::new(MANAGER, "status"), false);
        if self.store.version() != before {
            self.tell(
                pod,
                "Warning",
                "FailedScheduling",
                &message,
                "default-scheduler",
            );
        }
    }

    fn bind(&mut self, key: &Key, pod: &Value, node: Option<&str>) {
        let mut new = pod.clone();
        if let Some(node) = node {
            json::set(&mut new, &["spec", "nodeName"], node);
        }
        conditions::set(&mut new, "PodScheduled", true, ("", ""), self.now);
        self.commit(key, new, &Writer::new(MANAGER, "status"), false);
    }

    fn load(&self, node: &str, controller: &str) -> Load {
        let mut load = Load::default();
        for (_, pod) in self.store.all(Kind::Pod) {
            if json::text(pod, "/spec/nodeName") != node || is_finished(pod) {
                continue;
            }
            let (milli_cpu, bytes) = requests(&pod["spec"]);
            load.milli_cpu += milli_cpu;
            load.bytes += bytes;
            load.pods += 1;
            let sibling = !controller.is_empty() && cluster::controller(pod) == controller;
            load.siblings += i64::from(sibling);
        }
        load
    }
}

/// Whether the node takes such a pod at all. A daemon also runs where others
/// may not: on cordoned nodes and on those that are not ready.
pub(super) fn admits(node: &Value, spec: &Value, daemon: bool) -> bool {
    if json::terminating(node) {
        return false;
    }
    let ready = conditions::get(node, "Ready").is_some_and(|ready| ready["status"] == "True");
    let cordoned = json::flag(node, "/spec/unschedulable");
    if !daemon && (!ready || cordoned) {
        return false;
    }
    let labels = node.pointer("/metadata/labels");
    let selected = spec
        .get("nodeSelector")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .all(|(key, value)| labels.and_then(|labels| labels.get(key)) == Some(value));
    selected
        && json::list(node, "/spec/taints").iter().all(|taint| {
            json::text(taint, "/effect") == "PreferNoSchedule"
                || daemon && json::text(taint, "/key").starts_with("node.kubernetes.io/")
                || json::list(spec, "/tolerations")
                    .iter()
                    .any(|toleration| tolerates(toleration, taint))
        })
}

fn tolerates(toleration: &Value, taint: &Value) -> bool {
    let (key, effect) = (
        json::text(toleration, "/key"),
        json::text(toleration, "/effect"),
    );
    let exists = json::text(toleration, "/operator") == "Exists";
    let key_matches = key == json::text(taint, "/key") || (key.is_empty() && exists);
    let effect_matches = effect.is_empty() || effect == json::text(taint, "/effect");
    let value_matches = exists || json::text(toleration, "/value") == json::text(taint, "/value");
    key_matches && effect_matches && value_matches
}

fn fits(node: &Value, load: Load, (milli_cpu, bytes): (i64, i64)) -> bool {
    let free = |resource: &str, used: i64, scale: f64| {
        let text = node.pointer(&format!("/status/allocatable/{resource}"));
        text.and_then(Value::as_str)
            .and_then(quantity)
            .is_none_or(|all| whole(all * scale) >= used)
    };
    free("cpu", load.milli_cpu + milli_cpu, 1000.0)
        && free("memory", load.bytes + bytes, 1.0)
        && free("pods", load.pods + 1, 1.0)
}

/// Thousandths of a core and bytes that the containers ask for; a limit
/// without a request counts as one.
fn requests(spec: &Value) -> (i64, i64) {
    let of = |container: &Value, resource: &str| {
        ["requests", "limits"]
            .iter()
            .find_map(|from| container.pointer(&format!("/resources/{from}/{resource}")))
            .and_then(Value::as_str)
            .and_then(quantity)
            .unwrap_or(0.0)
    };
    json::list(spec, "/containers")
        .iter()
        .fold((0, 0), |(milli_cpu, bytes), container| {
            (
                milli_cpu + whole(of(container, "cpu") * 1000.0),
                bytes + whole(of(container, "memory")),
            )
        })
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "quantities are far below 2^53"
)]
fn whole(value: f64) -> i64 {
    value.round() as i64
}

/// A Kubernetes quantity such as `250m`, `1.5` or `512Mi`.
fn quantity(text: &str) -> Option<f64> {
    let split = text
        .find(|letter: char| letter.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(split);
    let scale = match suffix {
        "" => 1.0,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "Ki" => 1024.0,
        "Mi" => 1_048_576.0,
        "Gi" => 1_073_741_824.0,
        "Ti" => 1_099_511_627_776.0,
        _ => return None,
    };
    number.parse::<f64>().ok().map(|number| number * scale)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn quantities_read_as_kubernetes_writes_them() {
        assert_eq!(quantity("250m"), Some(0.25));
        assert_eq!(quantity("2Gi"), Some(2_147_483_648.0));
        assert_eq!(quantity("2x"), None);
        let spec = json!({"containers": [
            {"resources": {"requests": {"cpu": "250m"}, "limits": {"cpu": "1", "memory": "1Ki"}}},
            {"resources": {"limits": {"cpu": "1"}}},
        ]});
        assert_eq!(requests(&spec), (1250, 1024));
    }
}
