//! The scenarios that come with the simulator do what they say, in virtual time.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use aegis_simulator::{SCENARIOS, Sample, Scenario, Simulation};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

fn start() -> Timestamp {
    "2026-03-02T06:00:00Z".parse().unwrap()
}

fn scenario(name: &str) -> Scenario {
    let (_, text) = SCENARIOS.iter().find(|(known, _)| *known == name).unwrap();
    let mut scenario = Scenario::parse(text).unwrap();
    scenario.history = std::time::Duration::from_secs(60);
    scenario
}

/// A simulation that can be moved on and asked.
struct Run {
    simulation: Simulation,
    now: Timestamp,
}

impl Run {
    async fn new(scenario: Scenario, seed: u64) -> Self {
        let simulation = Simulation::new(scenario, seed, start()).await.unwrap();
        Self {
            simulation,
            now: start(),
        }
    }

    async fn pass(&mut self, seconds: i64) {
        for _ in 0..seconds {
            self.now += SignedDuration::from_secs(1);
            self.simulation.tick(self.now).await.unwrap();
        }
    }

    /// Moves on until the fault is as wanted; how many seconds it took.
    async fn until(&mut self, fault: &str, state: &str, most: i64) -> i64 {
        for second in 0..most {
            if self.fault(fault)["state"] == state {
                return second;
            }
            self.pass(1).await;
        }
        panic!(
            "`{fault}` does not get {state}: {:#}",
            self.simulation.status()
        );
    }

    fn fault(&self, name: &str) -> Value {
        let status = self.simulation.status();
        let faults = status["faults"].as_array().unwrap();
        faults
            .iter()
            .find(|fault| fault["name"] == name)
            .unwrap()
            .clone()
    }

    fn health(&self, workload: &str) -> (f64, f64, f64, f64) {
        self.simulation.world().health(workload).unwrap()
    }

    async fn call(&self, user: &str, method: &str, path: &str, body: Value) -> Value {
        let kind = "application/merge-patch+json";
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", kind);
        let body = if body.is_null() {
            Vec::new()
        } else {
            body.to_string().into_bytes()
        };
        let client = self.simulation.api().client(user);
        client.request(request.body(body).unwrap()).await.unwrap()
    }

    async fn act(&self, path: &str, mut patch: Value) {
        patch["metadata"]["annotations"] = json!({"aegis.dev/decision-id": path, "aegis.dev/fence": self.now.as_second().to_string()});
        self.call("aegis-executor", "PATCH", path, patch).await;
    }

    /// The containers' state of the workload's pods.
    async fn pods(&self, app: &str) -> Vec<Value> {
        let path = format!("/api/v1/namespaces/shop/pods?labelSelector=app%3D{app}");
        let list = self.call("admin", "GET", &path, Value::Null).await;
        list["items"].as_array().unwrap().clone()
    }
}

fn waits(pod: &Value, reason: &str) -> bool {
    pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == reason
}

#[test]
fn every_scenario_parses_and_survives_a_round_trip() {
    for (name, text) in SCENARIOS {
        let scenario = Scenario::parse(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(scenario.name, *name);
        let value = serde_json::to_value(&scenario).unwrap();
        assert_eq!(
            serde_json::from_value::<Scenario>(value).unwrap(),
            scenario,
            "{name}"
        );
    }
}

#[test]
fn the_example_of_the_documentation_is_a_scenario() {
    let document = include_str!("../../docs/scenarios.md");
    let (_, rest) = document.split_once("```toml\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    Scenario::parse(example).unwrap();
}

#[test]
fn a_wrong_scenario_says_which_key_is_wrong() {
    let (_, text) = SCENARIOS[0];
    for (change, to, said) in [
        (
            "kind = \"corrupt_pod\"",
            "kind = \"corrupt_pot\"",
            "unknown kind `corrupt_pot`",
        ),
        (
            "exit_code = 70",
            "factor = 2.0",
            "`corrupt-cart` of kind `corrupt_pod` has no `factor`",
        ),
        (
            "target = \"shop/cart\"",
            "target = \"shop/card\"",
            "no workload `shop/card`",
        ),
        ("hold = \"10s\"", "hald = \"10s\"", "unknown field `hald`"),
        (
            "after = \"corrupt-cart\"",
            "after = \"later\"",
            "`after` must name an earlier fault",
        ),
        ("    { to = \"db\"", "    { to = \"web\"", "circle of calls"),
        (
            "cpu = \"500m\"",
            "cpu = \"half\"",
            "`cpu` is not a quantity",
        ),
    ] {
        assert!(text.contains(change), "{change}");
        let error = Scenario::parse(&text.replace(change, to))
            .unwrap_err()
            .to_string();
        assert!(error.contains(said), "{change}: {error}");
    }
}

#[tokio::test]
async fn samples_are_a_function_of_the_seed() {
    let samples = async |seed| -> Vec<Sample> {
        let mut run = Run::new(scenario("demo"), seed).await;
        run.pass(90).await;
        run.simulation.samples()
    };
    let first = samples(7).await;
    assert!(first.len() > 500);
    assert_eq!(first, samples(7).await);
    assert_ne!(first, samples(8).await);
}

#[tokio::test]
async fn load_saturates_and_more_replicas_relieve() {
    let mut run = Run::new(scenario("load-spike"), 3).await;
    let (rps, cpu, latency, error) = run.health("shop/web");
    assert!((80.0..160.0).contains(&rps) && (0.3..0.6).contains(&cpu) && error < 0.01);
    run.until("rush", "active", 180).await;
    run.pass(60).await;
    let spike = run.health("shop/web");
    assert!(
        spike.0 > rps * 1.8 && spike.1 > 0.85 && spike.2 > latency * 2.0,
        "{spike:?}"
    );
    assert!(
        run.health("shop/api").1 < 0.8,
        "one workload is the bottleneck"
    );

    let path = "/apis/apps/v1/namespaces/shop/deployments/web";
    run.act(path, json!({"spec": {"replicas": 8}})).await;
    run.until("rush", "healed", 150).await;
    assert!(run.health("shop/web").1 < 0.65);
    let status = run.simulation.status();
    assert_eq!(status["acts"][0]["act"], "scale");
    assert_eq!(
        (&status["acts"][0]["right"], &status["wrong_acts"]),
        (&json!(true), &json!(0))
    );
}

#[tokio::test]
async fn a_leak_ends_in_an_out_of_memory_kill_and_a_new_pod_heals_it() {
    let mut run = Run::new(scenario("memory-leak"), 5).await;
    run.until("leaking-cart", "active", 180).await;
    let mut killed = None;
    for _ in 0..900 {
        run.pass(1).await;
        killed = run.pods("cart").await.into_iter().find(|pod| {
            pod["status"]["containerStatuses"][0]["lastState"]["terminated"]["reason"]
                == "OOMKilled"
        });
        if killed.is_some() {
            break;
        }
    }
    let pod = killed.expect("the pod is killed");
    assert!(waits(&pod, "CrashLoopBackOff"));
    let path = format!(
        "/api/v1/namespaces/shop/pods/{}",
        pod["metadata"]["name"].as_str().unwrap()
    );
    run.call("aegis-executor", "DELETE", &path, Value::Null)
        .await;
    run.until("leaking-cart", "healed", 150).await;
    assert_eq!(run.simulation.status()["acts"][0]["act"], "restart_pod");
}

#[tokio::test]
async fn the_demo_is_healed_by_a_new_pod_and_a_rollback() {
    let mut run = Run::new(scenario("demo"), 1).await;
    run.pass(15).await;
    let pods = run.pods("cart").await;
    let sick: Vec<&Value> = pods
        .iter()
        .filter(|pod| waits(pod, "CrashLoopBackOff"))
        .collect();
    assert_eq!((sick.len(), pods.len()), (1, 4));
    run.pass(60).await;
    assert_eq!(
        run.fault("corrupt-cart")["state"],
        "active",
        "a restart of the container does not help"
    );
    let name = sick[0]["metadata"]["name"].as_str().unwrap();
    let path = format!("/api/v1/namespaces/shop/pods/{name}");
    run.call("aegis-executor", "DELETE", &path, Value::Null)
        .await;
    run.until("corrupt-cart", "healed", 60).await;

    run.until("bad-payments", "active", 60).await;
    run.pass(20).await;
    assert!(
        run.pods("payments")
            .await
            .iter()
            .any(|pod| waits(pod, "CrashLoopBackOff"))
    );
    let path = "/apis/apps/v1/namespaces/shop/deployments/payments";
    let object = run.call("admin", "GET", path, Value::Null).await;
    let mut template = object["spec"]["template"].clone();
    template["spec"]["containers"][0]["image"] = "shop/payments:2.0.3".into();
    run.act(path, json!({"spec": {"template": template}})).await;
    run.until("bad-payments", "healed", 90).await;
    assert_eq!(run.simulation.status()["wrong_acts"], 0);
}

#[tokio::test]
async fn scaling_out_takes_the_connections_of_a_neighbour() {
    let mut run = Run::new(scenario("neighbour"), 2).await;
    assert!(run.health("shop/billing").3 < 0.01);
    run.until("rush", "active", 180).await;
    let path = "/apis/apps/v1/namespaces/shop/deployments/web";
    run.act(path, json!({"spec": {"replicas": 6}})).await;
    run.pass(30).await;
    assert!(run.health("shop/billing").3 > 0.1 && run.health("shop/db").3 > 0.1);
    run.act(path, json!({"spec": {"replicas": 3}})).await;
    run.pass(30).await;
    assert!(run.health("shop/billing").3 < 0.01);
}

#[tokio::test]
async fn a_healthy_day_has_no_symptom() {
    let mut run = Run::new(scenario("healthy-day"), 4).await;
    for _ in 0..86_400 / 30 {
        run.pass(30).await;
        for workload in [
            "web",
            "api",
            "catalog",
            "cart",
            "payments",
            "recommend",
            "db",
            "reports",
        ] {
            let (_, cpu, _, error) = run.health(&format!("shop/{workload}"));
            assert!(
                cpu < 0.75 && error < 0.01,
                "{workload} at {}: {cpu} {error}",
                run.now
            );
        }
    }
    let status = run.simulation.status();
    assert!(
        status["faults"]
            .as_array()
            .unwrap()
            .iter()
            .all(|fault| fault["state"] == "over"),
        "{status:#}"
    );
    for app in ["cart", "db"] {
        let pods = run.pods(app).await;
        assert!(
            pods.iter()
                .all(|pod| pod["status"]["containerStatuses"][0]["restartCount"] == 0)
        );
    }
}

#[tokio::test]
async fn history_and_metrics_are_served_as_prometheus_serves_them() {
    let simulation = Simulation::new(scenario("demo"), 1, Timestamp::now())
        .await
        .unwrap();
    let api = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let metrics = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = metrics.local_addr().unwrap();
    let stop = tokio_util::sync::CancellationToken::new();
    let serving = tokio::spawn(simulation.serve(api, metrics, stop.clone()));

    let page = fetch(address, "/metrics").await;
    assert!(page.contains("# TYPE http_request_duration_seconds histogram"));
    assert!(page.contains("kube_pod_container_resource_limits{namespace=\"shop\",pod=\"api-"));
    let end = Timestamp::now().as_second();
    let asked = format!(
        "/api/v1/query_range?query=http_requests_total&start={}&end={end}&step=15",
        end - 45
    );
    let answer: Value = serde_json::from_str(&fetch(address, &asked).await).unwrap();
    let series = answer["data"]["result"].as_array().unwrap();
    assert_eq!(series.len(), 25 * 2);
    assert!(series[0]["values"].as_array().unwrap().len() >= 3);
    let status: Value = serde_json::from_str(&fetch(address, "/simulation").await).unwrap();
    assert_eq!(status["faults"][1]["state"], "pending");

    stop.cancel();
    serving.await.unwrap().unwrap();
}

/// The body of a page.
async fn fetch(address: std::net::SocketAddr, path: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.0\r\nhost: simulator\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(" 200 "), "{head}");
    body.to_owned()
}

#[tokio::test]
async fn every_fault_of_the_scenarios_does_harm_and_ends_only_when_it_should() {
    for (name, fault) in [
        ("bad-rollout", "bad-payments"),
        ("flapping", "surges"),
        ("corrupt-pod", "corrupt-catalog"),
    ] {
        let mut run = Run::new(scenario(name), 11).await;
        run.until(fault, "active", 180).await;
        run.pass(240).await;
        let state = run.fault(fault);
        assert!(state["harmed"].is_string(), "{name}: {state}");
        assert_eq!(state["state"], "active", "{name}: nobody healed it");
    }
}

#[tokio::test]
async fn each_of_the_six_faults_of_a_day_does_harm() {
    let mut scenario = scenario("six-faults-day");
    let wanted: Vec<String> = scenario
        .expect
        .iter()
        .map(|one| one.fault.clone())
        .collect();
    scenario.faults.retain(|fault| wanted.contains(&fault.name));
    for load in &mut scenario.loads {
        load.peak = std::time::Duration::from_secs(600);
    }
    for fault in &mut scenario.faults {
        fault.at = std::time::Duration::from_secs(30);
        fault.jitter = std::time::Duration::ZERO;
    }
    let mut run = Run::new(scenario, 9).await;
    run.pass(1_500).await;
    assert_eq!(wanted.len(), 6);
    for name in wanted {
        assert!(run.fault(&name)["harmed"].is_string(), "{name}");
    }
}
