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
        options.check(resource, &pod)?;
        let phase = json::text(&pod, "/status/phase");
        let unbudgeted =
            json::terminating(&pod) || matches!(phase, "Pending" | "Succeeded" | "Failed");
        if !unbudgeted {
            self.spend_budget(key, &pod, options.dry_run)?;
        }
        self.delete(key, options);
        Ok(())
    }

    fn spend_budget(&mut self, key: &Key, pod: &Value, dry_run: bool) -> Result<(), Refusal> {
        let labels = pod.pointer("/metadata/labels").unwrap_or(&Value::Null);
        let budgets: Vec<_> = self
            .store
            .within(Kind::PodDisruptionBudget, &key.namespace)
            .filter(|budget| selector::selects(budget.pointer("/spec/selector"), labels))
            .cloned()
            .collect();
        let budget = match budgets.as_slice() {
            [] => return Ok(()),
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
            return Err(Refusal::budget(&key.name, &why));
        }
        let (healthy, wanted) = (int("/status/currentHealthy"), int("/status/desiredHealthy"));
        let always = json::text(budget, "/spec/unhealthyPodEvictionPolicy") == "AlwaysAllow";
        if !is_ready(pod) && (always || (healthy >= wanted && wanted > 0)) {
            return Ok(());
        }
        let allowed = int("/status/disruptionsAllowed");
        if allowed <= 0 {
            let why = format!(
                "The disruption budget {name} needs {wanted} healthy pods and has {healthy} \
                 currently"
            );
            return Err(Refusal::budget(&key.name, &why));
        }
        if !dry_run {
            let mut spent = (**budget).clone();
            json::set(&mut spent, &["status", "disruptionsAllowed"], allowed - 1);
            let key = Key::of(Kind::PodDisruptionBudget, budget);
            self.commit(&key, spent, &Writer::new("kube-apiserver", "status"), false);
        }
        Ok(())
    }
}

/// Whether the pod's `Ready` condition is true.
pub(crate) fn is_ready(pod: &Value) -> bool {
    json::list(pod, "/status/conditions")
        .iter()
        .any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}
