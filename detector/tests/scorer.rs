//! The scorer on made-up workloads: what opens an episode, what does not, and what is blamed.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot build its case fails"
)]

use std::collections::BTreeMap;
use std::time::Duration;

use aegis_detector::scorer::{Config, Scorer, State};
use aegis_schemas::pipeline::{Core as _, Input, Output};
use aegis_schemas::signal::Heartbeat;
use aegis_schemas::{
    Anomaly, AnomalyPhase, Blame, Cluster, Entity, EntityKind, Event, EventId, MetricBatch,
    MetricKind, Name, Namespace, Series, Signal, SignalBody, Timestamp,
};
use proptest::prelude::*;

const PODS: usize = 3;

/// How the workload behaves in one row.
#[derive(Clone, Copy)]
struct Behaviour {
    requests: f64,
    errors: f64,
    latency: f64,
    /// CPU of each pod as a share of its limit.
    cpu: [f64; PODS],
    memory: f64,
}

const USUAL: Behaviour = Behaviour {
    requests: 120.0,
    errors: 0.001,
    latency: 0.04,
    cpu: [0.3; PODS],
    memory: 0.4,
};

/// A workload whose counters rise, and the scorer that reads it.
struct World {
    scorer: Scorer,
    seq: u64,
    now: Timestamp,
    random: u64,
    counters: BTreeMap<(usize, String), f64>,
    outputs: Vec<Output>,
}

impl World {
    fn new() -> Self {
        let config = Config::default();
        config.validate().unwrap();
        Self {
            scorer: Scorer::new(0, config),
            seq: 0,
            now: Timestamp::from_millis(1_700_000_000_000),
            random: 42,
            counters: BTreeMap::new(),
            outputs: Vec::new(),
        }
    }

    /// An hour of history at 15 s.
    fn with_history() -> Self {
        let mut world = Self::new();
        for _ in 0..240 {
            let said = world.row(USUAL, 15, true);
            assert!(said.is_empty(), "history is silent");
        }
        world
    }

    fn uniform(&mut self) -> f64 {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }

    fn count(&mut self, mean: f64) -> f64 {
        (mean + mean.max(0.0).sqrt() * self.normal())
            .max(0.0)
            .round()
    }

    fn batch(&mut self, how: Behaviour, step: u64, backfill: bool) -> MetricBatch {
        let seconds = step as f64;
        let mut series = Vec::new();
        for pod in 0..PODS {
            let served = self.count(how.requests / PODS as f64 * seconds);
            let failed = self.count(served * how.errors).min(served);
            let mean = how.latency * (1.0 + 0.05 * self.normal());
            let cpu = (how.cpu[pod] + 0.03 * self.normal()).clamp(0.0, 1.0);
            let mut rises = vec![
                ("http_requests_total", ("code", "200"), served - failed),
                ("http_requests_total", ("code", "500"), failed),
                ("http_request_duration_seconds_sum", ("", ""), served * mean),
                ("http_request_duration_seconds_count", ("", ""), served),
                (
                    "container_cpu_usage_seconds_total",
                    ("container", "app"),
                    cpu * seconds,
                ),
            ];
            for le in ["0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5"] {
                let within = 1.0 - (-le.parse::<f64>().unwrap() / mean).exp();
                rises.push((
                    "http_request_duration_seconds_bucket",
                    ("le", le),
                    served * within,
                ));
            }
            rises.push((
                "http_request_duration_seconds_bucket",
                ("le", "+Inf"),
                served,
            ));
            for (metric, label, rise) in rises {
                let counter = self
                    .counters
                    .entry((pod, format!("{metric}{}", label.1)))
                    .or_default();
                *counter += rise;
                series.push(one(pod, metric, &[label], *counter));
            }
            let container = ("container", "app");
            let memory = how.memory * 1e9 * (1.0 + 0.01 * self.normal());
            series.extend([
                one(
                    pod,
                    "container_memory_working_set_bytes",
                    &[container],
                    memory,
                ),
                one(
                    pod,
                    "kube_pod_container_resource_limits",
                    &[container, ("resource", "cpu")],
                    1.0,
                ),
                one(
                    pod,
                    "kube_pod_container_resource_limits",
                    &[container, ("resource", "memory")],
                    1e9,
                ),
            ]);
        }
        MetricBatch {
            entity: web(),
            source: "scrape/shop".to_owned(),
            backfill,
            times: vec![self.now],
            series,
        }
    }

    fn row(&mut self, how: Behaviour, step: u64, backfill: bool) -> Vec<Anomaly> {
        self.now = self.now + Duration::from_secs(step);
        let batch = self.batch(how, step, backfill);
        self.handle(Event::Metric(batch))
    }

    fn live(&mut self, how: Behaviour, rows: usize) -> Vec<Anomaly> {
        (0..rows).flat_map(|_| self.row(how, 1, false)).collect()
    }

    /// Goes on from a snapshot; how many bytes that takes.
    fn restart(&mut self) -> usize {
        let bytes = rmp_serde::to_vec_named(&self.scorer.state()).unwrap();
        let state: State = rmp_serde::from_slice(&bytes).unwrap();
        self.scorer = Scorer::new(0, Config::default());
        self.scorer.restore(state);
        bytes.len()
    }

    fn heartbeat(&mut self) -> Vec<Anomaly> {
        let entity = Entity::cluster_scoped(
            Cluster::parse("demo").unwrap(),
            EntityKind::Cluster,
            Name::parse("demo").unwrap(),
        );
        let body = SignalBody::Heartbeat(Heartbeat {
            clock: self.now,
            sources: BTreeMap::new(),
            fill: 0.0,
        });
        self.handle(Event::Signal(Signal {
            entity,
            observed: self.now,
            source: "ingest".to_owned(),
            body,
        }))
    }

    fn handle(&mut self, event: Event) -> Vec<Anomaly> {
        self.seq += 1;
        let input = Input {
            epoch: 1,
            seq: self.seq,
            time: self.now,
            id: EventId::of_content("test", &self.seq.to_be_bytes()),
            cause: None,
            origin: None,
            event,
        };
        let outputs = self.scorer.handle(&input);
        let said = outputs.iter().map(anomaly).collect();
        self.outputs.extend(outputs);
        said
    }
}

fn anomaly(output: &Output) -> Anomaly {
    match Event::decode(output.kind.as_str(), &output.body).unwrap() {
        Event::Anomaly(anomaly) => anomaly,
        other => panic!("the scorer said {other:?}"),
    }
}

fn web() -> Entity {
    Entity::namespaced(
        Cluster::parse("demo").unwrap(),
        Namespace::parse("shop").unwrap(),
        EntityKind::Deployment,
        Name::parse("web").unwrap(),
    )
}

fn one(pod: usize, metric: &str, labels: &[(&str, &str)], value: f64) -> Series {
    Series {
        metric: metric.to_owned(),
        pod: Some(Name::parse(format!("web-{pod}")).unwrap()),
        labels: labels
            .iter()
            .filter(|(name, _)| !name.is_empty())
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        kind: MetricKind::Counter,
        values: vec![value],
    }
}

fn blamed<'a>(said: &'a [Anomaly], feature: &str) -> Option<&'a Blame> {
    let blame = &said.last()?.blame;
    blame.iter().find(|blame| blame.feature == feature)
}

fn opened(said: &[Anomaly]) -> usize {
    let is_opened = |anomaly: &&Anomaly| anomaly.phase == AnomalyPhase::Opened;
    said.iter().filter(is_opened).count()
}

#[test]
fn a_step_opens_within_five_rows_and_names_every_feature_that_is_off() {
    let errors = Behaviour {
        errors: 0.4,
        ..USUAL
    };
    let slow = Behaviour {
        latency: 0.4,
        ..USUAL
    };
    let busy = Behaviour {
        cpu: [0.97; PODS],
        ..USUAL
    };
    let crowd = Behaviour {
        requests: 300.0,
        ..USUAL
    };
    let cases = [
        (errors, "error_ratio", 0.4, 0.001),
        (slow, "latency_mean", 0.4, 0.04),
        (slow, "latency_p99", 2.3, 0.2),
        (busy, "cpu_utilisation", 0.97, 0.3),
        (crowd, "request_rate", 300.0, 120.0),
    ];
    for (how, feature, value, expected) in cases {
        let mut world = World::with_history();
        let calm = world.live(USUAL, 60);
        assert_eq!(calm, [], "{feature}");
        let said = world.live(how, 5);
        assert_eq!(opened(&said), 1, "{feature}: {said:?}");
        let said = world.live(how, 25);
        assert_eq!(opened(&said), 0);
        let blame = blamed(&said, feature).unwrap();
        assert!((blame.value / value - 1.0).abs() < 0.15, "{blame:?}");
        assert!(
            (blame.expected - expected).abs() < 0.25 * value,
            "{blame:?}"
        );
        assert!(blame.deviation >= 6.0 && blame.pod.is_none(), "{blame:?}");
    }
}

#[test]
fn a_fault_is_not_learned_and_calm_closes_the_episode() {
    let mut world = World::with_history();
    world.live(USUAL, 30);
    let how = Behaviour {
        errors: 0.3,
        ..USUAL
    };
    let said = world.live(how, 600);
    assert_eq!(opened(&said), 1);
    let blame = blamed(&said, "error_ratio").unwrap();
    assert!(blame.expected < 0.01, "{blame:?}");
    assert!(said.len() >= 600 / 15, "said again: {}", said.len());
    let said = world.live(USUAL, 70);
    let last = said.last().unwrap();
    assert_eq!(last.phase, AnomalyPhase::Closed, "{last:?}");
    assert_eq!(opened(&world.live(how, 6)), 1, "and it opens again");
}

#[test]
fn a_single_wild_second_opens_nothing() {
    let mut world = World::with_history();
    world.live(USUAL, 60);
    let wild = Behaviour {
        errors: 0.9,
        latency: 3.0,
        cpu: [1.0; PODS],
        ..USUAL
    };
    for _ in 0..5 {
        assert_eq!(world.live(wild, 1), []);
        assert_eq!(world.live(USUAL, 60), []);
    }
}

#[test]
fn an_hour_of_history_readies_for_the_first_live_row() {
    let mut world = World::with_history();
    let how = Behaviour {
        errors: 0.4,
        ..USUAL
    };
    assert_eq!(opened(&world.live(how, 6)), 1);
}

#[test]
fn the_pod_that_stands_out_is_named_and_no_pod_when_all_do() {
    let mut world = World::with_history();
    world.live(USUAL, 30);
    let how = Behaviour {
        cpu: [0.3, 0.99, 0.3],
        ..USUAL
    };
    let said = world.live(how, 30);
    let blame = blamed(&said, "cpu_utilisation").unwrap();
    assert_eq!(blame.pod.as_ref().unwrap().as_str(), "web-1");
    assert!(blame.value > 0.9, "its own level: {blame:?}");
}

#[test]
fn a_leak_is_seen_long_before_memory_ends() {
    let mut world = World::with_history();
    world.live(USUAL, 30);
    let mut memory = 0.4;
    while opened(&world.live(Behaviour { memory, ..USUAL }, 1)) == 0 {
        memory += 0.001;
        assert!(memory < 0.7, "a leak of 6 % a minute goes unseen");
    }
}

#[test]
fn a_node_that_fills_up_is_an_entity_of_its_own() {
    let mut world = World::new();
    let cluster = Cluster::parse("demo").unwrap();
    let node = Entity::cluster_scoped(cluster, EntityKind::Node, Name::parse("node-1").unwrap());
    let mut used = 0.0;
    let mut said = Vec::new();
    for row in 0..400 {
        let busy = if row < 300 { 0.4 } else { 0.97 } + 0.01 * world.normal();
        used += 4.0 * busy;
        let of_node = |metric: &str, labels: &[(&str, &str)], value: f64| Series {
            pod: None,
            ..one(0, metric, labels, value)
        };
        world.now = world.now + Duration::from_secs(1);
        let batch = MetricBatch {
            entity: node.clone(),
            source: "scrape/kubelet".to_owned(),
            backfill: false,
            times: vec![world.now],
            series: vec![
                of_node("node_cpu_usage_seconds_total", &[], used),
                of_node("kube_node_status_allocatable", &[("resource", "cpu")], 4.0),
            ],
        };
        said.extend(world.handle(Event::Metric(batch)));
    }
    assert_eq!(opened(&said), 1, "{said:?}");
    assert_eq!(said[0].entity, node);
    let blame = &said[0].blame[0];
    assert_eq!(blame.feature, "cpu_utilisation");
    assert!((blame.expected - 0.4).abs() < 0.05, "{blame:?}");
}

#[test]
fn silence_closes_the_episode() {
    let mut world = World::with_history();
    world.live(
        Behaviour {
            errors: 0.4,
            ..USUAL
        },
        10,
    );
    let newest = world.now;
    world.now = world.now + Duration::from_secs(60);
    assert_eq!(world.heartbeat(), []);
    world.now = world.now + Duration::from_secs(60);
    let said = world.heartbeat();
    assert_eq!(said.len(), 1);
    assert_eq!(said[0].phase, AnomalyPhase::Closed);
    assert_eq!(said[0].newest, newest);
    assert_eq!(world.heartbeat(), []);
}

#[test]
fn a_day_of_noise_and_the_rhythm_of_the_day_open_at_most_one_episode() {
    let mut world = World::with_history();
    let mut said = Vec::new();
    for row in 0..28_800 {
        let wave = (f64::from(row) / 28_800.0 * std::f64::consts::TAU).sin();
        let how = Behaviour {
            requests: 120.0 * (1.0 + 0.5 * wave),
            cpu: [0.3 * (1.0 + 0.5 * wave); PODS],
            latency: 0.04 * (1.0 + 0.3 * wave),
            ..USUAL
        };
        said.extend(world.row(how, 3, false));
    }
    assert!(opened(&said) <= 1, "{said:?}");
}

#[test]
fn late_doubled_future_and_faulty_samples_are_dropped_and_counted() {
    let mut world = World::with_history();
    let mut batch = world.batch(USUAL, 1, false);
    world.handle(Event::Metric(batch.clone()));
    batch.times = vec![world.now + Duration::from_secs(3_600)];
    world.handle(Event::Metric(batch.clone()));
    batch.times.clear();
    world.handle(Event::Metric(batch));
    let stats = world.scorer.stats();
    assert_eq!((stats.late, stats.future, stats.faulty), (1, 1, 1));
}

#[test]
fn a_snapshot_in_the_middle_changes_no_byte() {
    let script = |world: &mut World, restart: bool| {
        for round in 0..20 {
            let errors = if round % 5 == 4 { 0.4 } else { 0.001 };
            world.live(Behaviour { errors, ..USUAL }, 70);
            if restart {
                let bytes = world.restart();
                assert!(bytes < 50_000, "{bytes} bytes of one workload");
            }
        }
    };
    let (mut one, mut other) = (World::with_history(), World::with_history());
    script(&mut one, false);
    script(&mut other, true);
    assert!(opened(&one.outputs.iter().map(anomaly).collect::<Vec<_>>()) >= 3);
    assert_eq!(one.outputs, other.outputs);
    assert_eq!(one.scorer.state(), other.scorer.state());
}

#[test]
fn memory_that_runs_out_within_the_hour_is_said_with_when() {
    let mut world = World::with_history();
    let begun = world.now;
    let leak = |now: Timestamp| 0.4 + 0.6 * now.since(begun).as_secs_f64() / 5_400.0;
    let said = (0..300).find_map(|_| {
        let how = Behaviour {
            memory: leak(world.now),
            ..USUAL
        };
        let said = world.row(how, 15, false);
        let mut blame = said.into_iter().flat_map(|anomaly| anomaly.blame);
        blame.find_map(|blame| Some((blame.feature, blame.forecast?)))
    });
    let (feature, forecast) = said.expect("a forecast");
    assert_eq!(feature, "memory_utilisation");
    let left = 5_400 - world.now.since(begun).as_secs();
    assert!(left > 1_500, "{left} s are left");
    assert!(
        forecast.seconds.abs_diff(left) < left / 3,
        "{forecast:?} {left}"
    );
}

/// A row of an exporter that tells of one certificate only.
fn certificate(world: &mut World, ends: Timestamp) -> Vec<Anomaly> {
    world.now = world.now + Duration::from_secs(60);
    let labels = [("exported_namespace", "shop"), ("name", "web-tls")];
    let metric = "certmanager_certificate_expiration_timestamp_seconds";
    world.handle(Event::Metric(MetricBatch {
        entity: web(),
        source: "remote-write".to_owned(),
        backfill: false,
        times: vec![world.now],
        series: vec![one(0, metric, &labels, ends.as_seconds())],
    }))
}

#[test]
fn a_certificate_that_nobody_renews_is_said_until_somebody_does() {
    let mut world = World::new();
    let days = |days: u64| Duration::from_secs(86_400 * days);
    let ends = world.now + days(14);
    let mut said: Vec<Anomaly> = (0..10)
        .flat_map(|_| certificate(&mut world, ends))
        .collect();
    let blame = blamed(&said, "certificate.shop/web-tls").expect("it is said");
    let forecast = blame.forecast.expect("it says when");
    let left = ends.since(world.now).as_secs();
    assert!(forecast.seconds.abs_diff(left) <= 60, "{forecast:?} {left}");
    assert_eq!(opened(&said), 1);
    world.restart();
    let renewed = world.now + days(90);
    said.extend((0..40).flat_map(|_| certificate(&mut world, renewed)));
    assert_eq!(opened(&said), 1);
    assert_eq!(said.last().map(|one| one.phase), Some(AnomalyPhase::Closed));
}

/// What a certificate says beside what is unusual goes on being said.
#[test]
fn an_unusual_workload_does_not_hide_its_certificate() {
    let mut world = World::with_history();
    let ends = world.now + Duration::from_secs(86_400);
    certificate(&mut world, ends);
    let said = world.live(
        Behaviour {
            errors: 0.4,
            ..USUAL
        },
        10,
    );
    assert!(blamed(&said, "error_ratio").is_some(), "{said:?}");
    assert!(blamed(&said, "certificate.shop/web-tls").is_some());
}

/// A day of no to a few errors a minute, then many of a template that was never seen.
#[test]
fn a_log_that_fills_with_errors_is_an_episode_that_says_with_which() {
    let mut world = World::new();
    let minute = |world: &mut World, errors: f64| {
        world.now = world.now + Duration::from_secs(60);
        let line = |level, template, rate| {
            let labels = [("detected_level", level), ("template", template)];
            one(0, "aegis:log_lines:rate1m", &labels, rate)
        };
        let (served, timeouts) = (world.count(1_200.0), world.count(2.0));
        let mut series = vec![
            line("info", "served <*>", served / 60.0),
            line("error", "timeout", timeouts / 60.0),
        ];
        if errors > 0.0 {
            series.push(line("error", "refused by <*>", errors));
        }
        world.handle(Event::Metric(MetricBatch {
            entity: web(),
            source: "remote-write".to_owned(),
            backfill: false,
            times: vec![world.now],
            series,
        }))
    };
    let quiet: Vec<Anomaly> = (0..1_440).flat_map(|_| minute(&mut world, 0.0)).collect();
    assert_eq!(quiet, []);
    world.restart();
    let said: Vec<Anomaly> = (0..6).flat_map(|_| minute(&mut world, 8.0)).collect();
    let level = blamed(&said, "log_rate.error").expect("errors are blamed");
    assert!(
        (level.value - 8.0).abs() < 0.1 && level.expected < 0.1,
        "{level:?}"
    );
    let template = blamed(&said, "log_template.error.refused by <*>");
    assert!(template.is_some_and(|one| one.expected < 1e-9), "{said:?}");
}

/// A row of lines alone, of `ago` seconds ago.
fn lines(world: &mut World, metric: &str, ago: u64, template: &str, rate: f64) {
    let labels = [("detected_level", "error"), ("template", template)];
    let series = vec![one(0, metric, &labels, rate)];
    world.handle(Event::Metric(MetricBatch {
        entity: web(),
        source: "remote-write".to_owned(),
        backfill: false,
        times: vec![world.now - Duration::from_secs(ago)],
        series,
    }));
}

/// Loki's ruler stamps its rows seconds before they come, and those of two rules alike; `log_rates` may come
/// during a scrape.
#[test]
fn rows_of_a_log_and_rows_of_a_scrape_knock_none_of_each_other_out() {
    let minute = |world: &mut World, rate: f64| -> Vec<Anomaly> {
        let mut said: Vec<Anomaly> = (0..4).flat_map(|_| world.row(USUAL, 15, false)).collect();
        lines(world, "aegis:log_lines:rate1m", 5, "served", rate);
        lines(world, "aegis:log_templates:rate1m", 5, "refused", rate);
        // Its moment is later than that of the scrape that is still under way.
        let mut scrape = world.batch(USUAL, 1, false);
        world.now = world.now + Duration::from_secs(1);
        lines(world, "logback_events_total", 0, "x", 1.0);
        scrape.times = vec![world.now - Duration::from_millis(1)];
        said.extend(world.handle(Event::Metric(scrape)));
        said
    };
    let mut world = World::with_history();
    let quiet: Vec<Anomaly> = (0..60).flat_map(|_| minute(&mut world, 0.02)).collect();
    assert_eq!(opened(&quiet), 0, "{quiet:?}");
    assert_eq!(world.scorer.stats().late, 0);
    world.restart();
    let said: Vec<Anomaly> = (0..4).flat_map(|_| minute(&mut world, 8.0)).collect();
    let level = blamed(&said, "log_rate.error").expect("errors are blamed");
    assert!((level.value - 8.0).abs() < 0.1, "{level:?}");
    assert!(blamed(&said, "log_template.error.refused").is_some());
    assert_eq!(world.scorer.stats().late, 0);
    lines(&mut world, "aegis:log_lines:rate1m", 600, "served", 8.0);
    assert_eq!(world.scorer.stats().late, 1, "older than what was told");
}

/// Any value, the wild ones included.
fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>(),
        0.0..1e6_f64,
        Just(f64::MAX),
        Just(f64::INFINITY),
        Just(f64::NAN)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn hostile_batches_never_panic_and_what_is_said_is_finite(
        rows in prop::collection::vec(
            (any::<i64>(), prop::collection::vec((0..11_usize, 0..5_usize, value()), 0..12), any::<bool>()),
            1..40,
        )
    ) {
        const METRICS: [&str; 11] = [
            "container_cpu_usage_seconds_total",
            "container_memory_working_set_bytes",
            "kube_pod_container_resource_limits",
            "http_requests_total",
            "http_request_duration_seconds_bucket",
            "http_request_duration_seconds_sum",
            "http_request_duration_seconds_count",
            "http_client_requests_total",
            "http_client_request_duration_seconds_sum",
            "http_client_request_duration_seconds_count",
            "unheard_of",
        ];
        const LABELS: [(&str, &str); 5] =
            [("code", "500"), ("le", "NaN"), ("le", "0.1"), ("resource", "cpu"), ("peer", "cart")];
        let mut world = World::with_history();
        for (jump, samples, steady) in rows {
            let at = if steady { world.now + Duration::from_secs(1) } else { Timestamp::from_nanos(jump) };
            world.now = world.now.max(at);
            let series = samples
                .into_iter()
                .map(|(metric, label, value)| one(label % PODS, METRICS[metric], &[LABELS[label]], value))
                .collect();
            let said = world.handle(Event::Metric(MetricBatch {
                entity: web(),
                source: "hostile".to_owned(),
                backfill: false,
                times: vec![at],
                series,
            }));
            for blame in said.iter().flat_map(|anomaly| &anomaly.blame) {
                prop_assert!(blame.value.is_finite() && blame.expected.is_finite() && blame.deviation.is_finite());
            }
        }
    }
}
