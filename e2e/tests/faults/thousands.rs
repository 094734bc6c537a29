//! A scorer that dies while hundreds of workloads are sick: another takes its partition over.

use std::time::Duration;

use aegis_e2e::{Options, Stack, oracles, until};
use aegis_nats::{Publisher, Service};
use aegis_schemas::header::Meta;
use aegis_schemas::{
    Entity, Event, EventId, Kind, MetricBatch, MetricKind, Name, Series, Subject, Timestamp,
    partition_of,
};
use futures::stream::{self, StreamExt as _};
use serde_json::json;
use tokio::time::Instant;

/// Workloads, each of which becomes sick.
const WORKLOADS: usize = 400;
/// Samples of each in which nothing happens: enough that an episode may open.
const USUAL: usize = 180;
/// And in which it is sick. One in 15 s: an episode is said again with each.
const SICK: usize = 6;
const STEP_MS: i64 = 15_000;
/// Messages that wait for their acknowledgement at once.
const AT_ONCE: usize = 64;
/// Until when another has taken the partition over.
const TAKEOVER: Duration = Duration::from_secs(5);
/// Until when all is read: more is said here than in a story.
const STEADY_WITHIN: Duration = Duration::from_secs(150);

const HELD: &str = "aegis_nats_lease_held";
const HANDLED: &str = "aegis_nats_handled_total";

/// Publishes samples as ingest does.
struct Samples {
    publisher: Publisher,
    partitions: u16,
    newest: Timestamp,
}

impl Samples {
    /// Hands in `rows` samples of every workload, the last of them `before` samples from now.
    async fn hand_in(&self, rows: usize, before: usize, memory: f64) {
        let batches = (0..WORKLOADS).map(|number| self.publish(number, rows, before, memory));
        let batches = stream::iter(batches).buffer_unordered(AT_ONCE);
        batches.for_each(|()| async {}).await;
    }

    async fn publish(&self, number: usize, rows: usize, before: usize, memory: f64) {
        let entity: Entity = format!("demo/crowd-{}/deployment/one-{number}", number % 20)
            .parse()
            .unwrap();
        let moment = |row: usize| {
            let back = i64::try_from(rows - 1 - row + before).unwrap() * STEP_MS;
            Timestamp::from_millis(self.newest.as_millis() - back)
        };
        let series = |metric: &str, labels: &[(&str, &str)], value: &dyn Fn(usize) -> f64| Series {
            metric: metric.to_owned(),
            pod: Some(Name::parse(format!("one-{number}-a")).unwrap()),
            labels: labels
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            kind: MetricKind::Gauge,
            values: (0..rows).map(value).collect(),
        };
        let app = ("container", "app");
        // Never the same twice, so that nothing is told apart by chance.
        let used =
            |row: usize| 1e9 * memory + (((row + before) * 31 + number * 17) % 97) as f64 * 1e5;
        let body = Event::Metric(MetricBatch {
            entity: entity.clone(),
            source: "crowd".to_owned(),
            backfill: false,
            times: (0..rows).map(moment).collect(),
            series: vec![
                series("container_memory_working_set_bytes", &[app], &used),
                series(
                    "kube_pod_container_resource_limits",
                    &[app, ("resource", "memory")],
                    &|_| 1e9,
                ),
            ],
        })
        .encode()
        .unwrap();
        let meta = Meta {
            id: EventId::of_content("crowd", &body),
            kind: Kind::Metric.as_str().to_owned(),
            source: "ingest".to_owned(),
            time: self.newest,
            cause: None,
            origin: None,
            traceparent: None,
        };
        let subject = Subject::metric(partition_of(&entity, self.partitions), &entity);
        let stored = self.publisher.publish(&subject, &meta, body.into(), None);
        stored.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_is_taken_over_amid_thousands_of_anomalies_and_none_is_lost_or_said_twice() {
    let options = Options::scenario("corrupt-pod").fault_at(100_000);
    let mut stack = Stack::start(options.roles(&["audit-sink", "ingest", "detector"]))
        .await
        .unwrap();
    stack.start_another("detector", "detector-2").await.unwrap();
    let samples = Samples {
        publisher: stack.bus(Service::Ingest).await.unwrap().publisher(),
        partitions: stack.config().topology.partitions,
        newest: Timestamp::from_millis(jiff::Timestamp::now().as_millisecond()),
    };
    samples.hand_in(USUAL, SICK, 0.4).await;
    let handled = || async { stack.counter("detector", HANDLED).await.unwrap() };
    let enough = || async { handled().await >= WORKLOADS as f64 };
    until("the baselines", Duration::from_secs(60), enough)
        .await
        .unwrap();

    let held = stack.counter("detector", HELD).await.unwrap();
    for row in 0..SICK {
        samples.hand_in(1, SICK - 1 - row, 0.9).await;
        if row == SICK / 2 {
            stack.kill("detector").await.unwrap();
            let killed = Instant::now();
            let taken = || async { stack.counter("detector-2", HELD).await.unwrap() >= held };
            until("another to take over", TAKEOVER, taken)
                .await
                .unwrap();
            println!(
                "{}",
                json!({ "taken_over_s": killed.elapsed().as_secs_f64() })
            );
        }
    }
    let bus = stack.bus(Service::Doctor).await.unwrap();
    let steady = stack.steady(&bus, STEADY_WITHIN).await.unwrap();
    println!("{}", json!({ "steady_s": steady.as_secs_f64() }));
    oracles::hold(&stack, &[]).await.unwrap();
    let said = oracles::replays(&stack, &[]).await.unwrap();
    assert!(said["scorer/0"] >= 3 * WORKLOADS as u64, "{said:?}");
    println!("{}", json!(said));
    stack.stop().await;
}
