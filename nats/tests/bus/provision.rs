//! Provisioning and the start-up check.

use std::time::Duration;

use aegis_nats::check::check;
use aegis_nats::provision::{provision, provision_with};
use aegis_nats::testing::TestServer;
use aegis_nats::topology::Settings;
use aegis_nats::{Service, retire, topology};
use aegis_schemas::{Cluster, Event, SignalBody, Stream};

use crate::support::{Record, send};

#[tokio::test]
async fn provisioning_twice_makes_nothing_new_and_keeps_the_epoch() {
    let server = TestServer::bare(Settings::default()).await.unwrap();
    let bus = server.bus(Service::Provisioner).await.unwrap();
    let first = provision(&bus, server.settings(), 7).await.unwrap();
    assert_eq!(first.events_epoch, 7);
    let declared = Stream::ALL.len()
        + topology::Bucket::ALL.len()
        + topology::Durable::all(server.settings()).len();
    assert_eq!(first.created.len(), declared, "{:?}", first.created);

    let second = provision(&bus, server.settings(), 8).await.unwrap();
    assert_eq!(second.events_epoch, 7);
    assert_eq!(second.created, Vec::<String>::new());

    let policy = server.bus(Service::Policy).await.unwrap();
    let info = policy.stream_info(Stream::Events).await.unwrap();
    assert_eq!((info.epoch, info.last_seq), (7, 1));
    let record = Record::of(&server, Stream::Events).await;
    let genesis = record.wait("aegis.v1.signal.genesis.demo", 1).await;
    let Ok(Event::Signal(signal)) = genesis[0].event() else {
        panic!("not a signal: {:?}", genesis[0]);
    };
    assert!(matches!(signal.body, SignalBody::Genesis(genesis) if genesis.epoch == 7));
}

#[tokio::test]
async fn a_cluster_that_joins_gets_its_consumers_and_its_genesis() {
    let server = TestServer::start().await.unwrap();
    let bus = server.bus(Service::Provisioner).await.unwrap();
    let mut settings = server.settings().clone();
    settings
        .clusters
        .push(Cluster::parse("second.example").unwrap());
    let more = provision(&bus, &settings, 9).await.unwrap();
    assert_eq!(more.created.len(), 3, "{:?}", more.created);
    let record = Record::of(&server, Stream::Events).await;
    record
        .wait("aegis.v1.signal.genesis.second_example", 1)
        .await;
}

#[tokio::test]
async fn a_genesis_is_said_again_when_the_uid_is_another() {
    let server = TestServer::start().await.unwrap();
    let bus = server.bus(Service::Provisioner).await.unwrap();
    let record = Record::of(&server, Stream::Events).await;
    let demo = server.settings().clusters[0].clone();
    // Unknown, told, told again, made anew, and the first one once more.
    let told = [None, Some("a"), Some("a"), Some("b"), Some("a"), None];
    for uid in told {
        let uids = uid.map(|uid| (demo.clone(), uid.to_owned()));
        let uids = uids.into_iter().collect();
        provision_with(&bus, server.settings(), 9, &uids)
            .await
            .unwrap();
    }
    let uids: Vec<_> = record
        .wait("aegis.v1.signal.genesis.demo", 4)
        .await
        .iter()
        .map(|genesis| match genesis.event() {
            Ok(Event::Signal(signal)) => match signal.body {
                SignalBody::Genesis(genesis) => genesis.clusters.get("demo").cloned(),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        })
        .collect();
    let expected = [None, Some("a"), Some("b"), Some("a")];
    assert_eq!(uids, expected.map(|uid| uid.map(str::to_owned)));
    assert_eq!(bus.stream_info(Stream::Events).await.unwrap().last_seq, 4);
}

#[tokio::test]
async fn the_doctor_finds_nothing_until_a_declaration_changes() {
    let server = TestServer::start().await.unwrap();
    let doctor = server.bus(Service::Doctor).await.unwrap();
    assert_eq!(check(&doctor, server.settings()).await, Ok(()));

    let mut other = server.settings().clone();
    other.storage_bytes *= 2;
    other.partitions = 2;
    let differences = check(&doctor, &other).await.unwrap_err().join("\n");
    assert!(
        differences.contains("stream AEGIS_EVENTS: `max_bytes` is "),
        "{differences}"
    );
    assert!(
        differences.contains("consumer scorer-1 of AEGIS_METRICS cannot be read"),
        "{differences}"
    );

    other = server.settings().clone();
    other.clusters = vec![Cluster::parse("other").unwrap()];
    let differences = check(&doctor, &other).await.unwrap_err().join("\n");
    assert!(
        differences.contains("consumer policy-demo of AEGIS_EVENTS is not declared"),
        "{differences}"
    );
}

/// Nobody reads for the record here.
#[tokio::test]
async fn a_stream_that_is_not_on_record_is_not_ended_and_goes_on() {
    let server = TestServer::start().await.unwrap();
    let ingest = server.bus(Service::Ingest).await.unwrap();
    send(&ingest, 1..=3).await;
    let provisioner = server.bus(Service::Provisioner).await.unwrap();
    let soon = Duration::from_millis(300);
    let both = [Stream::Metrics, Stream::Events];
    let refused = retire(&provisioner, server.settings(), &both, soon).await;
    let refused = refused.unwrap_err().to_string();
    let expected = "4 messages of AEGIS_EVENTS were not read by `audit-sink` yet";
    assert!(refused.contains(expected), "{refused}");

    send(&ingest, 4..=5).await;
    let info = ingest.stream_info(Stream::Events).await.unwrap();
    assert_eq!((info.epoch, info.last_seq), (1, 6));
    let doctor = server.bus(Service::Doctor).await.unwrap();
    assert_eq!(check(&doctor, server.settings()).await, Ok(()));
}

#[tokio::test]
async fn every_service_can_check_what_it_sees() {
    let server = TestServer::start().await.unwrap();
    for service in Service::ALL {
        let bus = server.bus(service.clone()).await.unwrap();
        assert_eq!(check(&bus, server.settings()).await, Ok(()), "{service}");
    }
}
