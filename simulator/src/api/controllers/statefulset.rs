//! StatefulSets: numbered pods, one after the other.
//!
//! As on a real cluster, a set that is stuck on a bad template stays stuck
//! after a rollback until someone deletes the bad pod (kubernetes #67250).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::pods::{is_active, is_finished, readiness};
use super::revisions::POD_LABEL;
use crate::api::cluster::Cluster;
use crate::api::eviction::is_ready;
use crate::api::json;
use crate::api::resources::Kind;
use crate::api::store::Key;

impl Cluster {
    pub(super) fn stateful_set(&mut self, key: &Key, set: &Arc<Value>) {
        if json::terminating(set) {
            return;
        }
        let update = self.revision_of(Kind::StatefulSet, set);
        let current = match json::text(set, "/status/currentRevision") {
            "" => update.clone(),
            current => current.to_owned(),
        };
        self.step(set, &current, &update);
        self.set_status(key, set, current, update);
    }

    /// Does the next thing that the set needs, if its order allows it.
    fn step(&mut self, set: &Value, current: &str, update: &str) {
        let ordered = json::text(set, "/spec/podManagementPolicy") != "Parallel";
        let wanted = json::int(set, "/spec/replicas", 1);
        let partition = json::int(set, "/spec/updateStrategy/rollingUpdate/partition", 0);
        let pods = self.numbered(set);
        for ordinal in 0..wanted {
            match pods.get(&ordinal) {
                None => {
                    let revision = if ordinal < partition { current } else { update };
                    self.make_numbered(set, ordinal, revision);
                    if ordered {
                        return;
                    }
                }
                // A finished pod is replaced under the same name.
                Some(pod) if is_finished(pod) && !json::terminating(pod) => {
                    self.delete_pod(pod);
                    if ordered {
                        return;
                    }
                }
                Some(pod) if ordered && !settled(pod) => return,
                Some(_) => {}
            }
        }
        for (_, pod) in pods.range(wanted..).rev() {
            if !json::terminating(pod) {
                self.delete_pod(pod);
            }
            if ordered {
                return;
            }
        }
        if json::text(set, "/spec/updateStrategy/type") == "OnDelete" {
            return;
        }
        for (_, pod) in pods.range(partition.min(wanted)..wanted).rev() {
            if revision(pod) != update && !json::terminating(pod) {
                self.delete_pod(pod);
                return;
            }
            if !settled(pod) {
                return;
            }
        }
    }

    fn numbered(&self, set: &Value) -> BTreeMap<i64, Arc<Value>> {
        let prefix = format!("{}-", json::name(set));
        self.pods_of(json::namespace(set), json::uid(set))
            .into_iter()
            .filter_map(|pod| {
                let ordinal = json::name(&pod).strip_prefix(&prefix)?.parse().ok()?;
                Some((ordinal, pod))
            })
            .collect()
    }

    fn make_numbered(&mut self, set: &Value, ordinal: i64, revision: &str) {
        let name = format!("{}-{ordinal}", json::name(set));
        let template = self
            .template_at(json::namespace(set), revision)
            .unwrap_or_else(|| set["spec"]["template"].clone());
        let labels = [
            (POD_LABEL, revision.to_owned()),
            ("statefulset.kubernetes.io/pod-name", name.clone()),
            ("apps.kubernetes.io/pod-index", ordinal.to_string()),
        ];
        let kind = Kind::StatefulSet;
        let made = self.make_pod(kind, set, &template, &name, &labels, None);
        if made.is_some() {
            let message = format!(
                "create Pod {name} in StatefulSet {} successful",
                json::name(set)
            );
            self.tell(
                set,
                "Normal",
                "SuccessfulCreate",
                &message,
                "statefulset-controller",
            );
        }
    }

    fn set_status(&mut self, key: &Key, set: &Value, current: String, update: String) {
        let pods: Vec<_> = self
            .numbered(set)
            .into_values()
            .filter(|pod| is_active(pod))
            .collect();
        let wanted = json::int(set, "/spec/replicas", 1);
        let min_ready = json::int(set, "/spec/minReadySeconds", 0);
        let (ready, available, next) = readiness(&pods, min_ready, self.now);
        if let Some(next) = next {
            self.wake(next, key);
        }
        let count = |pods: &mut dyn Iterator<Item = &Arc<Value>>| {
            i64::try_from(pods.count()).unwrap_or(i64::MAX)
        };
        let total = count(&mut pods.iter());
        let updated = count(&mut pods.iter().filter(|pod| revision(pod) == update));
        let complete = updated == wanted && total == wanted && ready == wanted;
        let current = if complete { update.clone() } else { current };
        let at_current = count(&mut pods.iter().filter(|pod| revision(pod) == current));
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
            ("replicas", total),
            ("readyReplicas", ready),
            ("availableReplicas", available),
            ("updatedReplicas", updated),
            ("currentReplicas", at_current),
        ] {
            json::set(status, &[field], value);
        }
        json::set(status, &["currentRevision"], current);
        json::set(status, &["updateRevision"], update);
        self.write_status(key, new);
    }
}

fn revision(pod: &Value) -> &str {
    pod.pointer("/metadata/labels")
        .and_then(|labels| labels.get(POD_LABEL))
        .and_then(Value::as_str)
        .unwrap_or("")
}

/// Whether the order lets the set go on past this pod.
fn settled(pod: &Value) -> bool {
    is_active(pod) && is_ready(pod)
}
