//! What a refusal looks like from inside, and what an outsider can do to the server.

use std::time::Duration;

use aegis_nats::testing::TestServer;
use aegis_nats::{Options, PublishError, Service};
use aegis_schemas::{Stream, Subject};
use async_nats::ConnectOptions;

use crate::support::{Record, entity, message};

#[tokio::test]
async fn a_forbidden_publish_is_not_stored() {
    let server = TestServer::start().await.unwrap();
    let ingest = server.bus(Service::Ingest).await.unwrap();
    let (_, meta, body) = message(1);
    let forged = Subject::decision("allow", &entity());
    let within = Some(Duration::from_millis(600));
    let result = ingest
        .publisher()
        .publish(&forged, &meta, body, within)
        .await;
    assert_eq!(result, Err(PublishError::Unavailable));
    let info = ingest.stream_info(Stream::Events).await.unwrap();
    assert_eq!(info.messages, 1, "nothing but the genesis");
}

/// A reply subject of the sender's choice would make the server itself publish there.
#[tokio::test]
async fn an_outside_publisher_is_stored_and_cannot_choose_where_the_answer_goes() {
    let server = TestServer::start().await.unwrap();
    let outside = Service::Publisher("outside".to_owned());
    let bus = server.bus(outside.clone()).await.unwrap();
    let (_, mut meta, body) = message(1);
    meta.source = "outside".to_owned();
    let subject = Subject::intake("outside", "signal").unwrap();
    let within = Some(Duration::from_secs(10));
    let stored = bus.publisher().publish(&subject, &meta, body, within).await;
    assert!(!stored.unwrap().duplicate);

    let Options { url, seed, .. } = server.options(outside.clone()).unwrap();
    let client = ConnectOptions::new()
        .nkey(seed.to_string())
        .custom_inbox_prefix(outside.inbox())
        .connect(url)
        .await
        .unwrap();
    let target = "aegis.v1.decision.allow.demo.shop.cart";
    client
        .publish_with_reply(subject.as_str().to_owned(), target, "forged".into())
        .await
        .unwrap();
    client.flush().await.unwrap();
    let intake = Record::of(&server, Stream::Intake).await;
    intake.wait("aegis.v1.intake.outside.signal", 2).await;
    let gateway = server.bus(Service::Gateway).await.unwrap();
    let info = gateway.stream_info(Stream::Events).await.unwrap();
    assert_eq!(info.messages, 1, "the answer was stored as a decision");
}
