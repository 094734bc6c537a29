//! ConfigMaps: only that they changed, for those who use them.

use aegis_schemas::signal::Change;
use aegis_schemas::{Entity, SignalBody};

use super::object::Object;
use super::say::Out;
use super::{Catalogue, ObjectKind, manager};

impl Catalogue {
    /// A ConfigMap's change is said of the workloads that use it.
    pub(super) fn config_map(&mut self, entity: &Entity, object: Object<'_>, out: &mut Out) {
        let version = object.text("/metadata/resourceVersion").to_owned();
        let before = self.config_maps.insert(entity.clone(), version.clone());
        let before = match before {
            Some(before) if before != version => before,
            Some(_) => return,
            None if self.listed.contains(&ObjectKind::ConfigMap) => "nothing".to_owned(),
            None => return,
        };
        let users = self.workloads.iter().filter(|(workload, facts)| {
            workload.namespace == entity.namespace
                && facts.config_maps.contains(entity.name.as_str())
        });
        for (workload, facts) in users {
            let change = Change {
                what: "configuration".to_owned(),
                by: manager::latest(object),
                generation: facts.state.generation,
                revision: 0,
                from: format!("config map `{}` at {before}", entity.name),
                to: format!("config map `{}` at {version}", entity.name),
            };
            out.push(workload.clone(), SignalBody::Change(change));
        }
    }
}
