//! The pod template of an earlier revision.

use aegis_schemas::{Entity, EntityKind};
use kube::core::DynamicObject;
use serde_json::Value;

use super::{Answer, ApiServer, Live, live};

const REVISION: &str = "deployment.kubernetes.io/revision";
const TEMPLATE_HASH: &str = "pod-template-hash";
/// What a ControllerRevision of a StatefulSet and one of a DaemonSet is labelled with. Pods of a
/// StatefulSet carry its whole name instead.
const REVISION_HASHES: [&str; 2] = ["controller.kubernetes.io/hash", "controller-revision-hash"];

/// The template of `revision`, if there is one with that hash: a number may have been given anew.
pub(crate) async fn of_revision(
    api: &ApiServer,
    workload: &Entity,
    live: &Live,
    revision: i64,
    hash: &str,
) -> Answer<Option<Value>> {
    let selector = selector(live);
    let deployment = workload.kind == EntityKind::Deployment;
    let kind = if deployment {
        "ReplicaSet"
    } else {
        "ControllerRevision"
    };
    let revisions = api.list_beside(workload, ("apps", kind), &selector).await?;
    Ok(revisions
        .iter()
        .filter(|object| live::controller(object).is_some_and(|(_, _, uid)| uid == live.uid))
        .find_map(|object| {
            if deployment {
                of_replica_set(object, revision, hash)
            } else {
                of_controller_revision(object, revision, hash)
            }
        }))
}

/// The workload's own labels for its pods, as a label selector.
pub(super) fn selector(live: &Live) -> String {
    let labels = live
        .field("/spec/selector/matchLabels")
        .and_then(Value::as_object);
    let mut terms: Vec<_> = labels
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?)))
        .collect();
    terms.sort();
    terms.join(",")
}

fn of_replica_set(object: &DynamicObject, revision: i64, hash: &str) -> Option<Value> {
    let metadata = &object.metadata;
    let number = metadata.annotations.as_ref()?.get(REVISION)?;
    let label = metadata.labels.as_ref()?.get(TEMPLATE_HASH)?;
    if *number != revision.to_string() || label != hash {
        return None;
    }
    let mut template = object.data.pointer("/spec/template")?.clone();
    if let Some(labels) = template.pointer_mut("/metadata/labels") {
        labels.as_object_mut()?.remove(TEMPLATE_HASH);
    }
    Some(template)
}

fn of_controller_revision(object: &DynamicObject, revision: i64, hash: &str) -> Option<Value> {
    if object.data.get("revision")?.as_i64() != Some(revision) {
        return None;
    }
    let metadata = &object.metadata;
    let labels = metadata.labels.as_ref();
    let labelled = |label: &&str| {
        labels
            .and_then(|labels| labels.get(*label))
            .is_some_and(|is| is == hash)
    };
    if !REVISION_HASHES.iter().any(labelled) && metadata.name.as_deref() != Some(hash) {
        return None;
    }
    let mut template = object.data.pointer("/data/spec/template")?.clone();
    // What is kept is a patch: it says that it replaces the whole.
    template.as_object_mut()?.remove("$patch");
    Some(template)
}
