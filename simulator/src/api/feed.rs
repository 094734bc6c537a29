//! Objects and their changes without HTTP: for whoever drives a cluster in the same process.

use std::sync::Arc;

use serde_json::Value;

use super::Api;
use super::resources::Resource;

/// A resource: API group, version, plural.
pub type ResourceName = (&'static str, &'static str, &'static str);

/// An object that was written or removed.
#[derive(Clone, Debug)]
pub struct Changed {
    /// The resource under which it is stored.
    pub resource: ResourceName,
    /// Its last state.
    pub object: Arc<Value>,
    /// Whether it is gone.
    pub deleted: bool,
}

impl Api {
    /// All objects of a resource, by namespace and name; none when there is no such resource.
    #[must_use]
    pub fn objects(&self, group: &str, version: &str, plural: &str) -> Vec<Arc<Value>> {
        let Some(resource) = Resource::find(group, version, plural) else {
            return Vec::new();
        };
        self.with(|cluster| {
            let all = cluster.store.all(resource.kind);
            all.map(|(_, object)| Arc::clone(object)).collect()
        })
    }

    /// Everything that changed after a resource version, oldest first; `None` when that is forgotten and
    /// the objects must be listed again.
    #[must_use]
    pub fn changes_since(&self, version: u64) -> Option<Vec<Changed>> {
        self.with(|cluster| {
            let changes = cluster.store.since(version)?.map(|change| {
                let resource = change.key.kind.resource();
                Changed {
                    resource: (resource.group, resource.version, resource.plural),
                    object: Arc::clone(&change.object),
                    deleted: change.deleted,
                }
            });
            Some(changes.collect())
        })
    }
}
