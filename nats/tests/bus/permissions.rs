//! Least privilege, asked of the server itself.

use std::time::Duration;

use aegis_nats::testing::TestServer;
use aegis_nats::{Options, PublishError, Service};
use aegis_schemas::{Stream, Subject};
use async_nats::ConnectOptions;
use futures::future::join_all;

use crate::support::{Record, entity, message};

/// A subject of every kind and who may publish there, said again and not derived.
const TABLE: [(&str, &[&str]); 46] = [
    ("aegis.v1.metric.0.demo.shop.cart", &["ingest"]),
    ("aegis.v1.signal.heartbeat.demo._.demo", &["ingest"]),
    (
        "aegis.v1.signal.genesis.demo._.demo",
        &["ingest", "provisioner"],
    ),
    ("aegis.v1.anomaly.demo.shop.cart", &["detector"]),
    ("aegis.v1.incident.demo.shop.cart", &["detector"]),
    ("aegis.v1.assessment.verified.demo.shop.cart", &["detector"]),
    ("aegis.v1.decision.allow.demo.shop.cart", &["policy"]),
    ("aegis.v1.action.applied.demo.shop.cart", &["executor"]),
    ("aegis.v1.command.approve.demo.shop.cart", &["gateway"]),
    (
        "aegis.v1.command.activate.demo._.demo",
        &["gateway", "provisioner"],
    ),
    (
        "aegis.v1.command.mode.demo._.demo",
        &["gateway", "provisioner"],
    ),
    ("aegis.v1.access.forbidden", &["gateway"]),
    ("aegis.v1.intake.gateway.metric", &["gateway"]),
    ("aegis.v1.intake.outside.metric", &["outside"]),
    ("aegis.v1.dlq.ingest.aegis_intake", &["ingest"]),
    ("aegis.v1.dlq.executor.aegis_events", &["executor"]),
    ("aegis.v1.unknown", &[]),
    ("$KV.aegis_halt.demo", &["gateway"]),
    ("$KV.aegis_exec.x", &["executor"]),
    ("$KV.aegis_state.policy.x", &["policy"]),
    ("$KV.aegis_state.detector.x", &["detector"]),
    ("$KV.aegis_health.audit-sink", &["audit-sink"]),
    ("$KV.aegis_health.policy", &["policy"]),
    (
        "$JS.API.STREAM.MSG.GET.KV_aegis_halt",
        &["executor", "gateway"],
    ),
    ("$JS.API.DIRECT.GET.KV_aegis_halt.$KV.aegis_halt.demo", &[]),
    (
        "$JS.API.DIRECT.GET.KV_aegis_state.$KV.aegis_state.policy.x",
        &["policy"],
    ),
    ("$JS.API.STREAM.CREATE.X", &["provisioner"]),
    ("$JS.API.STREAM.UPDATE.AEGIS_EVENTS", &["provisioner"]),
    ("$JS.API.STREAM.DELETE.AEGIS_EVENTS", &[]),
    ("$JS.API.STREAM.PURGE.AEGIS_EVENTS", &[]),
    ("$JS.API.STREAM.RESTORE.AEGIS_EVENTS", &[]),
    ("$JS.API.STREAM.MSG.DELETE.AEGIS_EVENTS", &[]),
    ("$JS.API.STREAM.MSG.GET.AEGIS_EVENTS", &["provisioner"]),
    ("$JS.API.STREAM.LIST", &["doctor"]),
    ("$JS.API.CONSUMER.CREATE.AEGIS_EVENTS.x", &["provisioner"]),
    ("$JS.API.CONSUMER.DELETE.AEGIS_EVENTS.policy-demo", &[]),
    ("$JS.API.CONSUMER.PAUSE.AEGIS_EVENTS.policy-demo", &[]),
    (
        "$JS.API.CONSUMER.RESET.AEGIS_EVENTS.policy-demo",
        &["policy"],
    ),
    ("$JS.API.CONSUMER.RESET.AEGIS_INTAKE.ingest", &[]),
    (
        "$JS.API.CONSUMER.MSG.NEXT.AEGIS_EVENTS.executor-demo",
        &["executor"],
    ),
    (
        "$JS.ACK.AEGIS_EVENTS.executor-demo.1.1.1.1.1",
        &["executor"],
    ),
    ("$JS.ACK.AEGIS_DLQ.audit-sink.1.1.1.1.1", &["audit-sink"]),
    ("$JS.EVENT.ADVISORY.STREAM.DELETED.x", &[]),
    ("$SYS.REQ.SERVER.PING.JSZ", &["doctor"]),
    ("$SYS.REQ.SERVER.PING", &[]),
    ("_INBOX_policy.stolen", &[]),
];

/// Publishes on every subject and compares the violations that the server reports with the table.
#[tokio::test]
async fn the_server_refuses_every_user_what_is_not_theirs() {
    let server = TestServer::start().await.unwrap();
    let checks = server.settings().services().into_iter().map(|service| {
        let Options { url, seed, .. } = server.options(service.clone()).unwrap();
        async move {
            let (sender, mut reports) = tokio::sync::mpsc::unbounded_channel();
            let client = ConnectOptions::new()
                .nkey(seed.to_string())
                .custom_inbox_prefix(service.inbox())
                .event_callback(move |event| {
                    let _ = sender.send(event.to_string());
                    async {}
                })
                .connect(url)
                .await
                .unwrap();
            for (subject, _) in TABLE {
                // Not JSON: what is allowed must do no harm either.
                client.publish(subject, "{".into()).await.unwrap();
            }
            let _ = client.subscribe("aegis.v1.>").await.unwrap();
            client.flush().await.unwrap();
            tokio::time::sleep(Duration::from_millis(500)).await;
            let mut violations = String::new();
            while let Ok(report) = reports.try_recv() {
                violations += &report.to_lowercase();
                violations.push('\n');
            }
            assert!(
                violations.contains("subscription to \"aegis.v1.>\""),
                "{service} may listen to everything: {violations}"
            );
            for (subject, who) in TABLE {
                let refused =
                    violations.contains(&format!("publish to \"{}\"", subject.to_lowercase()));
                assert_eq!(
                    refused,
                    !who.contains(&service.as_str()),
                    "{service} on {subject}: {violations}"
                );
            }
        }
    });
    join_all(checks).await;
}

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
