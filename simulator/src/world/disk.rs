//! The disks of nodes: what pods write fills them, and the kubelet evicts before they are full.
//!
//! As in <https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/>: below the hard
//! threshold `nodefs.available<10%` the node has the condition `DiskPressure` and the taint
//! `node.kubernetes.io/disk-pressure:NoSchedule`. Every ten seconds it lasts one pod is ended, of pods that
//! ask for no storage the one that uses most, and stays as `Failed` with the reason `Evicted`; what it wrote
//! is removed. The condition stays for five minutes after (`--eviction-pressure-transition-period`).

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::World;
use crate::kubelet::stamp;
use crate::{Error, rest};

/// The size of a node's filesystem, bytes.
pub(crate) const DISK: f64 = 100.0 * 1_073_741_824.0;
/// What images and the system take of it.
const IMAGES: f64 = 0.2 * DISK;
/// With less than this there is pressure.
const PRESSURE: f64 = 0.1 * DISK;
/// How often the kubelet looks.
const LOOK_EVERY: SignedDuration = SignedDuration::from_secs(10);
/// How long the condition outlasts the pressure.
const TRANSITION: SignedDuration = SignedDuration::from_mins(5);

/// A node that is or was short of disk.
#[derive(Debug)]
pub(super) struct Pressed {
    /// When the kubelet looks again.
    look: Timestamp,
    /// When the condition ends, unless there is pressure again.
    until: Timestamp,
}

impl World {
    /// Sets and clears conditions and evicts. Whether it wrote to the API server.
    pub(super) async fn watch_disks(&mut self) -> Result<bool, Error> {
        let now = self.now;
        let mut used: BTreeMap<Arc<str>, f64> = BTreeMap::new();
        for pod in self.pods.values().filter(|pod| pod.process.filled > 0.0) {
            *used.entry(pod.node.clone()).or_default() += pod.process.filled;
        }
        let mut wrote = false;
        for (node, used) in used {
            if DISK - IMAGES - used >= PRESSURE || node.is_empty() {
                continue;
            }
            let until = now + TRANSITION;
            match self.pressed.get_mut(&node) {
                Some(pressed) => {
                    pressed.until = until;
                    if now < pressed.look {
                        continue;
                    }
                    pressed.look = now + LOOK_EVERY;
                }
                None => {
                    let look = now + LOOK_EVERY;
                    self.pressed.insert(node.clone(), Pressed { look, until });
                    self.tell_pressure(&node, true).await?;
                    wrote = true;
                }
            }
            self.evict(&node);
        }
        let over = self.pressed.iter().filter(|(_, one)| one.until <= now);
        for node in over.map(|(node, _)| node.clone()).collect::<Vec<_>>() {
            self.pressed.remove(&node);
            self.tell_pressure(&node, false).await?;
            wrote = true;
        }
        Ok(wrote)
    }

    /// Ends the pod on the node that uses most.
    fn evict(&mut self, node: &str) {
        let now = self.now;
        let on_node = self
            .pods
            .values_mut()
            .filter(|pod| *pod.node == *node && pod.is_staying() && pod.process.filled > 0.0);
        let most = on_node.max_by(|a, b| a.process.filled.total_cmp(&b.process.filled));
        let Some(pod) = most else { return };
        pod.container.evict(now);
        pod.process.restart();
        pod.process.fill = 0.0;
        pod.process.running = false;
        pod.process.ready = false;
        pod.dirty = true;
        let note = "The node was low on resource: ephemeral-storage.";
        pod.tell.push(("Evicted", note.to_owned()));
    }

    /// Writes the node's condition and its taint, which the node lifecycle controller makes of it.
    async fn tell_pressure(&self, node: &str, on: bool) -> Result<(), Error> {
        let (status, reason) = if on {
            ("True", "KubeletHasDiskPressure")
        } else {
            ("False", "KubeletHasNoDiskPressure")
        };
        let condition = json!({"type": "DiskPressure", "status": status, "reason": reason,
            "lastTransitionTime": stamp(self.now)});
        let path = format!("/api/v1/nodes/{node}");
        let patch = json!({"status": {"conditions": [condition]}});
        rest::patch(&self.kubelet, &format!("{path}/status"), &patch).await?;
        let taint = json!({"key": "node.kubernetes.io/disk-pressure", "effect": "NoSchedule"});
        let taints = if on { json!([taint]) } else { json!([]) };
        let patch = json!({"spec": {"taints": taints}});
        rest::patch(&self.kubelet, &path, &patch).await?;
        Ok(())
    }
}
