//! The floor: a message goes down a chain of real hops, with real users.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

use aegis_nats::Service;
use aegis_nats::floor::{Floor, Hop};
use aegis_nats::testing::TestServer;
use aegis_nats::topology::Durable;
use aegis_schemas::{Cluster, Entity, EntityKind, Name, Namespace, Subject};

#[tokio::test(flavor = "multi_thread")]
async fn a_message_goes_from_hop_to_hop() {
    let server = TestServer::start().await.unwrap();
    let cluster = Cluster::parse("demo").unwrap();
    let entity = Entity::namespaced(
        cluster.clone(),
        Namespace::parse("shop").unwrap(),
        EntityKind::Deployment,
        Name::parse("web").unwrap(),
    );
    let (ingest, detector) = (
        server.bus(Service::Ingest).await.unwrap(),
        server.bus(Service::Detector).await.unwrap(),
    );
    let mut floor = Floor::new(vec![
        Hop {
            from: ingest,
            subject: Subject::metric(0, &entity),
            bytes: 1_000,
            to: detector.clone(),
            durable: Durable::scorer(0),
        },
        Hop {
            from: detector.clone(),
            subject: Subject::anomaly(&entity),
            bytes: 0,
            to: detector,
            durable: Durable::incidents(&cluster),
        },
    ]);
    let first = floor.sample().await.unwrap();
    let second = floor.sample().await.unwrap();
    assert!(!first.is_zero() && !second.is_zero());
}
