//! Messages out.

use std::time::Duration;

use aegis_nats::testing::TestServer;
use aegis_nats::topology::Settings;
use aegis_nats::{PublishError, Service};
use aegis_schemas::{Stream, codec};

use crate::support::{Record, message, number};

#[tokio::test]
async fn what_is_stored_twice_is_there_once() {
    let server = TestServer::start().await.unwrap();
    let bus = server.bus(Service::Ingest).await.unwrap();
    let (subject, meta, body) = message(1);
    let publisher = bus.publisher();
    let first = publisher
        .publish(&subject, &meta, body.clone(), None)
        .await
        .unwrap();
    let again = publisher
        .publish(&subject, &meta, body, None)
        .await
        .unwrap();
    assert!(!first.duplicate && again.duplicate);
    assert_eq!(first.seq, again.seq);
}

#[tokio::test]
async fn a_batch_with_a_known_message_is_stored_in_full_and_in_order() {
    let server = TestServer::start().await.unwrap();
    let bus = server.bus(Service::Ingest).await.unwrap();
    let publisher = bus.publisher();
    let first: Vec<_> = (0..3).map(message).collect();
    publisher.publish_batch(first, None).await.unwrap();
    // 2 is known: the server refuses this batch as a whole.
    let second: Vec<_> = (2..1_200).map(message).collect();
    publisher.publish_batch(second, None).await.unwrap();
    let record = Record::of(&server, Stream::Events).await;
    let beats = record.wait("aegis.v1.signal.heartbeat", 1_200).await;
    let numbers: Vec<_> = beats
        .iter()
        .filter_map(|beat| number(&beat.event().unwrap()))
        .collect();
    assert_eq!(numbers, (0..1_200).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_batch_is_one_write() {
    let server = TestServer::start().await.unwrap();
    let bus = server.bus(Service::Ingest).await.unwrap();
    bus.publisher()
        .publish_batch((0..50).map(message).collect(), None)
        .await
        .unwrap();
    let record = Record::of(&server, Stream::Events).await;
    let beats = record.wait("aegis.v1.signal.heartbeat", 50).await;
    let ids: std::collections::BTreeSet<_> = beats
        .iter()
        .map(|beat| beat.headers.get("Nats-Batch-Id"))
        .collect();
    assert_eq!(ids.len(), 1);
    assert!(ids.iter().all(Option::is_some), "sent singly");
}

#[tokio::test]
async fn a_full_stream_says_so_at_once_and_a_body_that_is_too_large_too() {
    let server = TestServer::with(Settings {
        storage_bytes: 64 << 20,
        ..Settings::default()
    })
    .await
    .unwrap();
    let gateway = server.bus(Service::Gateway).await.unwrap();
    let within = Some(Duration::from_secs(30));
    let mut refused = None;
    for number in 0..1_000 {
        let (_, meta, _) = message(number);
        let subject = aegis_schemas::Subject::intake("gateway", "signal").unwrap();
        let body = noise(number, codec::MAX_BODY);
        let result = gateway
            .publisher()
            .publish(&subject, &meta, body.into(), within)
            .await;
        if let Err(error) = result {
            refused = Some(error);
            break;
        }
    }
    assert_eq!(refused, Some(PublishError::Full(Stream::Intake)));
    let (subject, meta, _) = message(1);
    let body = vec![0; codec::MAX_BODY + 1].into();
    let result = gateway
        .publisher()
        .publish(&subject, &meta, body, within)
        .await;
    assert!(
        matches!(result, Err(PublishError::TooLarge(_))),
        "{result:?}"
    );
}

/// Bytes that do not compress.
fn noise(seed: i64, length: usize) -> Vec<u8> {
    let mut state = seed.unsigned_abs().wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_be_bytes()[0]
    })
    .take(length)
    .collect()
}

#[tokio::test]
async fn a_publish_outlasts_a_crash_of_the_server() {
    let mut server = TestServer::start().await.unwrap();
    let bus = server.bus(Service::Ingest).await.unwrap();
    let (subject, meta, body) = message(1);
    bus.publisher()
        .publish(&subject, &meta, body, None)
        .await
        .unwrap();
    server.crash().await.unwrap();
    let publisher = bus.publisher();
    let waiting = tokio::spawn(async move {
        let (subject, meta, body) = message(2);
        publisher.publish(&subject, &meta, body, None).await
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    server.resume().await.unwrap();
    waiting.await.unwrap().unwrap();
    let record = Record::of(&server, Stream::Events).await;
    record.wait("aegis.v1.signal.heartbeat", 2).await;
}
