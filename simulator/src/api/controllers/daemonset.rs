//! DaemonSets: one pod on every node that takes it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::pods::{is_active, is_finished, readiness};
use super::revisions::POD_LABEL;
use super::{portion, scheduler};
use crate::api::cluster::Cluster;
use crate::api::eviction::is_ready;
use crate::api::json;
use crate::api::resources::Kind;
use crate::api::store::Key;

impl Cluster {
    pub(super) fn daemon_set(&mut self, key: &Key, set: &Arc<Value>) {
        if json::terminating(set) {
            return;
        }
        let prefix = format!("{}-", json::name(set));
        let revision = self.revision_of(Kind::DaemonSet, set);
        let revision = revision.strip_prefix(&prefix).unwrap_or(&revision);
        let template = &set["spec"]["template"];
        let nodes: Vec<String> = self
            .store
            .all(Kind::Node)
            .filter(|(_, node)| scheduler::admits(node, &template["spec"], true))
            .map(|(key, _)| key.name.clone())
            .collect();
        let mut placed: BTreeMap<String, Arc<Value>> = BTreeMap::new();
        for pod in self.pods_of(&key.namespace, json::uid(set)) {
            let node = json::text(&pod, "/spec/nodeName").to_owned();
            if is_finished(&pod) || !nodes.contains(&node) {
                self.delete_pod(&pod);
            } else if let Some(double) = placed.insert(node, pod) {
                self.delete_pod(&double);
            }
        }
        for node in &nodes {
            if !placed.contains_key(node) {
                let labels = [(POD_LABEL, revision.to_owned())];
                let kind = Kind::DaemonSet;
                self.make_pod(kind, set, template, &prefix, &labels, Some(node));
            }
        }
        self.update_daemons(set, &placed, revision);
        self.daemon_status(key, set, nodes.len(), revision);
    }

    fn update_daemons(&mut self, set: &Value, placed: &BTreeMap<String, Arc<Value>>, wanted: &str) {
        if json::text(set, "/spec/updateStrategy/type") == "OnDelete" {
            return;
        }
        let count = i64::try_from(placed.len()).unwrap_or(i64::MAX);
        let most = set.pointer("/spec/updateStrategy/rollingUpdate/maxUnavailable");
        let down = placed
            .values()
            .filter(|pod| !is_active(pod) || !is_ready(pod))
            .count();
        let room = portion(most, count, true, 1).max(1) - i64::try_from(down).unwrap_or(i64::MAX);
        let old = |pod: &&Arc<Value>| is_active(pod) && revision(pod) != wanted;
        // An old pod that does not serve costs nothing to replace.
        for pod in placed.values().filter(old).filter(|pod| !is_ready(pod)) {
            self.delete_pod(pod);
        }
        let serving = placed.values().filter(old).filter(|pod| is_ready(pod));
        for pod in serving.take(usize::try_from(room).unwrap_or(0)) {
            self.delete_pod(pod);
        }
    }

    fn daemon_status(&mut self, key: &Key, set: &Value, nodes: usize, wanted: &str) {
        let pods: Vec<_> = self
            .pods_of(&key.namespace, json::uid(set))
            .into_iter()
            .filter(|pod| is_active(pod))
            .collect();
        let min_ready = json::int(set, "/spec/minReadySeconds", 0);
        let (ready, available, next) = readiness(&pods, min_ready, self.now);
        if let Some(next) = next {
            self.wake(next, key);
        }
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let nodes = number(nodes);
        let updated = number(pods.iter().filter(|pod| revision(pod) == wanted).count());
        let Some(live) = self.store.get(key) else {
            return;
        };
        let mut new = (**live).clone();
        let status = json::entry(&mut new, &["status"]);
        for (field, value) in [
            (
                "observedGeneration",
                json::int(set, "/metadata/generation", 1),
            ),
            ("desiredNumberScheduled", nodes),
            ("currentNumberScheduled", number(pods.len())),
            ("numberMisscheduled", 0),
            ("numberReady", ready),
            ("numberAvailable", available),
            ("numberUnavailable", (nodes - available).max(0)),
            ("updatedNumberScheduled", updated),
        ] {
            json::set(status, &[field], value);
        }
        self.write_status(key, new);
    }
}

fn revision(pod: &Value) -> &str {
    pod.pointer("/metadata/labels")
        .and_then(|labels| labels.get(POD_LABEL))
        .and_then(Value::as_str)
        .unwrap_or("")
}
