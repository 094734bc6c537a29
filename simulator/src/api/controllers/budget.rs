//! PodDisruptionBudgets: how many pods may be evicted now.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::pods::is_active;
use super::{conditions, portion};
use crate::api::cluster::{self, Cluster};
use crate::api::eviction::is_ready;
use crate::api::resources::Kind;
use crate::api::store::Key;
use crate::api::{json, selector};

impl Cluster {
    pub(super) fn budget(&mut self, key: &Key, budget: &Arc<Value>) {
        let selected = budget.pointer("/spec/selector");
        let pods: Vec<_> = self
            .store
            .within(Kind::Pod, &key.namespace)
            .filter(|pod| {
                let labels = pod.pointer("/metadata/labels").unwrap_or(&Value::Null);
                selector::selects(selected, labels) && !super::pods::is_finished(pod)
            })
            .cloned()
            .collect();
        let count = i64::try_from(pods.len()).unwrap_or(i64::MAX);
        let least = budget.pointer("/spec/minAvailable");
        let most = budget.pointer("/spec/maxUnavailable");
        let (expected, desired) = match (least, most) {
            (None, Some(most)) => {
                let expected = self.expected(&key.namespace, &pods);
                (
                    expected,
                    (expected - portion(Some(most), expected, true, 0)).max(0),
                )
            }
            (Some(Value::String(percent)), _) => {
                let expected = self.expected(&key.namespace, &pods);
                let least = Value::String(percent.clone());
                (expected, portion(Some(&least), expected, true, 0))
            }
            (least, _) => (count, portion(least, count, true, 1)),
        };
        let healthy = pods
            .iter()
            .filter(|pod| is_active(pod) && is_ready(pod))
            .count();
        let healthy = i64::try_from(healthy).unwrap_or(i64::MAX);
        let allowed = if expected > 0 {
            (healthy - desired).max(0)
        } else {
            0
        };
        let mut new = (**budget).clone();
        let status = json::entry(&mut new, &["status"]);
        for (field, value) in [
            (
                "observedGeneration",
                json::int(budget, "/metadata/generation", 1),
            ),
            ("currentHealthy", healthy),
            ("desiredHealthy", desired),
            ("expectedPods", expected),
            ("disruptionsAllowed", allowed),
        ] {
            json::set(status, &[field], value);
        }
        let why = if allowed > 0 {
            "SufficientPods"
        } else {
            "InsufficientPods"
        };
        conditions::set(
            &mut new,
            "DisruptionAllowed",
            allowed > 0,
            (why, ""),
            self.now,
        );
        self.write_status(key, new);
    }

    /// How many pods the controllers of `pods` want in all.
    fn expected(&self, namespace: &str, pods: &[Arc<Value>]) -> i64 {
        let controllers: BTreeSet<_> = pods.iter().map(|pod| cluster::controller(pod)).collect();
        let scale = |object: &Value| json::int(object, "/spec/replicas", 1);
        let mut expected = 0;
        let mut deployments = BTreeSet::new();
        for set in self.store.within(Kind::ReplicaSet, namespace) {
            if !controllers.contains(json::uid(set)) {
                continue;
            }
            match cluster::controller(set) {
                "" => expected += scale(set),
                deployment => {
                    deployments.insert(deployment.to_owned());
                }
            }
        }
        for deployment in self.store.within(Kind::Deployment, namespace) {
            if deployments.contains(json::uid(deployment)) {
                expected += scale(deployment);
            }
        }
        for set in self.store.within(Kind::StatefulSet, namespace) {
            if controllers.contains(json::uid(set)) {
                expected += scale(set);
            }
        }
        expected
    }
}
