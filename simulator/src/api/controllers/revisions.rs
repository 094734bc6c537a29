//! ControllerRevisions: the templates that StatefulSets and DaemonSets had.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::api::cluster::{self, Cluster};
use crate::api::resources::Kind;
use crate::api::store::Key;
use crate::api::{identity, json};

/// What pods are labelled with: those of a StatefulSet with the name of their revision, those of a
/// DaemonSet with its hash.
pub(super) const POD_LABEL: &str = "controller-revision-hash";

impl Cluster {
    /// The name of the revision of the owner's present template, made or
    /// given the highest number when needed.
    pub(super) fn revision_of(&mut self, kind: Kind, owner: &Value) -> String {
        let namespace = json::namespace(owner);
        let data = data(owner);
        let known = self.revisions(namespace, json::uid(owner));
        let highest = known
            .last()
            .map_or(0, |last| json::int(last, "/revision", 0));
        if let Some(found) = known.iter().find(|revision| revision["data"] == data) {
            if json::int(found, "/revision", 0) < highest {
                let mut new = (**found).clone();
                json::set(&mut new, &["revision"], highest + 1);
                self.write(&Key::of(Kind::ControllerRevision, found), new);
            }
            return json::name(found).to_owned();
        }
        let hash = identity::content_hash(&data);
        let name = format!("{}-{hash}", json::name(owner));
        let labels = owner
            .pointer("/spec/template/metadata/labels")
            .cloned()
            .unwrap_or_default();
        let mut revision = json!({
            "metadata": {
                "name": name,
                "namespace": namespace,
                "labels": labels,
                "ownerReferences": [super::owner_reference(kind, owner)],
            },
            "data": data,
            "revision": highest + 1,
        });
        let label = match kind {
            Kind::DaemonSet => POD_LABEL,
            _ => "controller.kubernetes.io/hash",
        };
        json::set(&mut revision, &["metadata", "labels", label], hash);
        self.make(Kind::ControllerRevision, revision);
        self.forget_revisions(owner, known);
        name
    }

    /// The template that the revision `name` keeps.
    pub(super) fn template_at(&self, namespace: &str, name: &str) -> Option<Value> {
        let key = Key::new(Kind::ControllerRevision, namespace, name);
        self.store
            .get(&key)?
            .pointer("/data/spec/template")
            .cloned()
    }

    fn revisions(&self, namespace: &str, owner: &str) -> Vec<Arc<Value>> {
        let mut found: Vec<_> = self
            .store
            .within(Kind::ControllerRevision, namespace)
            .filter(|revision| cluster::controller(revision) == owner)
            .cloned()
            .collect();
        found.sort_by_key(|revision| json::int(revision, "/revision", 0));
        found
    }

    fn forget_revisions(&mut self, owner: &Value, known: Vec<Arc<Value>>) {
        let limit = json::int(owner, "/spec/revisionHistoryLimit", 10);
        let current = json::text(owner, "/status/currentRevision").to_owned();
        let old: Vec<_> = known
            .into_iter()
            .filter(|revision| json::name(revision) != current)
            .collect();
        let excess = old
            .len()
            .saturating_sub(usize::try_from(limit).unwrap_or(0));
        for revision in old.into_iter().take(excess) {
            self.remove(&Key::of(Kind::ControllerRevision, &revision));
        }
    }
}

/// What a revision keeps: a patch that brings the template back.
fn data(owner: &Value) -> Value {
    let mut template = owner["spec"]["template"].clone();
    json::set(&mut template, &["$patch"], "replace");
    json!({"spec": {"template": template}})
}
