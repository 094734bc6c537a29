//! A stream that takes no more.

use std::time::Duration;

use aegis_e2e::{Options, Stack, Witness, oracles, until};
use aegis_nats::Service;
use aegis_schemas::Stream;

use crate::{change_stream, ends_well};

/// How long it may take until everybody has seen it.
const SEEN_WITHIN: Duration = Duration::from_secs(30);

/// There is no room left and the cluster gets sick; nothing that was accepted is lost, and once there is
/// room the story ends as ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_stream_is_said_and_what_was_accepted_is_there_once_there_is_room() {
    let options = Options::scenario("corrupt-pod").fault_at(20);
    let stack = Stack::start(options).await.unwrap();
    let witness = Witness::begin(&stack).await.unwrap();
    let doctor = stack.bus(Service::Doctor).await.unwrap();
    let bytes = doctor.stream_info(Stream::Events).await.unwrap().bytes;
    let declared = change_stream(&stack, Stream::Events, "max_bytes", (bytes + 4_096).into()).await;

    let closed = || async { counter(&stack, "aegis_ingest_open").await == Some(0.0) };
    until("ingest to take no more samples", SEEN_WITHIN, closed)
        .await
        .unwrap();
    let refused = || async {
        let retries = counter(&stack, "aegis_nats_publish_retries_total").await;
        retries.is_some_and(|retries| retries > 0.0)
    };
    until("publishers to see a full stream", SEEN_WITHIN, refused)
        .await
        .unwrap();
    let harmed = || async { !stack.simulation().await.unwrap()["faults"][0]["harmed"].is_null() };
    until("harm that nobody can tell of", SEEN_WITHIN, harmed)
        .await
        .unwrap();
    assert_eq!(stack.writes().await.unwrap().len(), 0);

    change_stream(&stack, Stream::Events, "max_bytes", declared).await;
    ends_well(&stack).await;
    let accepted = witness.end().await.unwrap();
    assert!(!accepted.is_empty());
    oracles::hold(&stack, &accepted).await.unwrap();
    stack.stop().await;
}

async fn counter(stack: &Stack, name: &str) -> Option<f64> {
    stack.counter("ingest", name).await.ok()
}
