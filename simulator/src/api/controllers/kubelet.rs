//! The built-in kubelet: every pod starts well and stops when asked.
//!
//! Whoever models workloads switches it off and writes pod status instead;
//! what remains then is the end of the grace period.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::conditions;
use crate::api::cluster::Cluster;
use crate::api::json;
use crate::api::managed::Writer;
use crate::api::store::Key;

/// How long a container takes to start or to stop.
const PACE: SignedDuration = SignedDuration::from_secs(1);

impl Cluster {
    pub(super) fn run_pod(&mut self, key: &Key) {
        let Some(pod) = self.store.get(key).cloned() else {
            return;
        };
        let (uid, placed) = (
            json::uid(&pod).to_owned(),
            !json::text(&pod, "/spec/nodeName").is_empty(),
        );
        if json::terminating(&pod) {
            let end = json::time(&pod, "/metadata/deletionTimestamp").unwrap_or(self.now);
            let end = if self.kubelet {
                let stopped = format!("{uid} stopped");
                let due = *self.due.entry(stopped).or_insert(self.now + PACE);
                end.min(due)
            } else {
                end
            };
            let held = !json::list(&pod, "/metadata/finalizers").is_empty();
            if held {
                return;
            }
            if self.now < end {
                self.wake(end, key);
            } else {
                self.due.remove(&format!("{uid} stopped"));
                self.remove(key);
            }
            return;
        }
        if !self.kubelet || !placed || json::text(&pod, "/status/phase") != "Pending" {
            return;
        }
        let due = *self.due.entry(uid.clone()).or_insert(self.now + PACE);
        if self.now < due {
            self.wake(due, key);
            return;
        }
        self.due.remove(&uid);
        let mut new = (*pod).clone();
        let address = self.identity.number(&uid);
        let address = format!("10.244.{}.{}", address % 256, 1 + address / 256 % 254);
        let started = json::stamp(self.now);
        let statuses: Vec<_> = json::list(&pod, "/spec/containers")
            .iter()
            .map(|container| {
                json!({
                    "name": container["name"],
                    "image": container["image"],
                    "imageID": "",
                    "ready": true,
                    "started": true,
                    "restartCount": 0,
                    "state": {"running": {"startedAt": started}},
                    "lastState": {},
                })
            })
            .collect();
        let status = json::entry(&mut new, &["status"]);
        json::set(status, &["phase"], "Running");
        json::set(status, &["startTime"], started);
        json::set(status, &["podIP"], address.clone());
        json::set(status, &["podIPs"], json!([{ "ip": address }]));
        json::set(status, &["containerStatuses"], Value::Array(statuses));
        for condition in ["Initialized", "ContainersReady", "Ready"] {
            conditions::set(&mut new, condition, true, ("", ""), self.now);
        }
        self.commit(key, new, &Writer::new("kubelet", "status"), false);
    }
}
