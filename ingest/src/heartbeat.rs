//! What makes time pass when nothing happens.

use std::collections::BTreeMap;

use aegis_schemas::signal::Heartbeat;
use aegis_schemas::{Cluster, Entity, EntityKind, Name, Signal, SignalBody, Timestamp};

/// The cluster itself, as an entity.
pub(crate) fn cluster_entity(cluster: &Cluster) -> Entity {
    let name = Name::parse(cluster.as_str()).expect("names of clusters are names");
    Entity::cluster_scoped(cluster.clone(), EntityKind::Cluster, name)
}

/// The heartbeat of a cluster at `clock`, with when each source last delivered and how full AEGIS_EVENTS is,
/// from 0 to 1.
#[must_use]
pub fn heartbeat(
    cluster: &Cluster,
    clock: Timestamp,
    sources: BTreeMap<String, Timestamp>,
    fill: f64,
) -> Signal {
    Signal {
        entity: cluster_entity(cluster),
        observed: clock,
        source: "ingest".to_owned(),
        body: SignalBody::Heartbeat(Heartbeat {
            clock,
            sources,
            fill,
        }),
    }
}
