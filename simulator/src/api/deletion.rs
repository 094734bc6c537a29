//! How objects go: preconditions, grace, finalizers, owners.

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::cluster::{Cluster, owned_by};
use super::error::Refusal;
use super::json;
use super::managed::Writer;
use super::resources::{Kind, Resource};
use super::store::Key;

/// The finalizer of a foreground deletion: dependents go first.
pub(crate) const FOREGROUND: &str = "foregroundDeletion";

/// `metav1.DeleteOptions`, as far as they matter here.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    pub(crate) grace: Option<i64>,
    pub(crate) propagation: String,
    pub(crate) uid: String,
    pub(crate) resource_version: String,
    pub(crate) dry_run: bool,
}

impl Options {
    pub(crate) fn read(body: &Value) -> Self {
        Self {
            grace: body.get("gracePeriodSeconds").and_then(Value::as_i64),
            propagation: json::text(body, "/propagationPolicy").to_owned(),
            uid: json::text(body, "/preconditions/uid").to_owned(),
            resource_version: json::text(body, "/preconditions/resourceVersion").to_owned(),
            dry_run: json::list(body, "/dryRun").iter().any(|mode| mode == "All"),
        }
    }

    /// Whether the object is still the one that the caller means.
    pub(crate) fn check(&self, resource: &Resource, object: &Value) -> Result<(), Refusal> {
        let name = json::name(object);
        let (uid, version) = (
            json::uid(object),
            json::text(object, "/metadata/resourceVersion"),
        );
        if !self.uid.is_empty() && self.uid != uid {
            let why = format!(
                "the UID in the precondition ({}) does not match the UID in record ({uid}). The \
                 object might have been deleted and then recreated",
                self.uid
            );
            return Err(Refusal::precondition(resource, name, &why));
        }
        if !self.resource_version.is_empty() && self.resource_version != version {
            let why = format!(
                "the ResourceVersion in the precondition ({}) does not match the ResourceVersion \
                 in record ({version}). The object might have been modified",
                self.resource_version
            );
            return Err(Refusal::precondition(resource, name, &why));
        }
        Ok(())
    }
}

impl Cluster {
    /// Deletes an object; what is left of it while it terminates. A dry run says what would be left.
    pub(crate) fn delete(&mut self, key: &Key, options: &Options) -> Option<Arc<Value>> {
        let old = self.store.get(key).cloned()?;
        if options.propagation == "Orphan" && !options.dry_run {
            self.orphan(json::uid(&old));
        }
        let mut new = (*old).clone();
        let foreground = options.propagation == "Foreground";
        if foreground && !json::terminating(&old) {
            let finalizers = json::entry(&mut new, &["metadata", "finalizers"]);
            if !finalizers.is_array() {
                *finalizers = json!([]);
            }
            if let Some(list) = finalizers.as_array_mut() {
                list.push(FOREGROUND.into());
            }
        }
        let grace = grace(key.kind, &old, options.grace);
        let held = !json::list(&new, "/metadata/finalizers").is_empty();
        if grace == 0 && !held && key.kind != Kind::Namespace {
            if !options.dry_run {
                self.remove(key);
            }
            return None;
        }
        let pending = json::int(&old, "/metadata/deletionGracePeriodSeconds", i64::MAX);
        if json::terminating(&old) && (key.kind != Kind::Pod || grace >= pending) {
            return Some(old);
        }
        let end = self.now + SignedDuration::from_secs(grace);
        json::set(
            &mut new,
            &["metadata", "deletionTimestamp"],
            json::stamp(end),
        );
        json::set(&mut new, &["metadata", "deletionGracePeriodSeconds"], grace);
        if key.kind == Kind::Namespace {
            json::set(&mut new, &["status", "phase"], "Terminating");
        }
        let writer = Writer::new("kube-apiserver", "");
        Some(self.commit(key, new, &writer, options.dry_run))
    }

    /// Removes a terminating object that nothing holds any more.
    pub(crate) fn finish(&mut self, key: &Key) -> bool {
        let object = self.store.get(key);
        object.is_some_and(|object| is_free(key, object)) && self.remove(key).is_some()
    }

    /// Takes `uid` off the owners of all its dependents.
    fn orphan(&mut self, uid: &str) {
        let dependents: Vec<_> = self
            .store
            .iter()
            .filter(|(_, object)| owned_by(object, uid))
            .map(|(key, object)| (key.clone(), (**object).clone()))
            .collect();
        for (key, mut object) in dependents {
            disown(&mut object, |owner| json::text(owner, "/uid") == uid);
            self.commit(
                &key,
                object,
                &Writer::new("kube-controller-manager", ""),
                false,
            );
        }
    }
}

/// Whether nothing holds a terminating object any more.
pub(crate) fn is_free(key: &Key, object: &Value) -> bool {
    json::terminating(object)
        && json::list(object, "/metadata/finalizers").is_empty()
        && key.kind != Kind::Namespace
        && json::int(object, "/metadata/deletionGracePeriodSeconds", 0) == 0
}

/// Removes the owner references for which `gone` holds.
pub(crate) fn disown(object: &mut Value, gone: impl Fn(&Value) -> bool) {
    let owners = json::entry(object, &["metadata", "ownerReferences"]);
    if let Some(owners) = owners.as_array_mut() {
        owners.retain(|owner| !gone(owner));
    }
    if json::list(object, "/metadata/ownerReferences").is_empty() {
        json::put(json::entry(object, &["metadata"]), "ownerReferences", None);
    }
}

/// Only a pod that runs somewhere gets time to stop.
fn grace(kind: Kind, object: &Value, asked: Option<i64>) -> i64 {
    let finished = matches!(json::text(object, "/status/phase"), "Succeeded" | "Failed");
    if kind != Kind::Pod || finished || json::text(object, "/spec/nodeName").is_empty() {
        return 0;
    }
    asked
        .unwrap_or_else(|| json::int(object, "/spec/terminationGracePeriodSeconds", 30))
        .max(0)
}
