//! What a kubelet does: moves containers on, tells their status, lets pods go.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::{Pod, World};
use crate::kubelet::{Fate, Step, stamp};
use crate::scenario::Behaviour;
use crate::{Error, rest};

/// How long a pod takes to end.
const FAREWELL: SignedDuration = SignedDuration::from_secs(1);
/// How long a container of somebody else takes to start.
const START: std::time::Duration = std::time::Duration::from_secs(1);

impl World {
    /// Moves all containers on to the present.
    pub(super) fn step_containers(&mut self) {
        let now = self.now;
        for pod in self.pods.values_mut() {
            if !pod.scheduled || !pod.is_staying() {
                continue;
            }
            // A container takes its version when it starts, and keeps it.
            let fresh =
                (!pod.container.is_running()).then(|| pod.behaviour(&self.scenario, &self.configs));
            let behaviour: Arc<Behaviour> = match fresh {
                Some(found) => Arc::new(found),
                None => pod.process.behaviour.clone(),
            };
            let fate = Fate {
                behaviour: &behaviour,
                corrupt: pod.corrupt,
                out_of_memory: pod.process.is_out_of_memory(),
                start: pod
                    .place
                    .map_or(START, |place| self.scenario.workloads[place].start),
            };
            let step = pod.container.step(now, &fate);
            if step == Step::Same {
                continue;
            }
            if step == Step::Started {
                pod.process.restart();
            }
            let told = match step {
                Step::Ended("OOMKilled") => Some((
                    "OOMKilling",
                    "the container needed more memory than its limit",
                )),
                Step::Ended(_) => Some(("BackOff", "back-off restarting failed container")),
                Step::NotPulled => Some(("Failed", "failed to pull image: not found")),
                _ => None,
            };
            pod.tell
                .extend(told.map(|(reason, text)| (reason, text.to_owned())));
            pod.process.behaviour = behaviour;
            pod.process.running = pod.container.is_running();
            pod.process.ready = pod.container.is_ready();
            pod.dirty = true;
        }
    }

    /// Writes the status of pods that changed and removes those that have ended. Whether it wrote.
    pub(super) async fn publish(&mut self) -> Result<bool, Error> {
        let now = self.now;
        let mut wrote = false;
        for pod in self.pods.values_mut() {
            let path = format!("/api/v1/namespaces/{}/pods/{}", pod.namespace, pod.name);
            if let Some(since) = pod.terminating {
                if now >= since + FAREWELL && pod.scheduled {
                    rest::delete_now(&self.kubelet, &path).await?;
                    pod.process.running = false;
                    // Once is enough, even if something holds the object.
                    pod.scheduled = false;
                    wrote = true;
                }
                continue;
            }
            if std::mem::take(&mut pod.dirty) {
                let status = pod
                    .container
                    .status(now, pod.created, &pod.address, &pod.containers);
                rest::patch(&self.kubelet, &format!("{path}/status"), &status).await?;
                wrote = true;
            }
            for (number, (reason, text)) in std::mem::take(&mut pod.tell).into_iter().enumerate() {
                let event = event(pod, (reason, &text), now, number);
                let events = format!("/api/v1/namespaces/{}/events", pod.namespace);
                rest::create(&self.kubelet, &events, &event).await?;
            }
        }
        Ok(wrote)
    }
}

fn event(
    pod: &Pod,
    (reason, text): (&str, &str),
    now: Timestamp,
    number: usize,
) -> serde_json::Value {
    let name = format!("{}.{:x}{number}", pod.name, now.as_second());
    json!({
        "apiVersion": "v1", "kind": "Event",
        "metadata": {"name": name, "namespace": &*pod.namespace},
        "involvedObject": {"apiVersion": "v1", "kind": "Pod", "namespace": &*pod.namespace,
            "name": &*pod.name, "uid": pod.uid},
        "type": "Warning", "reason": reason, "message": text, "count": 1,
        "firstTimestamp": stamp(now), "lastTimestamp": stamp(now),
        "source": {"component": "kubelet"}, "reportingComponent": "kubelet", "reportingInstance": "",
    })
}
