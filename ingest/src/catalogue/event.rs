//! Kubernetes Events: warnings, each once and again when its count rises.

use std::collections::{BTreeMap, VecDeque};

use aegis_schemas::signal::KubernetesEvent;

use super::object::Object;

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
