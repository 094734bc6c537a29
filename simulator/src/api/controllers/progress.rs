//! A Deployment's status: counts, conditions, the deadline of a rollout.

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::Value;

use super::conditions;
use super::deployment::{revision, wanted};
use crate::api::cluster::Cluster;
use crate::api::json;
use crate::api::resources::Kind;
use crate::api::store::Key;

impl Cluster {
    pub(super) fn deployment_status(&mut self, key: &Key, sets: &[Arc<Value>]) {
        let Some(old) = self.store.get(key).cloned() else {
            return;
        };
        let wanted = wanted(&old, sets);
        let sum = |path: &str| -> i64 { sets.iter().map(|set| json::int(set, path, 0)).sum() };
        let of_new = |path: &str| wanted.as_ref().map_or(0, |set| json::int(set, path, 0));
        let replicas = sum("/status/replicas");
        let available = sum("/status/availableReplicas");
        let ready = sum("/status/readyReplicas");
        let updated = of_new("/status/replicas");
        let desired = json::int(&old, "/spec/replicas", 1);
        let generation = json::int(&old, "/metadata/generation", 1);
        let mut new = (*old).clone();
        let status = json::entry(&mut new, &["status"]);
        for (field, value) in [
            ("observedGeneration", generation),
            ("replicas", replicas),
            ("updatedReplicas", updated),
            ("readyReplicas", ready),
            ("availableReplicas", available),
            (
                "unavailableReplicas",
                (sum("/spec/replicas") - available).max(0),
            ),
        ] {
            json::set(status, &[field], value);
        }
        let least = desired - super::rollout::unavailable(&old);
        let available_why = if available >= least {
            (
                "MinimumReplicasAvailable",
                "Deployment has minimum availability.",
            )
        } else {
            (
                "MinimumReplicasUnavailable",
                "Deployment does not have minimum availability.",
            )
        };
        conditions::set(
            &mut new,
            "Available",
            available >= least,
            available_why,
            self.now,
        );
        let complete = updated == desired && replicas == desired && available == desired;
        self.progress(key, &old, &mut new, wanted.as_deref(), complete);
        self.write_status(key, new);
        if complete {
            self.forget_old_sets(&old, sets);
        }
    }

    /// The `Progressing` condition, and the deadline on it.
    fn progress(
        &mut self,
        key: &Key,
        old: &Value,
        new: &mut Value,
        wanted: Option<&Value>,
        complete: bool,
    ) {
        let set_name = wanted.map_or("", json::name).to_owned();
        let update =
            |new: &mut Value, status: &str, reason: &str, message: &str, touch: bool, now| {
                let changed = conditions::put(new, "Progressing", status, (reason, message), now);
                let stamp = (changed || touch).then(|| json::stamp(now)).or_else(|| {
                    let before = conditions::get(old, "Progressing")?;
                    Some(json::text(before, "/lastUpdateTime").to_owned())
                });
                let list = new
                    .pointer_mut("/status/conditions")
                    .and_then(Value::as_array_mut);
                let condition = list
                    .into_iter()
                    .flatten()
                    .find(|condition| condition["type"] == "Progressing");
                if let (Some(condition), Some(stamp)) = (condition, stamp) {
                    condition["lastUpdateTime"] = stamp.into();
                }
            };
        let before = conditions::get(old, "Progressing");
        let reason = before.map_or("", |before| json::text(before, "/reason"));
        if json::flag(old, "/spec/paused") {
            update(
                new,
                "Unknown",
                "DeploymentPaused",
                "Deployment is paused",
                false,
                self.now,
            );
            return;
        }
        if complete {
            let message = format!("ReplicaSet \"{set_name}\" has successfully progressed.");
            update(
                new,
                "True",
                "NewReplicaSetAvailable",
                &message,
                false,
                self.now,
            );
            return;
        }
        let count = |object: &Value, field: &str| json::int(object, &format!("/status/{field}"), 0);
        let old_pods =
            |object: &Value| count(object, "replicas") - count(object, "updatedReplicas");
        let moved = count(new, "updatedReplicas") > count(old, "updatedReplicas")
            || old_pods(new) < old_pods(old)
            || count(new, "readyReplicas") > count(old, "readyReplicas")
            || count(new, "availableReplicas") > count(old, "availableReplicas");
        let message = format!("ReplicaSet \"{set_name}\" is progressing.");
        let begun = matches!(reason, "" | "NewReplicaSetAvailable" | "DeploymentPaused")
            || count(old, "observedGeneration") < json::int(old, "/metadata/generation", 1);
        if begun || moved {
            update(new, "True", "ReplicaSetUpdated", &message, true, self.now);
        }
        let condition = conditions::get(new, "Progressing");
        let since = condition.and_then(|condition| json::time(condition, "/lastUpdateTime"));
        let seconds = json::int(old, "/spec/progressDeadlineSeconds", 600);
        let Some(since) = since else { return };
        let deadline = since + SignedDuration::from_secs(seconds);
        if self.now < deadline {
            self.wake(deadline, key);
        } else {
            let message = format!("ReplicaSet \"{set_name}\" has timed out progressing.");
            update(
                new,
                "False",
                "ProgressDeadlineExceeded",
                &message,
                false,
                self.now,
            );
        }
    }

    fn forget_old_sets(&mut self, deployment: &Value, sets: &[Arc<Value>]) {
        let limit = json::int(deployment, "/spec/revisionHistoryLimit", 10);
        let wanted = wanted(deployment, sets);
        let mut idle: Vec<_> = sets
            .iter()
            .filter(|set| {
                json::int(set, "/spec/replicas", 0) == 0
                    && json::int(set, "/status/replicas", 0) == 0
                    && wanted
                        .as_ref()
                        .is_none_or(|wanted| !Arc::ptr_eq(wanted, set))
            })
            .collect();
        idle.sort_by_key(|set| revision(set));
        let excess = idle
            .len()
            .saturating_sub(usize::try_from(limit).unwrap_or(0));
        for set in idle.into_iter().take(excess) {
            self.remove(&Key::of(Kind::ReplicaSet, set));
        }
    }
}
