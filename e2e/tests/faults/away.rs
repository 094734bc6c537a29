//! A server that is gone for a while.

use std::time::Duration;

use aegis_e2e::{Entry, Stack};

use crate::{SOON, ends_well, story_without};

/// How long a server is away. `AEGIS_AWAY_SECONDS` makes it longer.
fn away() -> Duration {
    let seconds = std::env::var("AEGIS_AWAY_SECONDS").map_or(10, |text| text.parse().unwrap());
    Duration::from_secs(seconds)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_while_postgres_is_away_is_on_record_once_it_is_back() {
    let mut stack = story_without(&["executor"]).await;
    decided(&stack).await;
    stack.kill_postgres().await.unwrap();
    stack.start_role("executor").await.unwrap();
    tokio::time::sleep(away()).await;
    let writes = stack.writes().await.unwrap();
    assert_eq!(writes.len(), 1, "the act does not wait: {writes:#?}");
    stack.start_postgres().await.unwrap();
    ends_well(&stack).await;
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_that_waits_while_nats_is_away_is_carried_out_once() {
    let mut stack = story_without(&["executor"]).await;
    decided(&stack).await;
    stack.kill_nats().await.unwrap();
    tokio::time::sleep(away()).await;
    stack.start_nats().await.unwrap();
    stack.start_role("executor").await.unwrap();
    ends_well(&stack).await;
    stack.stop().await;
}

async fn decided(stack: &Stack) {
    let mut watch = stack.watch().await.unwrap();
    watch
        .until("a decision", SOON, Entry::warrant)
        .await
        .unwrap();
}
