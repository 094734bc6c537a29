//! The cluster's objects as signals: what ingest's watch does, without a connection.

use aegis_ingest::{Catalogue, ObjectKind};
use aegis_schemas::{Signal, Timestamp};
use aegis_simulator::api::{Api, Changed};

/// Follows the objects of a cluster.
pub(crate) struct Objects {
    pub(crate) catalogue: Catalogue,
    version: Option<u64>,
}

impl Objects {
    pub(crate) const fn new(catalogue: Catalogue) -> Self {
        Self {
            catalogue,
            version: None,
        }
    }

    /// The version of the cluster that was read last.
    pub(crate) const fn version(&self) -> Option<u64> {
        self.version
    }

    /// What changed since the last time.
    pub(crate) fn news(&mut self, api: &Api, now: Timestamp) -> Vec<Signal> {
        let version = api.version();
        if self.version == Some(version) {
            return Vec::new();
        }
        let changes = self.version.and_then(|seen| api.changes_since(seen));
        self.version = Some(version);
        match changes {
            Some(changes) => changes
                .iter()
                .flat_map(|changed| self.change(changed, now))
                .collect(),
            None => self.list(api, now),
        }
    }

    fn change(&mut self, changed: &Changed, now: Timestamp) -> Vec<Signal> {
        let (group, _, plural) = changed.resource;
        let is_it = |kind: &ObjectKind| {
            let (of, _, _, name) = kind.resource();
            (of, name) == (group, plural)
        };
        match ObjectKind::ALL.into_iter().find(is_it) {
            Some(kind) if changed.deleted => self.catalogue.deleted(kind, &changed.object, now),
            Some(kind) => self.catalogue.applied(kind, &changed.object, now),
            None => Vec::new(),
        }
    }

    fn list(&mut self, api: &Api, now: Timestamp) -> Vec<Signal> {
        let mut signals = Vec::new();
        for kind in ObjectKind::ALL {
            let (group, version, _, plural) = kind.resource();
            let objects: Vec<_> = api
                .objects(group, version, plural)
                .iter()
                .map(|object| (**object).clone())
                .collect();
            signals.extend(self.catalogue.listed(kind, &objects, now));
        }
        signals
    }
}
