//! All sources on a real nats-server.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::time::Duration;

use aegis_ingest::{Sample, remote_write};
use aegis_nats::Service;
use aegis_schemas::header::Meta;
use aegis_schemas::{
    Event, EventId, MetricKind, SignalBody, Stream, Subject, Timestamp, partition_of,
};
use serde_json::json;
use support::{World, deployment, now, pod, until};

fn sample(pod: &str, time: Timestamp) -> Sample {
    let labels = [("namespace", "shop"), ("pod", pod)];
    Sample {
        name: "written_total".to_owned(),
        labels: labels.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
        kind: MetricKind::Counter,
        value: 4.0,
        time,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sources_end_on_the_log() {
    let world = World::start().await;
    let record = world.record.clone();

    // Objects are said as soon as they are known, whatever the audit does.
    until("a full statement", || {
        let signals = record.signals();
        let synced = signals
            .iter()
            .filter(|one| matches!(one.body, SignalBody::Sync(_)));
        (synced.count() == 2).then_some(())
    })
    .await;
    let states: Vec<String> = record
        .signals()
        .iter()
        .filter(|one| one.source == "kubernetes" && !matches!(one.body, SignalBody::Sync(_)))
        .map(|one| one.entity.to_string())
        .collect();
    assert_eq!(
        states,
        [
            "demo/namespace/shop",
            "demo/shop/deployment/cart",
            "demo/shop/pod/cart-7d9c-a"
        ]
    );

    // No audit, no intake.
    let good = remote_write::encode(&[sample("cart-7d9c-a", now())]).unwrap();
    let (status, retry, text) = world.send(good.clone()).await;
    assert_eq!((status, retry.as_deref()), (503, Some("5")), "{text}");
    assert!(record.batches().iter().all(|batch| batch.backfill));

    world.audit_says(0.5).await;
    let first = until("a live batch", || {
        record
            .batches()
            .into_iter()
            .position(|batch| !batch.backfill)
    })
    .await;
    history_comes_first(&world, first);
    remote_write_is_stored_once(&world, good).await;
    refusals_are_clear(&world).await;
    the_watch_tells_changes(&world).await;
    the_heart_beats_everywhere(&world).await;
    others_hand_in(&world).await;

    let calls = record.signals();
    assert!(calls.iter().any(|one| one.entity.short() == "deployment/cart"
        && matches!(&one.body, SignalBody::Calls(calls) if calls.callees[0].short() == "service/pay")));

    // A late audit closes the gate again; nothing is acknowledged.
    world.audit_says(4_000.0).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let before = record.batches().len();
    let late = remote_write::encode(&[sample("cart-7d9c-a", now())]).unwrap();
    assert_eq!(world.send(late).await.0, 503);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(record.batches().len(), before, "scrapes pause too");
    world.end().await;
}

fn history_comes_first(world: &World, first: usize) {
    let batches = world.record.batches();
    let history = &batches[..first];
    assert!(batches[first..].iter().all(|batch| !batch.backfill));
    let times: Vec<_> = history
        .iter()
        .flat_map(|batch| batch.times.clone())
        .collect();
    assert!(times.is_sorted_by(|a, b| a < b), "each time once, in order");
    assert_eq!(times.len(), 120, "ten minutes in steps of five seconds");
}

async fn remote_write_is_stored_once(world: &World, body: Vec<u8>) {
    let written = || {
        let batches = world.record.batches();
        batches
            .into_iter()
            .filter(|one| one.source == "remote-write")
            .collect::<Vec<_>>()
    };
    assert_eq!(world.send(body.clone()).await.0, 204);
    assert_eq!(world.send(body).await.0, 204, "the sender's retry");
    until("the batch", || (!written().is_empty()).then_some(())).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let [batch] = &written()[..] else {
        panic!("once: {:?}", written())
    };
    assert_eq!(batch.entity.to_string(), "demo/shop/deployment/cart");
    assert_eq!(batch.series[0].values, [4.0]);
}

async fn refusals_are_clear(world: &World) {
    let old = sample("cart-7d9c-a", now() - Duration::from_secs(7_200));
    let mixed = remote_write::encode(&[old, sample("cart-7d9c-a", now())]).unwrap();
    let (status, _, text) = world.send(mixed).await;
    assert_eq!(status, 400);
    assert!(text.contains("1 of 2 samples are too old"), "{text}");
    let (status, _, text) = world.send(b"nonsense".to_vec()).await;
    assert!(
        status == 400 && text.contains("not a snappy block"),
        "{status} {text}"
    );
    let large = snap::raw::Encoder::new()
        .compress_vec(&vec![0; 16 << 20])
        .unwrap();
    assert_eq!(world.send(large).await.0, 413);
    assert_eq!(world.send(vec![7; 9 << 20]).await.0, 413);
    for (content, encoding) in [
        ("application/json", "snappy"),
        ("application/x-protobuf", "gzip"),
        (
            "application/x-protobuf;proto=io.prometheus.write.v2.Request",
            "snappy",
        ),
    ] {
        assert_eq!(world.send_as(Vec::new(), content, encoding).await.0, 415);
    }
}

async fn the_watch_tells_changes(world: &World) {
    world
        .kubernetes
        .modified("deployments", &deployment("shop/cart:1.5"));
    world.kubernetes.modified("pods", &pod(false));
    until("the change and the pod", || {
        let signals = world.record.signals();
        let change = signals.iter().any(|one| {
            matches!(&one.body, SignalBody::Change(change)
                if change.by == "alice" && change.to == "shop/cart:1.5")
        });
        let pod = signals
            .iter()
            .any(|one| matches!(&one.body, SignalBody::Pod(pod) if !pod.ready));
        (change && pod).then_some(())
    })
    .await;
}

async fn the_heart_beats_everywhere(world: &World) {
    let beats = |stream: Stream, subject: &str| {
        let beat = |one: &aegis_nats::Delivery| match one.event() {
            Ok(Event::Signal(signal)) => match signal.body {
                SignalBody::Heartbeat(beat) if one.subject.starts_with(subject) => Some(beat),
                _ => None,
            },
            _ => None,
        };
        world
            .record
            .of(stream)
            .iter()
            .filter_map(beat)
            .collect::<Vec<_>>()
    };
    for (stream, subject) in [
        (Stream::Events, "aegis.v1.signal.heartbeat.demo._.demo"),
        (Stream::Metrics, "aegis.v1.metric.0."),
        (Stream::Metrics, "aegis.v1.metric.1."),
    ] {
        let beats = until("heartbeats", || {
            let beats = beats(stream, subject);
            beats
                .last()?
                .sources
                .contains_key("remote-write")
                .then_some(beats)
        })
        .await;
        let last = beats.last().unwrap();
        assert!(
            last.sources.contains_key("scrape/shop") && last.sources.contains_key("kubernetes")
        );
        assert!(beats.is_sorted_by(|a, b| a.clock < b.clock));
    }
}

async fn others_hand_in(world: &World) {
    let outside = Service::Publisher("outside".to_owned());
    let publisher = world.server.bus(outside).await.unwrap().publisher();
    let entity =
        json!({"cluster": "demo", "namespace": "shop", "kind": "deployment", "name": "pay"});
    let batch = json!({"entity": entity, "source": "spoofed", "times": [now()],
        "series": [{"metric": "queue", "values": [9.0]}]});
    let alert = json!({"entity": entity, "observed": now(), "source": "pager",
        "body": {"kind": "alert", "name": "CartErrors", "firing": true}});
    let lines = json!({"entity": entity, "observed": now(), "source": "logs",
        "body": {"kind": "log_rates", "interval_ms": 10_000, "templates": {"refused by <*>": 30}}});
    let state = json!({"entity": entity, "observed": now(), "source": "liar",
        "body": {"kind": "workload", "replicas": 0}});
    for (topic, kind, body) in [
        ("metrics", "aegis.metric.v1", &batch),
        ("signals", "aegis.signal.v1", &alert),
        ("signals", "aegis.signal.v1", &lines),
        ("signals", "aegis.signal.v1", &state),
        ("signals", "aegis.signal.v1", &json!({"half": 1})),
    ] {
        // The envelope says MessagePack; a JSON publisher sets the header itself, so go the binary way
        // where the body is a message and leave the last one malformed.
        let bytes = rmp_serde::to_vec_named(body).unwrap();
        let meta = Meta {
            id: EventId::of_content("test", &bytes),
            kind: kind.to_owned(),
            source: "outside".to_owned(),
            time: now(),
            cause: None,
            origin: None,
            traceparent: None,
        };
        let subject = Subject::intake("outside", topic).unwrap();
        let within = Some(Duration::from_secs(5));
        publisher
            .publish(&subject, &meta, bytes.into(), within)
            .await
            .unwrap();
    }
    let batch = until("the batch of others", || {
        let batches = world.record.batches();
        batches
            .into_iter()
            .find(|one| one.source == "intake/outside" && one.series[0].metric == "queue")
    })
    .await;
    until("lines of a log as samples", || {
        let batches = world.record.batches();
        let mut series = batches.iter().flat_map(|one| &one.series);
        let lines = series.find(|one| one.labels.contains_key("template"))?;
        ((lines.values[0] - 3.0).abs() < 1e-9).then_some(())
    })
    .await;
    let subject = Subject::metric(partition_of(&batch.entity, 2), &batch.entity);
    let metrics = world.record.of(Stream::Metrics);
    assert!(metrics.iter().any(|one| one.subject == subject.as_str()));
    until("the alert", || {
        let signals = world.record.signals();
        let alert = |one: &&aegis_schemas::Signal| matches!(one.body, SignalBody::Alert(_));
        signals
            .iter()
            .find(alert)
            .map(|one| assert_eq!(one.source, "intake/outside"))
    })
    .await;
    until("two dead letters", || {
        let letters = world.record.of(Stream::Dlq);
        (letters.len() == 2).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_stands_by_and_history_is_read_once() {
    let world = World::start().await;
    world.audit_says(0.5).await;
    let history = || {
        world
            .record
            .batches()
            .iter()
            .filter(|one| one.backfill)
            .count()
    };
    until("a live batch", || {
        world
            .record
            .batches()
            .iter()
            .any(|one| !one.backfill)
            .then_some(())
    })
    .await;
    let (read, statements) = (history(), statements(&world));
    let mut config = world.config.clone();
    config.listen = ([127, 0, 0, 1], 0).into();
    let bus = world.server.bus(Service::Ingest).await.unwrap();
    let stop = tokio_util::sync::CancellationToken::new();
    let second = tokio::spawn(aegis_ingest::run(bus, config, stop.clone()));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(
        self::statements(&world),
        statements,
        "the second says nothing"
    );
    // The first goes: the second takes over with a full statement and does not read history again.
    let record = world.record.clone();
    world.audit_says(0.5).await;
    let first = world.ingest.abort_handle();
    first.abort();
    until("the statement of the second", || {
        let signals = record.signals();
        let synced = signals
            .iter()
            .filter(|one| matches!(one.body, SignalBody::Sync(_)));
        (synced.count() == 4).then_some(())
    })
    .await;
    assert_eq!(history(), read);
    stop.cancel();
    second.await.unwrap().unwrap();
    world.stop.cancel();
}

fn statements(world: &World) -> usize {
    let signals = world.record.signals();
    let synced = signals
        .iter()
        .filter(|one| matches!(one.body, SignalBody::Sync(_)));
    synced.count()
}
