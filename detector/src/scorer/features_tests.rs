#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot build its case fails"
)]

use std::time::Duration;

use aegis_schemas::{Cluster, Entity, EntityKind, MetricKind, Namespace};

use super::super::counter::MAX_LINE_COUNTERS;
use super::*;

/// Metric, pod, labels, value.
type Sample<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], f64);

/// A reader and the features of its newest row, at one row every second.
#[derive(Default)]
struct Rows {
    reader: Reader,
    now: u64,
}

impl Rows {
    /// `metric{labels} value` of pod `pod`, as many as given.
    fn row(&mut self, samples: &[Sample<'_>]) {
        self.now += 1;
        let series = samples
            .iter()
            .map(|(metric, pod, labels, value)| Series {
                metric: (*metric).to_owned(),
                pod: Some(Name::parse(*pod).unwrap()),
                labels: labels
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                    .collect(),
                kind: MetricKind::Counter,
                values: vec![*value],
            })
            .collect();
        let at = Timestamp::EPOCH + Duration::from_secs(self.now);
        let batch = MetricBatch {
            entity: Entity::namespaced(
                Cluster::parse("demo").unwrap(),
                Namespace::parse("shop").unwrap(),
                EntityKind::Deployment,
                Name::parse("web").unwrap(),
            ),
            source: "test".to_owned(),
            backfill: false,
            times: vec![at],
            series,
        };
        self.reader
            .read(&Config::default(), &prepare(&batch), 0, at);
    }

    /// The feature's value in the newest row alone, and smoothed.
    fn feature(&self, name: &str) -> Option<(f64, f64)> {
        let mut found = None;
        self.reader.features(|feature, peer, level, instant| {
            let full = peer.map_or_else(|| feature.to_owned(), |peer| format!("{feature}.{peer}"));
            if full == name {
                found = Some((instant, level));
            }
        });
        found
    }

    fn assert(&self, name: &str, expected: f64) {
        let (instant, _) = self.feature(name).unwrap();
        assert!((instant - expected).abs() < 1e-9, "{name}: {instant}");
    }
}

const OK: &[(&str, &str)] = &[("code", "200")];
const BAD: &[(&str, &str)] = &[("code", "503")];

#[test]
fn counters_become_rates_through_first_sight_reset_and_new_series() {
    let mut rows = Rows::default();
    rows.row(&[("http_requests_total", "a", OK, 1_000.0)]);
    assert_eq!(
        rows.feature("request_rate"),
        None,
        "a first sight is no rate"
    );
    rows.row(&[("http_requests_total", "a", OK, 1_100.0)]);
    rows.assert("request_rate", 100.0);
    // The first error makes a new series, which began at zero.
    rows.row(&[
        ("http_requests_total", "a", OK, 1_150.0),
        ("http_requests_total", "a", BAD, 50.0),
    ]);
    rows.assert("request_rate", 100.0);
    rows.assert("error_ratio", 0.5);
    // The container restarted.
    rows.row(&[
        ("http_requests_total", "a", OK, 30.0),
        ("http_requests_total", "a", BAD, 10.0),
    ]);
    rows.assert("request_rate", 40.0);
    // One scrape was missed: its rise does not all belong to this second.
    rows.now += 1;
    rows.row(&[
        ("http_requests_total", "a", OK, 230.0),
        ("http_requests_total", "a", BAD, 10.0),
    ]);
    rows.assert("request_rate", 100.0);
    rows.now += 3_600;
    rows.row(&[("http_requests_total", "a", OK, 9e9)]);
    assert!(
        rows.feature("request_rate")
            .is_none_or(|(_, level)| level < 200.0)
    );
}

#[test]
fn utilisation_is_over_all_pods_with_a_limit() {
    let cpu: &[(&str, &str)] = &[("container", "app"), ("resource", "cpu")];
    let memory: &[(&str, &str)] = &[("container", "app"), ("resource", "memory")];
    let app: &[(&str, &str)] = &[("container", "app")];
    let total: &[(&str, &str)] = &[("container", "")];
    let mut rows = Rows::default();
    for second in 0..3 {
        let s = f64::from(second);
        rows.row(&[
            ("container_cpu_usage_seconds_total", "a", app, s * 0.2),
            ("container_cpu_usage_seconds_total", "a", total, s * 9.0),
            ("container_cpu_usage_seconds_total", "b", app, s * 0.6),
            ("container_memory_working_set_bytes", "a", app, 300.0),
            ("container_memory_working_set_bytes", "b", app, f64::NAN),
            ("kube_pod_container_resource_limits", "a", cpu, 1.0),
            ("kube_pod_container_resource_limits", "b", cpu, 1.0),
            ("kube_pod_container_resource_limits", "a", memory, 1_000.0),
        ]);
    }
    rows.assert("cpu_utilisation", 0.4);
    rows.assert("memory_utilisation", 0.3);
    let levels = rows.reader.levels("cpu_utilisation");
    assert_eq!(levels.len(), 2);
    assert!((levels[1].1 - 0.6).abs() < 1e-9);
}

#[test]
fn containers_of_a_pod_share_its_disk_and_the_fullest_pod_counts() {
    let (app, sidecar) = ([("container", "app")], [("container", "sidecar")]);
    let mut rows = Rows::default();
    for _ in 0..3 {
        rows.row(&[
            ("container_fs_limit_bytes", "a", &app, 100.0),
            ("container_fs_limit_bytes", "a", &sidecar, 100.0),
            ("container_fs_usage_bytes", "a", &app, 60.0),
            ("container_fs_usage_bytes", "a", &sidecar, 20.0),
            ("container_fs_limit_bytes", "b", &app, 100.0),
            ("container_fs_usage_bytes", "b", &app, 30.0),
        ]);
    }
    rows.assert("disk_utilisation", 0.8);
}

#[test]
fn quantiles_and_means_come_from_the_histogram() {
    let le = |bound: &'static str| [("le", bound)];
    let bounds = [le("0.1"), le("0.2"), le("0.4"), le("+Inf")];
    let mut rows = Rows::default();
    for round in [0.0, 1.0] {
        rows.row(&[
            (
                "http_request_duration_seconds_bucket",
                "a",
                &bounds[0],
                round * 50.0,
            ),
            (
                "http_request_duration_seconds_bucket",
                "a",
                &bounds[1],
                round * 98.0,
            ),
            (
                "http_request_duration_seconds_bucket",
                "a",
                &bounds[2],
                round * 100.0,
            ),
            (
                "http_request_duration_seconds_bucket",
                "a",
                &bounds[3],
                round * 100.0,
            ),
            ("http_request_duration_seconds_sum", "a", &[], round * 12.0),
            (
                "http_request_duration_seconds_count",
                "a",
                &[],
                round * 100.0,
            ),
        ]);
    }
    rows.assert("latency_p50", 0.1);
    rows.assert("latency_p99", 0.3);
    rows.assert("latency_mean", 0.12);
}

/// The slowest of a few answers says nothing of the slowest hundredth.
#[test]
fn a_p99_takes_a_hundred_answers() {
    for (answers, known) in [(99.0, false), (100.0, true)] {
        let mut rows = Rows::default();
        for total in [0.0, answers] {
            let bucket = |le: &'static [(&'static str, &'static str)], within: f64| {
                let metric = "http_request_duration_seconds_bucket";
                (metric, "a", le, (total * within).floor())
            };
            rows.row(&[
                bucket(&[("le", "0.1")], 0.5),
                bucket(&[("le", "+Inf")], 1.0),
            ]);
        }
        assert!(rows.feature("latency_p50").is_some());
        assert_eq!(rows.feature("latency_p99").is_some(), known, "{answers}");
    }
}

#[test]
fn calls_are_told_apart_by_peer() {
    let ok: &[(&str, &str)] = &[("code", "200"), ("peer", "cart")];
    let bad: &[(&str, &str)] = &[("code", "500"), ("peer", "cart")];
    let cart: &[(&str, &str)] = &[("peer", "cart")];
    let mut rows = Rows::default();
    for round in [0.0, 1.0] {
        rows.row(&[
            ("http_client_requests_total", "a", ok, round * 30.0),
            ("http_client_requests_total", "a", bad, round * 10.0),
            (
                "http_client_request_duration_seconds_sum",
                "a",
                cart,
                round * 8.0,
            ),
            (
                "http_client_request_duration_seconds_count",
                "a",
                cart,
                round * 40.0,
            ),
        ]);
    }
    rows.assert("call_error_ratio.cart", 0.25);
    rows.assert("call_latency.cart", 0.2);
}

#[test]
fn one_failure_in_a_window_is_an_accident_and_more_are_a_share() {
    for (failures, least) in [(1.0, 0.0), (2.0, 0.02), (10.0, 0.2)] {
        let mut rows = Rows::default();
        rows.row(&[
            ("http_requests_total", "a", OK, 1_000.0),
            ("http_requests_total", "a", BAD, 5.0),
        ]);
        rows.row(&[
            ("http_requests_total", "a", OK, 1_030.0),
            ("http_requests_total", "a", BAD, 5.0 + failures),
        ]);
        let (row, smoothed) = rows.feature("error_ratio").unwrap();
        assert!(row > 0.0, "each counts in its row");
        assert_eq!(smoothed > 0.0, failures > 1.0);
        assert!(smoothed >= least, "{failures}: {smoothed}");
    }
}

#[test]
fn the_fullest_pool_of_the_fullest_pod_counts_whoever_tells_of_it() {
    let (main, audit) = ([("pool", "main")], [("pool", "audit")]);
    let mut rows = Rows::default();
    for _ in 0..3 {
        rows.row(&[
            ("hikaricp_connections_max", "a", &main, 10.0),
            ("hikaricp_connections_max", "a", &audit, 4.0),
            ("hikaricp_connections_active", "a", &main, 2.0),
            ("hikaricp_connections_active", "a", &audit, 3.0),
            ("hikaricp_connections_max", "b", &main, 10.0),
            ("hikaricp_connections_active", "b", &main, 1.0),
            // No limit: never full.
            ("go_sql_in_use_connections", "b", &[("db_name", "x")], 90.0),
            ("go_sql_max_open_connections", "b", &[("db_name", "x")], 0.0),
        ]);
    }
    rows.assert("pool_utilisation", 0.75);
    let levels = rows.reader.levels("pool_utilisation");
    let levels: Vec<f64> = levels.into_iter().map(|(_, level)| level).collect();
    assert!((levels[0] - 0.75).abs() < 1e-9 && (levels[1] - 0.1).abs() < 1e-9);

    let (idle, active) = (
        [
            ("server", "db:5432"),
            ("state", "idle"),
            ("datname", "shop"),
        ],
        [
            ("server", "db:5432"),
            ("state", "active"),
            ("datname", "shop"),
        ],
    );
    let (used, free) = (
        [("pool_name", "p"), ("state", "used")],
        [("pool_name", "p"), ("state", "idle")],
    );
    for (samples, expected) in [
        (
            [
                ("pg_stat_activity_count", "c", &idle[..], 30.0),
                ("pg_stat_activity_count", "c", &active[..], 20.0),
                ("pg_settings_max_connections", "c", &idle[..1], 100.0),
            ],
            0.5,
        ),
        (
            [
                ("db_client_connections_usage", "c", &used[..], 5.0),
                ("db_client_connections_usage", "c", &free[..], 15.0),
                ("db_client_connections_max", "c", &used[..1], 20.0),
            ],
            0.25,
        ),
    ] {
        let mut rows = Rows::default();
        rows.row(&samples);
        rows.assert("pool_utilisation", expected);
    }
}

#[test]
fn lines_of_the_log_become_rates_by_level_however_they_are_told() {
    let refused = [("level", "error"), ("template", "refused by <*>")];
    let slow = [("template", "WARN slow <*>")];
    let mut rows = Rows::default();
    for _ in 0..3 {
        rows.row(&[
            ("aegis:log_lines:rate1m", "a", &refused, 2.0),
            ("aegis:log_lines:rate1m", "b", &refused, 1.0),
            ("aegis:log_lines:rate1m", "b", &slow, 4.0),
            // Their level was counted already.
            (
                "aegis:log_templates:rate1m",
                "b",
                &[("template", "error x")],
                9.0,
            ),
        ]);
    }
    for (level, expected) in [("error", 3.0), ("warn", 4.0), ("info", 0.0)] {
        rows.assert(&format!("log_rate.{level}"), expected);
    }
    // Samples of others come in between; a query for lines that were not written answers with nothing.
    let memory = ("container_memory_working_set_bytes", "a", &[][..], 1.0);
    rows.now += 59;
    rows.row(&[memory]);
    rows.assert("log_rate.error", 3.0);
    rows.now += 99;
    rows.row(&[memory]);
    rows.assert("log_rate.error", 0.0);

    let mut rows = Rows::default();
    for total in [7.0, 10.0, 13.0] {
        rows.row(&[("logback_events_total", "a", &[("level", "ERROR")], total)]);
    }
    rows.assert("log_rate.error", 3.0);
}

/// A log has as many counters as templates; what tells how the pod is has its own room.
#[test]
fn counters_of_lines_take_no_room_of_others() {
    let texts: Vec<String> = (0..400).map(|n| format!("error {n}")).collect();
    let labels: Vec<[(&str, &str); 1]> = texts
        .iter()
        .map(|text| [("template", text.as_str())])
        .collect();
    let mut rows = Rows::default();
    for total in [1.0, 2.0, 3.0] {
        let lines = labels
            .iter()
            .map(|label| ("log_lines_total", "a", &label[..], total));
        let mut samples: Vec<Sample<'_>> = lines.collect();
        samples.push(("http_requests_total", "a", OK, 100.0 * total));
        rows.row(&samples);
    }
    rows.assert("request_rate", 100.0);
    rows.assert("log_rate.error", MAX_LINE_COUNTERS as f64);
}
