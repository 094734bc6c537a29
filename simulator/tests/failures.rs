//! Faults that take more than a workload: lost packets, full disks, limits that are too low.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use aegis_simulator::{Scenario, Simulation};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

const WORLD: &str = r#"
name = "failures"
description = "two workloads and a fault"
history = "1m"
namespace = [{ name = "shop" }]
workload = [
    { name = "web", namespace = "shop", replicas = 2, image = "web:1", cpu_per_request = 0.004, calls = [{ to = "cart" }] },
    { name = "cart", namespace = "shop", replicas = 3, image = "cart:1", cpu_per_request = 0.004, memory_per_rps = 0.1 },
]
load = [{ to = "shop/web", rps = 60 }]
"#;

struct Run {
    simulation: Simulation,
    now: Timestamp,
}

impl Run {
    async fn new(fault: &str) -> Self {
        let text = format!("{WORLD}\n[[fault]]\nname = \"it\"\ntarget = \"shop/cart\"\n{fault}");
        let now = "2026-03-02T06:00:00Z".parse().unwrap();
        let scenario = Scenario::parse(&text).unwrap();
        let simulation = Simulation::new(scenario, 1, now).await.unwrap();
        Self { simulation, now }
    }

    async fn pass(&mut self, seconds: i64) {
        for _ in 0..seconds {
            self.now += SignedDuration::from_secs(1);
            self.simulation.tick(self.now).await.unwrap();
        }
    }

    fn objects(&self, plural: &str) -> Vec<Value> {
        let objects = self.simulation.api().objects("", "v1", plural);
        objects.iter().map(|object| (**object).clone()).collect()
    }

    /// The sum of a metric over all pods whose name begins so.
    fn sum(&self, metric: &str, pod: &str) -> f64 {
        let samples = self.simulation.samples().into_iter();
        let of_it = samples.filter(|sample| {
            let mut labels = sample.labels.iter();
            sample.name == metric
                && labels.any(|(name, value)| *name == "pod" && value.starts_with(pod))
        });
        of_it.map(|sample| sample.value).sum()
    }
}

#[tokio::test]
async fn lost_packets_make_callers_wait_while_the_callee_itself_is_idle() {
    let mut run = Run::new("kind = \"loss\"\nat = \"60s\"\nratio = 0.2").await;
    run.pass(55).await;
    let health = |run: &Run, of: &str| run.simulation.world().health(of).unwrap();
    let (_, busy, fast, _) = health(&run, "shop/cart");
    let (.., quick, _) = health(&run, "shop/web");
    run.pass(60).await;
    let (_, now_busy, still_fast, _) = health(&run, "shop/cart");
    let (.., slow, errors) = health(&run, "shop/web");
    assert!(slow > quick + 0.1, "{quick} {slow}");
    assert!(still_fast < 1.5 * fast && now_busy < 1.2 * busy);
    assert!(errors < 0.05, "few are given up: {errors}");
    let dropped = "container_network_receive_packets_dropped_total";
    assert!(run.sum(dropped, "cart") > 1_000.0);
    assert!(run.sum(dropped, "web") < 1.0, "its interfaces lose nothing");
}

#[tokio::test]
async fn a_full_disk_evicts_the_pod_that_wrote_most_and_is_over_later() {
    let mut run = Run::new("kind = \"fill\"\nmib_per_minute = 20000").await;
    let pressed = |run: &Run| {
        let nodes = run.objects("nodes");
        let conditions = nodes.iter().flat_map(|node| {
            let conditions = node["status"]["conditions"].as_array().cloned();
            conditions.unwrap_or_default()
        });
        let on = |one: &Value| one["type"] == "DiskPressure" && one["status"] == "True";
        conditions.filter(on).count()
    };
    run.pass(120).await;
    assert_eq!(pressed(&run), 0);
    let used = run.sum("container_fs_usage_bytes", "cart") / (1 << 30) as f64;
    assert!((30.0..45.0).contains(&used), "{used} GiB");
    run.pass(120).await;
    assert_eq!(pressed(&run), 1);
    let pods = run.objects("pods");
    let evicted = |pod: &&Value| pod["status"]["reason"] == "Evicted";
    let evicted: Vec<&Value> = pods.iter().filter(evicted).collect();
    assert_eq!(evicted.len(), 1);
    assert_eq!(evicted[0]["status"]["phase"], "Failed");
    let node = &evicted[0]["spec"]["nodeName"];
    let fresh = pods.iter().filter(|pod| {
        let name = pod["metadata"]["name"].as_str().unwrap_or_default();
        name.starts_with("cart") && pod["status"]["phase"] == "Running"
    });
    assert_eq!(fresh.clone().count(), 3, "another was made in its place");
    let newest = fresh.max_by_key(|pod| pod["metadata"]["creationTimestamp"].to_string());
    assert_ne!(newest.map(|pod| &pod["spec"]["nodeName"]), Some(node));
    run.pass(310).await;
    assert_eq!(pressed(&run), 0);
}

#[tokio::test]
async fn a_limit_below_the_need_kills_again_and_again() {
    for fault in [
        "kind = \"deploy\"\nmemory = \"90Mi\"",
        "kind = \"grow\"\nfactor = 3.0",
    ] {
        let mut run = Run::new(fault).await;
        run.pass(200).await;
        let pods = run.objects("pods");
        let killed = pods.iter().filter(|pod| {
            let status = &pod["status"]["containerStatuses"][0];
            let last = &status["lastState"]["terminated"]["reason"];
            let restarts = status["restartCount"].as_u64().unwrap_or(0);
            *last == "OOMKilled" && restarts >= 2
        });
        assert!(killed.count() >= 1, "{fault}");
    }
}
