//! Services that are away for longer than the stream remembers the ids of messages.

use std::collections::BTreeSet;
use std::time::Duration;

use aegis_e2e::{Options, PERSON, Stack, Watch, oracles};
use aegis_schemas::{IncidentPhase, Stream, Timestamp, Verdict};
use serde_json::json;

use crate::{SOON, change_stream};

const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/shop/deployments/catalog";
/// How long a decision is in force here.
const LIFETIME: Duration = Duration::from_secs(5);
/// How far a core has come is noted each second; what it said since its last note it says again.
const NOTED_WITHIN: Duration = Duration::from_secs(3);

/// Policy is away while an incident comes and is healed by a person, the detector dies, and the stream
/// forgets the ids of what both have said.
#[tokio::test(flavor = "multi_thread")]
async fn who_was_away_for_long_says_nothing_twice_and_does_nothing_about_what_is_over() {
    let options = Options::scenario("corrupt-pod")
        .policy("warrant_lifetime = \"2m\"", "warrant_lifetime = \"5s\"")
        .fault_at(20);
    let mut stack = Stack::start(options).await.unwrap();
    let mut watch = stack.watch().await.unwrap();
    let ordered = watch
        .until("policy's orders", SOON, |entry| {
            let orders = entry.decision(Verdict::Standing)?.standing.as_ref()?;
            (!orders.modes.is_empty()).then_some(entry.time)
        })
        .await
        .unwrap();
    passes(&mut watch, ordered + NOTED_WITHIN).await;
    stack.kill("policy").await.unwrap();
    watch
        .until("an incident", SOON, |entry| entry.incident().map(drop))
        .await
        .unwrap();
    let restarted =
        json!({"spec": {"template": {"metadata": {"annotations": {"restarted": "by hand"}}}}});
    stack.patch_as(PERSON, DEPLOYMENT, restarted).await.unwrap();
    let over = watch
        .until("its end", SOON, |entry| {
            let phase = entry.incident()?.phase;
            (phase == IncidentPhase::Resolved).then_some(entry.time)
        })
        .await
        .unwrap();
    passes(&mut watch, over + LIFETIME).await;
    let window = change_stream(
        &stack,
        Stream::Events,
        "duplicate_window",
        json!(100_000_000),
    )
    .await;
    // Longer than the server takes to forget.
    tokio::time::sleep(Duration::from_secs(1)).await;
    change_stream(&stack, Stream::Events, "duplicate_window", window).await;

    stack.kill("detector").await.unwrap();
    stack.start_role("detector").await.unwrap();
    stack.start_role("policy").await.unwrap();
    let figures = oracles::hold(&stack, &[]).await.unwrap();
    assert_eq!(figures.writes, 0, "{:#?}", stack.writes().await);
    let mut ids = BTreeSet::new();
    for entry in stack.watch().await.unwrap().all().await.unwrap() {
        let said = entry.record.stream == Stream::Events;
        assert!(!said || ids.insert(entry.id), "twice: {entry:?}");
    }
    stack.stop().await;
}

/// Waits until the stream's time is past `then`.
async fn passes(watch: &mut Watch, then: Timestamp) {
    watch
        .until("some time to pass", SOON, |entry| {
            let late = entry.record.stream == Stream::Events && entry.time > then;
            late.then_some(())
        })
        .await
        .unwrap();
}
