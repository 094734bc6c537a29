//! Samples become batches of workloads.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;

use aegis_ingest::{Catalogue, Mapper, ObjectKind, Sample};
use aegis_schemas::{Cluster, Event, MetricKind, SignalBody, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn workload(name: &str) -> Value {
    json!({"metadata": {"name": name, "namespace": "shop", "uid": name}, "spec": {"template": {}}})
}

fn catalogue() -> Catalogue {
    let mut catalogue = Catalogue::new(Cluster::parse("demo").unwrap());
    for name in ["cart", "pay"] {
        catalogue.applied(ObjectKind::Deployment, &workload(name), NOW);
    }
    catalogue.applied(ObjectKind::StatefulSet, &workload("db"), NOW);
    catalogue
}

fn sample(name: &str, labels: &[(&str, &str)], value: f64, at: i64) -> Sample {
    Sample {
        name: name.to_owned(),
        labels: labels
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        kind: MetricKind::Counter,
        value,
        time: Timestamp::from_millis(1_700_000_000_000 + at),
    }
}

fn cart<'a>(pod: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [("namespace", "shop"), ("pod", pod)]
        .into_iter()
        .chain(more.iter().copied())
        .collect()
}

#[test]
fn a_scrape_is_one_batch_for_each_workload() {
    let samples = vec![
        sample(
            "http_requests_total",
            &cart("cart-1-a", &[("code", "200")]),
            7.0,
            0,
        ),
        sample(
            "http_requests_total",
            &cart("cart-1-b", &[("code", "200")]),
            8.0,
            0,
        ),
        sample("http_requests_total", &cart("db-0", &[]), 9.0, 0),
        sample("up", &[("namespace", "shop"), ("workload", "pay")], 1.0, 0),
        sample(
            "up",
            &[("namespace", "shop"), ("statefulset", "db")],
            f64::NAN,
            0,
        ),
        sample("load", &[("node", "node-1")], 2.0, 0),
        sample("up", &cart("gone-1-a", &[]), 1.0, 0),
        sample("up", &[], 1.0, 0),
    ];
    let mapped = Mapper::new().map(&catalogue(), "scrape/x", samples, false, NOW);
    let entities: Vec<_> = mapped
        .batches
        .iter()
        .map(|batch| batch.entity.short())
        .collect();
    assert_eq!(
        entities,
        [
            "node/node-1",
            "deployment/cart",
            "deployment/pay",
            "statefulset/db"
        ]
    );
    assert_eq!((mapped.unknown, mapped.unmappable), (1, 1));
    let cart = &mapped.batches[1];
    assert_eq!(cart.times, [NOW]);
    assert_eq!(cart.series.len(), 2);
    let one = &cart.series[0];
    assert_eq!(one.pod.as_ref().unwrap().as_str(), "cart-1-a");
    assert_eq!(
        one.labels,
        BTreeMap::from([("code".to_owned(), "200".to_owned())])
    );
    assert_eq!(one.values, [7.0]);
}

#[test]
fn what_is_said_of_a_node_is_the_nodes_wherever_its_exporter_runs() {
    let exporter = cart("cart-1-a", &[("container", "main"), ("node", "node-1")]);
    let samples = ["kube_node_status_allocatable", "kube_pod_info"];
    let samples = samples.map(|name| sample(name, &exporter, 4.0, 0)).to_vec();
    let mapped = Mapper::new().map(&catalogue(), "scrape/x", samples, false, NOW);
    let entities: Vec<_> = mapped
        .batches
        .iter()
        .map(|batch| batch.entity.short())
        .collect();
    assert_eq!(entities, ["node/node-1", "deployment/cart"]);
    assert_eq!(mapped.batches[0].series[0].labels, BTreeMap::new());
}

#[test]
fn a_change_of_whom_a_workload_calls_is_said() {
    let catalogue = catalogue();
    let mut mapper = Mapper::new();
    let mut callees = |peers: &[&str]| -> Vec<Vec<String>> {
        let samples = peers
            .iter()
            .map(|peer| {
                sample(
                    "http_client_requests_total",
                    &cart("cart-1-a", &[("peer", *peer)]),
                    1.0,
                    0,
                )
            })
            .collect();
        let mapped = mapper.map(&catalogue, "scrape/x", samples, false, NOW);
        mapped
            .calls
            .iter()
            .map(|signal| match &signal.body {
                SignalBody::Calls(calls) => calls
                    .callees
                    .iter()
                    .map(aegis_schemas::Entity::short)
                    .collect(),
                other => panic!("{other:?}"),
            })
            .collect()
    };
    assert_eq!(callees(&["pay"]), [["deployment/pay"]]);
    assert!(callees(&["pay"]).is_empty());
    assert_eq!(
        callees(&["db", "bank.example"]),
        [["service/bank.example", "statefulset/db", "deployment/pay"]]
    );
    assert_eq!(mapper.restate(&catalogue, NOW).len(), 1);
    assert_eq!(
        mapper.restate(&catalogue, NOW).len(),
        1,
        "the round in which they vanish"
    );
    assert!(
        mapper.restate(&catalogue, NOW).is_empty(),
        "nobody calls any more"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn no_sample_is_lost_and_every_batch_fits(
        points in prop::collection::vec((0..400usize, 0..200i64, 0..3usize), 1..4_000),
        long in 1..300usize,
    ) {
        let text = "x".repeat(long);
        let samples: Vec<Sample> = points
            .iter()
            .map(|(series, at, pod)| {
                let pod = ["cart-1-a", "cart-1-b", "db-0"][*pod];
                let code = format!("{text}{series}");
                sample("http_requests_total", &cart(pod, &[("code", &code)]), 1.0, *at)
            })
            .collect();
        let distinct: std::collections::BTreeSet<_> = points.iter().collect();
        let mapped = Mapper::new().map(&catalogue(), "remote-write", samples, false, NOW);
        let count: usize = mapped.batches.iter().map(aegis_schemas::MetricBatch::samples).sum();
        prop_assert_eq!(count, distinct.len());
        for batch in mapped.batches {
            prop_assert!(batch.fault().is_none());
            prop_assert!(Event::Metric(batch).encode().is_ok());
        }
    }
}
