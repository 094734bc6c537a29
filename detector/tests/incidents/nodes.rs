//! A node that is sick, and the workloads on it.

use aegis_schemas::{Cluster, Grouped, GroupedBy};

use super::*;

/// Workloads whose `feature` is too high, with the nodes of their pods, while node 1 has no CPU left: the roots
/// of the incidents that open, and how many entities each affects.
fn on_nodes(of: &[(&str, [&str; 2])], feature: &str) -> Vec<(String, usize)> {
    let mut log = Log::new();
    let cluster = Cluster::parse("demo").unwrap();
    let node = Name::parse("node-1").unwrap();
    let node = Entity::cluster_scoped(cluster, EntityKind::Node, node);
    let workloads: Vec<Entity> = of.iter().map(|(of, _)| log.healthy(of, 2)).collect();
    for (of, nodes) in of {
        for (number, node) in (0..).zip(nodes) {
            let state = PodState {
                uid: format!("{of}-{number}-rev1"),
                workload: Some(workload(of)),
                node: Some(Name::parse(*node).unwrap()),
                phase: "Running".to_owned(),
                ready: true,
                template_hash: "rev1".to_owned(),
                ..PodState::default()
            };
            log.signal(&pod(of, number), SignalBody::Pod(state));
        }
    }
    let slow = [blame(feature, 2.0, 0.1)];
    let mut said: Vec<Event> = workloads
        .iter()
        .flat_map(|workload| log.anomaly(workload, AnomalyPhase::Opened, &slow))
        .collect();
    let full = [blame("cpu_utilisation", 0.99, 0.5)];
    said.extend(log.anomaly(&node, AnomalyPhase::Opened, &full));
    said.extend(log.wait(8));
    let opened = incidents(&said)
        .into_iter()
        .filter(|incident| incident.phase == IncidentPhase::Opened);
    let mut roots: Vec<_> = opened
        .map(|incident| {
            let is_node = incident.entity == node;
            assert!(
                !is_node || incident.recommendations.is_empty(),
                "{incident:?}"
            );
            let by_node = |one: &Grouped| one.by == GroupedBy::Node;
            assert!(incident.grouped.iter().all(by_node), "{incident:?}");
            (incident.entity.short(), incident.affected.len())
        })
        .collect();
    roots.sort();
    roots
}

#[test]
fn a_sick_node_is_the_cause_of_what_is_slow_on_it_and_of_nothing_else() {
    let here = ["node-1", "node-1"];
    let root = |of: &str, members| (of.to_owned(), members);
    let both = on_nodes(&[("cart", here), ("pay", here)], "latency_p99");
    assert_eq!(both, [root("node/node-1", 3)]);
    let spread = on_nodes(
        &[("cart", here), ("pay", ["node-1", "node-2"])],
        "latency_p99",
    );
    assert_eq!(spread, [root("deployment/pay", 1), root("node/node-1", 2)]);
    // What fills its own limit of memory would do so anywhere.
    let full = on_nodes(&[("cart", here)], "memory_utilisation");
    assert_eq!(full.len(), 2, "{full:?}");
}
