//! Deployments: which ReplicaSet is the wanted one.
//!
//! How pods move from the old sets to the new one is in `rollout`, the status
//! in `progress`.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::api::cluster::{self, Cluster};
use crate::api::resources::Kind;
use crate::api::store::Key;
use crate::api::{identity, json};

pub(super) const REVISION: &str = "deployment.kubernetes.io/revision";
const REVISIONS: &str = "deployment.kubernetes.io/revision-history";
pub(super) const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
const MAXIMUM: &str = "deployment.kubernetes.io/max-replicas";
const HASH: &str = "pod-template-hash";

/// Annotations of a Deployment that its ReplicaSets do not inherit.
const OWN: [&str; 6] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    REVISIONS,
    DESIRED,
    MAXIMUM,
    "deprecated.deployment.rollback.to",
];

impl Cluster {
    pub(super) fn deployment(&mut self, key: &Key, deployment: &Arc<Value>) {
        if json::terminating(deployment) {
            return;
        }
        let paused = json::flag(deployment, "/spec/paused");
        if !paused {
            self.wanted_set(deployment);
        }
        let sets = self.sets_of(deployment);
        let wanted = wanted(deployment, &sets);
        if paused || self.resized(deployment, &sets) {
            self.resize(deployment, &sets, wanted.as_deref());
        } else if let Some(wanted) = &wanted {
            if json::text(deployment, "/spec/strategy/type") == "Recreate" {
                self.recreate(deployment, &sets, wanted);
            } else {
                self.roll(deployment, &sets, wanted);
            }
        }
        let sets = self.sets_of(deployment);
        self.deployment_status(key, &sets);
    }

    /// The Deployment's ReplicaSets, oldest first.
    pub(super) fn sets_of(&self, deployment: &Value) -> Vec<Arc<Value>> {
        let uid = json::uid(deployment);
        let mut sets: Vec<_> = self
            .store
            .within(Kind::ReplicaSet, json::namespace(deployment))
            .filter(|set| cluster::controller(set) == uid && !json::terminating(set))
            .cloned()
            .collect();
        sets.sort_by_cached_key(|set| {
            (
                json::text(set, "/metadata/creationTimestamp").to_owned(),
                json::name(set).to_owned(),
            )
        });
        sets
    }

    /// Finds or makes the ReplicaSet of the present template and gives it the
    /// highest revision.
    fn wanted_set(&mut self, deployment: &Value) {
        let sets = self.sets_of(deployment);
        let found = wanted(deployment, &sets);
        let highest = sets
            .iter()
            .filter(|set| found.as_ref().is_none_or(|found| !Arc::ptr_eq(found, set)))
            .map(|set| revision(set))
            .max()
            .unwrap_or(0);
        let now_at = match found {
            Some(found) if revision(&found) > highest => revision(&found),
            Some(found) => {
                let mut new = (*found).clone();
                let before = revision(&found).to_string();
                let history = match json::annotation(&found, REVISIONS) {
                    Some(history) => format!("{history},{before}"),
                    None => before,
                };
                annotate(&mut new, REVISIONS, history);
                annotate(&mut new, REVISION, (highest + 1).to_string());
                self.write(&Key::of(Kind::ReplicaSet, &found), new);
                highest + 1
            }
            None => {
                self.make_set(deployment, highest + 1);
                highest + 1
            }
        };
        let key = Key::of(Kind::Deployment, deployment);
        if revision(deployment) != now_at
            && let Some(live) = self.store.get(&key)
        {
            let mut new = (**live).clone();
            annotate(&mut new, REVISION, now_at.to_string());
            // With the status, so that it does not count as a change of the Deployment.
            self.write_status(&key, new);
        }
    }

    fn make_set(&mut self, deployment: &Value, revision: i64) {
        let template = &deployment["spec"]["template"];
        let hash = identity::content_hash(template);
        let mut annotations = json!({});
        if let Some(own) = deployment
            .pointer("/metadata/annotations")
            .and_then(Value::as_object)
        {
            for (name, value) in own.iter().filter(|(name, _)| !OWN.contains(&name.as_str())) {
                json::set(&mut annotations, &[name], value.clone());
            }
        }
        json::set(&mut annotations, &[REVISION], revision.to_string());
        let mut set = json!({
            "metadata": {
                "name": format!("{}-{hash}", json::name(deployment)),
                "namespace": json::namespace(deployment),
                "labels": template.pointer("/metadata/labels"),
                "annotations": annotations,
                "ownerReferences": [super::owner_reference(Kind::Deployment, deployment)],
            },
            "spec": {
                "replicas": 0,
                "selector": deployment["spec"]["selector"],
                "template": template,
            },
        });
        for path in [
            &["metadata", "labels", HASH][..],
            &["spec", "selector", "matchLabels", HASH],
            &["spec", "template", "metadata", "labels", HASH],
        ] {
            json::set(&mut set, path, hash.clone());
        }
        if let Some(seconds) = deployment.pointer("/spec/minReadySeconds") {
            json::set(&mut set, &["spec", "minReadySeconds"], seconds.clone());
        }
        self.make(Kind::ReplicaSet, set);
    }

    /// Gives a set its replicas and notes what the Deployment wants in all.
    pub(super) fn scale_set(&mut self, deployment: &Value, set: &Value, replicas: i64) {
        let key = Key::of(Kind::ReplicaSet, set);
        let Some(live) = self.store.get(&key).cloned() else {
            return;
        };
        let (before, total) = (
            json::int(&live, "/spec/replicas", 0),
            json::int(deployment, "/spec/replicas", 1),
        );
        let mut new = (*live).clone();
        let surge = super::rollout::surge(deployment);
        annotate(&mut new, DESIRED, total.to_string());
        annotate(&mut new, MAXIMUM, (total + surge).to_string());
        json::set(&mut new, &["spec", "replicas"], replicas);
        self.write(&key, new);
        if before != replicas {
            let direction = if replicas > before { "up" } else { "down" };
            let name = json::name(set);
            let message =
                format!("Scaled {direction} replica set {name} from {before} to {replicas}");
            let component = "deployment-controller";
            self.tell(
                deployment,
                "Normal",
                "ScalingReplicaSet",
                &message,
                component,
            );
        }
    }
}

pub(super) fn revision(object: &Value) -> i64 {
    json::annotation(object, REVISION)
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
}

fn annotate(object: &mut Value, key: &str, value: String) {
    json::set(object, &["metadata", "annotations", key], value);
}

/// The ReplicaSet that has the Deployment's template.
pub(super) fn wanted(deployment: &Value, sets: &[Arc<Value>]) -> Option<Arc<Value>> {
    let template = &deployment["spec"]["template"];
    sets.iter()
        .find(|set| {
            let mut theirs = set["spec"]["template"].clone();
            json::put(
                json::entry(&mut theirs, &["metadata", "labels"]),
                HASH,
                None,
            );
            theirs == *template
        })
        .cloned()
}
