//! Evictions, which ask the disruption budgets first.

use serde_json::Value;

use super::cluster::Cluster;
use super::deletion::Options;
use super::error::Refusal;
use super::json;
use super::managed::Writer;
use super::resources::Kind;
use super::selector;
use super::store::Key;

impl Cluster {
    /// Evicts the pod, or says which budget forbids it.
    pub(crate) fn evict(&mut self, key: &Key, options: &Options) -> Result<(), Refusal> {
        let resource = Kind::Pod.resource();
        let pod = self
            .store
            .get(key)
            .cloned()
            .ok_or_else(|| Refusal::not_found(resource, &key.name))?;
        let phase = json::text(&pod, "/status/phase");
        let unbudgeted =
            json::terminating(&pod) || matches!(phase, "Pending" | "Succeeded" | "Failed");
        let spent = if unbudgeted {
            None
        } else {
            self.spent_budget(key, &pod)?
        };
        // Only then: who means another pod hears of the budget first.
        options.check(resource, &pod)?;
        if let Some(spent) = spent.filter(|_| !options.dry_run) {
            let key = Key::of(Kind::PodDisruptionBudget, &spent);
            self.commit(&key, spent, &Writer::new("kube-apiserver", "status"), false);
        }
        self.delete(key, options);
        Ok(())
    }

    /// The pod's budget with one disruption less, if it has one that counts the pod.
    fn spent_budget(&self, key: &Key, pod: &Value) -> Result<Option<Value>, Refusal> {
        let labels = pod.pointer("/metadata/labels").unwrap_or(&Value::Null);
        let budgets: Vec<_> = self
            .store
            .within(Kind::PodDisruptionBudget, &key.namespace)
            .filter(|budget| selector::selects(budget.pointer("/spec/selector"), labels))
            .cloned()
            .collect();
        let budget = match budgets.as_slice() {
            [] => return Ok(None),
            [budget] => budget,
            _ => {
                return Err(Refusal::internal(
                    "This pod has more than one PodDisruptionBudget, which the eviction \
                     subresource does not support.",
                ));
            }
        };
        let name = json::name(budget);
        let int = |path: &str| json::int(budget, path, 0);
        if int("/status/observedGeneration") < int("/metadata/generation") {
            let why =
                format!("The disruption budget {name} is still being processed by the server.");
            return Err(Refusal::budget(&why));
        }
        let (healthy, wanted) = (int("/status/currentHealthy"), int("/status/desiredHealthy"));
        let always = json::text(budget, "/spec/unhealthyPodEvictionPolicy") == "AlwaysAllow";
        if !is_ready(pod) && (always || (healthy >= wanted && wanted > 0)) {
            return Ok(None);
        }
        let allowed = int("/status/disruptionsAllowed");
        if allowed <= 0 {
            let why = format!(
                "The disruption budget {name} needs {wanted} healthy pods and has {healthy} \
                 currently"
            );
            return Err(Refusal::budget(&why));
        }
        let mut spent = (**budget).clone();
        json::set(&mut spent, &["status", "disruptionsAllowed"], allowed - 1);
        Ok(Some(spent))
    }
}

/// Whether the pod's `Ready` condition is true.
pub(crate) fn is_ready(pod: &Value) -> bool {
    json::list(pod, "/status/conditions")
        .iter()
        .any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}
