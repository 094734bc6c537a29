//! The revisions of a workload's template: ReplicaSets and ControllerRevisions.

use aegis_schemas::Entity;
use aegis_schemas::signal::Revision;

use super::kind::ObjectKind;
use super::object::Object;
use super::{Catalogue, workload};

/// A ReplicaSet or ControllerRevision.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    /// The workload that it is a revision of.
    pub(super) owner: Option<Entity>,
    revision: Revision,
}

impl Kept {
    pub(super) fn read(kind: ObjectKind, owner: Option<Entity>, object: Object<'_>) -> Self {
        let null = serde_json::Value::Null;
        let created = object.time("/metadata/creationTimestamp");
        let revision = if kind == ObjectKind::ReplicaSet {
            let template = Object(object.at("/spec/template").unwrap_or(&null));
            Revision {
                number: object
                    .annotation("deployment.kubernetes.io/revision")
                    .and_then(|text| text.parse().ok())
                    .unwrap_or(0),
                template_hash: object.label("pod-template-hash").unwrap_or("").to_owned(),
                images: workload::images(template),
                created,
                ready: object.int("/status/readyReplicas"),
            }
        } else {
            let template = Object(object.at("/data/spec/template").unwrap_or(&null));
            // Pods of a DaemonSet carry the hash, pods of a StatefulSet the revision's name.
            let hash = object
                .label("controller-revision-hash")
                .unwrap_or_else(|| object.name());
            Revision {
                number: object.long("/revision"),
                template_hash: hash.to_owned(),
                images: workload::images(template),
                created,
                ready: 0,
            }
        };
        Self { owner, revision }
    }
}

impl Catalogue {
    /// The revisions of a workload, oldest first.
    pub(super) fn revisions_of(&self, workload: &Entity) -> Vec<Revision> {
        let keys = self.kept_of.get(workload).into_iter().flatten();
        let mut revisions: Vec<Revision> = keys
            .filter_map(|key| {
                let mut revision = self.kept.get(key)?.revision.clone();
                if key.0 == ObjectKind::ControllerRevision {
                    revision.ready = self.ready_pods(workload, &revision.template_hash);
                }
                Some(revision)
            })
            .collect();
        revisions.sort_by(|a, b| (a.number, &a.template_hash).cmp(&(b.number, &b.template_hash)));
        revisions
    }

    /// The highest number of a workload's revisions.
    pub(super) fn newest_revision(&self, workload: &Entity) -> i64 {
        let newest = self.revisions_of(workload).last().map(|last| last.number);
        newest.unwrap_or(0)
    }

    fn ready_pods(&self, workload: &Entity, hash: &str) -> i32 {
        let pods = self.pods_of.get(workload).into_iter().flatten();
        let ready = pods
            .filter_map(|pod| self.pods.get(pod))
            .filter(|pod| pod.state.ready && pod.state.template_hash == hash)
            .count();
        i32::try_from(ready).unwrap_or(i32::MAX)
    }
}
