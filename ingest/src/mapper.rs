//! Samples in, a batch per workload out.
//!
//! A sample names its pod (`namespace`, `pod`) or its workload (`namespace` and one of `deployment`,
//! `statefulset`, `daemonset`, `workload`) or its node (`node` alone, or beside those of the exporter where
//! the metric's name says that it is a node's). What names the entity is taken out of the labels.

mod calls;
mod columns;

use std::collections::BTreeMap;

use aegis_schemas::{Entity, EntityKind, MetricBatch, Name, Namespace, Signal, Timestamp};

use crate::{Catalogue, Sample};
use calls::CallGraph;
use columns::Columns;

/// Longer label sets are not taken: one series must fit into a message.
const MAX_LABELS: usize = 8 * 1024;

/// Maps samples to entities and remembers who calls whom.
#[derive(Debug, Default)]
pub struct Mapper {
    calls: CallGraph,
}

/// What samples became.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mapped {
    /// The batches, by entity and time.
    pub batches: Vec<MetricBatch>,
    /// Workloads that call somebody new.
    pub calls: Vec<Signal>,
    /// How many samples name a pod or workload that is not known.
    pub unknown: usize,
    /// How many samples name nothing, or have labels that are too long.
    pub unmappable: usize,
}

enum Found {
    Entity(Entity, Option<Name>),
    Unknown,
    Unmappable,
}

impl Mapper {
    /// Nothing known yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Maps samples that `source` delivered at `now`. NaN (stale markers too) is passed over; infinite
    /// values stay.
    pub fn map(
        &mut self,
        catalogue: &Catalogue,
        source: &str,
        samples: Vec<Sample>,
        backfill: bool,
        now: Timestamp,
    ) -> Mapped {
        let mut mapped = Mapped::default();
        let mut columns: BTreeMap<Entity, Columns> = BTreeMap::new();
        for mut sample in samples {
            if sample.value.is_nan() {
                continue;
            }
            let length = |(name, value): (&String, &String)| name.len() + value.len();
            if sample.name.len() + sample.labels.iter().map(length).sum::<usize>() > MAX_LABELS {
                mapped.unmappable += 1;
                continue;
            }
            match find(catalogue, &sample.name, &mut sample.labels) {
                Found::Unknown => mapped.unknown += 1,
                Found::Unmappable => mapped.unmappable += 1,
                Found::Entity(entity, pod) => {
                    if !backfill && let Some(peer) = calls::peer(&sample) {
                        self.calls.saw(&entity, peer);
                    }
                    columns.entry(entity).or_default().add(pod, sample);
                }
            }
        }
        for (entity, columns) in columns {
            let batches = columns.into_batches(&entity, source, backfill);
            mapped.batches.extend(batches);
        }
        mapped.calls = self.calls.news(catalogue, now);
        mapped
    }

    /// Who calls whom, again; what was not seen since the last time but one is forgotten.
    pub fn restate(&mut self, catalogue: &Catalogue, now: Timestamp) -> Vec<Signal> {
        self.calls.restate(catalogue, now)
    }
}

/// The entity that the labels of a sample of `metric` name; takes them out.
fn find(catalogue: &Catalogue, metric: &str, labels: &mut BTreeMap<String, String>) -> Found {
    let named = |labels: &BTreeMap<String, String>, key: &str| {
        labels.get(key).is_some_and(|value| !value.is_empty())
    };
    // Who scrapes an exporter of nodes may add where the exporter itself runs.
    let is_nodes = ["node_", "kube_node_"]
        .iter()
        .any(|prefix| metric.starts_with(prefix));
    if !named(labels, "namespace") || (is_nodes && named(labels, "node")) {
        let node = labels.get("node").and_then(|node| Name::parse(node).ok());
        let Some(node) = node else {
            return Found::Unmappable;
        };
        for key in ["node", "namespace", "pod", "container"] {
            labels.remove(key);
        }
        let cluster = catalogue.cluster().clone();
        return Found::Entity(
            Entity::cluster_scoped(cluster, EntityKind::Node, node),
            None,
        );
    }
    if named(labels, "pod") {
        let owner = catalogue.owner_of(&labels["namespace"], &labels["pod"]);
        let pod = Name::parse(labels["pod"].as_str()).ok();
        let (Some(owner), Some(pod)) = (owner, pod) else {
            return Found::Unknown;
        };
        labels.remove("namespace");
        labels.remove("pod");
        return Found::Entity(owner, Some(pod));
    }
    let Ok(namespace) = Namespace::parse(labels["namespace"].as_str()) else {
        return Found::Unmappable;
    };
    let keys = [
        ("deployment", EntityKind::Deployment),
        ("statefulset", EntityKind::StatefulSet),
        ("daemonset", EntityKind::DaemonSet),
        ("workload", EntityKind::Service),
    ];
    let Some((key, kind)) = keys.into_iter().find(|(key, _)| named(labels, key)) else {
        return Found::Unmappable;
    };
    let Ok(name) = Name::parse(labels[key].as_str()) else {
        return Found::Unmappable;
    };
    labels.remove("namespace");
    labels.remove(key);
    // Of `workload` the kind is not said.
    let known = (kind == EntityKind::Service)
        .then(|| catalogue.workload_named(&namespace, name.as_str()))
        .flatten();
    let cluster = catalogue.cluster().clone();
    let entity = known.unwrap_or_else(|| Entity::namespaced(cluster, namespace, kind, name));
    Found::Entity(entity, None)
}
