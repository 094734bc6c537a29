//! Kubernetes Events: warnings, each once and again when its count rises.

use std::collections::{BTreeMap, VecDeque};

use aegis_schemas::signal::KubernetesEvent;
use aegis_schemas::{Entity, EntityKind, Name, Namespace};
use serde_json::Value;

use super::object::Object;
use super::{Catalogue, ObjectKind};

/// The API server forgets Events after an hour; this bounds what a flood of them can take.
const MOST: usize = 10_000;

/// The Events that were seen, with their counts.
#[derive(Debug, Default)]
pub(super) struct Events {
    counts: BTreeMap<String, i32>,
    order: VecDeque<String>,
}

impl Events {
    /// The Event, if it is a warning and says something new.
    pub(super) fn take(&mut self, object: Object<'_>) -> Option<KubernetesEvent> {
        if object.text("/type") != "Warning" {
            return None;
        }
        let count = ["/count", "/series/count", "/deprecatedCount"]
            .into_iter()
            .map(|pointer| object.int(pointer))
            .max()
            .unwrap_or(0)
            .max(1);
        let uid = object.uid();
        match self.counts.insert(uid.clone(), count) {
            Some(before) if before >= count => return None,
            Some(_) => {}
            None => self.order.push_back(uid),
        }
        while self.order.len() > MOST {
            if let Some(oldest) = self.order.pop_front() {
                self.counts.remove(&oldest);
            }
        }
        let first = |pointers: [&str; 2]| {
            let [one, other] = pointers.map(|pointer| object.text(pointer));
            if one.is_empty() { other } else { one }
        };
        let note = first(["/message", "/note"]);
        Some(KubernetesEvent {
            severity: "Warning".to_owned(),
            reason: object.text("/reason").chars().take(128).collect(),
            note: note.chars().take(256).collect(),
            count,
            reporter: first(["/reportingComponent", "/source/component"])
                .chars()
                .take(128)
                .collect(),
        })
    }

    /// The API server forgot it.
    pub(super) fn forget(&mut self, object: Object<'_>) {
        // Its place in the order stays until its turn comes: an id is never used again.
        self.counts.remove(&object.uid());
    }
}

impl Catalogue {
    /// What a Kubernetes Event is about, if that is something with a state.
    pub(super) fn involved(&self, event: Object<'_>) -> Option<Entity> {
        let about = event
            .at("/involvedObject")
            .or_else(|| event.at("/regarding"))?;
        let text = |key: &str| about.get(key).and_then(Value::as_str).unwrap_or("");
        let name = Name::parse(text("name")).ok()?;
        if text("kind") == "Node" {
            let cluster = self.cluster.clone();
            return Some(Entity::cluster_scoped(cluster, EntityKind::Node, name));
        }
        let namespace = Namespace::parse(text("namespace")).ok()?;
        let kind = match text("kind") {
            "Pod" => EntityKind::Pod,
            "Deployment" => EntityKind::Deployment,
            "StatefulSet" => EntityKind::StatefulSet,
            "DaemonSet" => EntityKind::DaemonSet,
            "HorizontalPodAutoscaler" => EntityKind::HorizontalPodAutoscaler,
            "ReplicaSet" => {
                let key = (ObjectKind::ReplicaSet, namespace, name);
                return self.kept.get(&key)?.owner.clone();
            }
            _ => return None,
        };
        Some(self.namespaced(&namespace, kind, name))
    }
}
