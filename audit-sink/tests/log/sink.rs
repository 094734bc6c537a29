//! The sink between a real nats-server and a real PostgreSQL.

use std::collections::BTreeSet;
use std::time::Duration;

use aegis_audit_sink::verify;
use aegis_nats::kv::HealthBoard;
use aegis_nats::testing::TestServer;
use aegis_nats::{Bus, Service};
use aegis_schemas::header::Meta;
use aegis_schemas::signal::Heartbeat;
use aegis_schemas::{
    Cluster, Entity, EntityKind, Event, EventId, Name, Signal, SignalBody, Stream, Subject,
    Timestamp,
};
use tokio_util::sync::CancellationToken;

use crate::support::Database;

async fn publish(bus: &Bus, numbers: std::ops::Range<i64>) {
    let cluster = Cluster::parse("demo").unwrap();
    let entity = Entity::cluster_scoped(cluster, EntityKind::Cluster, Name::parse("demo").unwrap());
    let messages: Vec<_> = numbers
        .map(|number| {
            let event = Event::Signal(Signal {
                entity: entity.clone(),
                observed: Timestamp::EPOCH,
                source: "test".to_owned(),
                body: SignalBody::Heartbeat(Heartbeat {
                    clock: Timestamp::from_nanos(number),
                    sources: std::collections::BTreeMap::new(),
                    fill: 0.0,
                }),
            });
            let meta = Meta {
                id: EventId::of_content("test", &number.to_be_bytes()),
                kind: event.kind().as_str().to_owned(),
                source: "ingest".to_owned(),
                time: Timestamp::EPOCH,
                cause: None,
                origin: None,
                traceparent: None,
            };
            (
                Subject::signal("heartbeat", &entity),
                meta,
                event.encode().unwrap().into(),
            )
        })
        .collect();
    for batch in messages.chunks(500) {
        bus.publisher()
            .publish_batch(batch.to_vec(), None)
            .await
            .unwrap();
    }
}

async fn size(database: &Database, until: u64) {
    let reader = database.reader().await;
    let grown = async {
        while reader.size().await.unwrap() < until {
            reader.wait().await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(120), grown)
        .await
        .expect("the log grows");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_message_is_one_entry_when_sinks_are_killed_and_two_run() {
    let database = Database::new().await;
    let server = TestServer::start().await.unwrap();
    let ingest = server.bus(Service::Ingest).await.unwrap();
    let before = ingest_last(&server).await;
    let stop = CancellationToken::new();
    publish(&ingest, 0..2_000).await;
    // Killed again and again. What was in their hands comes again after `ack_wait`, a minute, so this
    // test takes that long.
    for round in 0..4 {
        let sink = aegis_audit_sink::run(
            server.bus(Service::AuditSink).await.unwrap(),
            database.config(),
            stop.clone(),
        );
        let killed = tokio::spawn(sink);
        tokio::time::sleep(Duration::from_millis(150 + 40 * round)).await;
        killed.abort();
    }
    let mut running = Vec::new();
    for _ in 0..2 {
        let bus = server.bus(Service::AuditSink).await.unwrap();
        running.push(tokio::spawn(aegis_audit_sink::run(
            bus,
            database.config(),
            stop.clone(),
        )));
    }
    publish(&ingest, 2_000..3_000).await;
    let reader = database.reader().await;
    let last = before + 3_000;
    let all = async {
        loop {
            let events = reader.stream(Stream::Events, 0, 100_000).await.unwrap();
            if events.last().is_some_and(|record| record.seq >= last) && events.len() as u64 >= last
            {
                return events;
            }
            reader.wait().await.unwrap();
        }
    };
    let events = tokio::time::timeout(Duration::from_secs(150), all)
        .await
        .expect("all arrive");
    let seqs: BTreeSet<u64> = events.iter().map(|record| record.seq).collect();
    assert_eq!(seqs.len(), events.len());
    assert_eq!(seqs, (1..=last).collect());

    // Signed within a second, and it says that it is not behind.
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    let report = verify::verify(&reader, &database.key.verifying_key(), None)
        .await
        .unwrap();
    assert!(report.holds && report.signed == report.size, "{report}");
    let board = HealthBoard::new(&ingest);
    let seen = board
        .audit()
        .await
        .unwrap()
        .expect("the sink said something");
    assert!(seen.age < Duration::from_secs(10), "{seen:?}");
    stop.cancel();
    for task in running {
        task.await.unwrap().unwrap();
    }
}

/// The last sequence that provisioning left.
async fn ingest_last(server: &TestServer) -> u64 {
    let bus = server.bus(Service::AuditSink).await.unwrap();
    bus.stream_info(Stream::Events).await.unwrap().last_seq
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_acknowledged_while_the_database_is_away() {
    let database = Database::new().await;
    let server = TestServer::start().await.unwrap();
    let ingest = server.bus(Service::Ingest).await.unwrap();
    let before = ingest_last(&server).await;
    let stop = CancellationToken::new();
    let bus = server.bus(Service::AuditSink).await.unwrap();
    let running = tokio::spawn(aegis_audit_sink::run(bus, database.config(), stop.clone()));
    publish(&ingest, 0..100).await;
    size(&database, before + 100).await;
    database.shut().await;
    publish(&ingest, 100..200).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    database.reopen().await;
    size(&database, before + 200).await;
    stop.cancel();
    running.await.unwrap().unwrap();
    let report = verify::verify(
        &database.reader().await,
        &database.key.verifying_key(),
        None,
    )
    .await
    .unwrap();
    assert!(report.holds && report.signed == report.size, "{report}");
}
