//! What happens in the cluster while nobody watches it.

use std::time::Duration;

use aegis_e2e::{Options, Stack, oracles};
use tokio::time::Instant;

use crate::{SCENARIO, healed};

/// How long a fault that waits for another may take to do harm after that one is healed.
const HARM_WITHIN: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_while_ingest_is_down_is_rolled_back() {
    let mut stack = Stack::start(Options::scenario(SCENARIO)).await.unwrap();
    healed(&stack, 1).await;
    stack.kill("ingest").await.unwrap();
    let end = Instant::now() + HARM_WITHIN;
    while stack.simulation().await.unwrap()["faults"][1]["harmed"].is_null() {
        assert!(Instant::now() < end, "nothing was rolled out");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    stack.start_role("ingest").await.unwrap();
    healed(&stack, 2).await;
    let acts = stack.simulation().await.unwrap()["acts"].clone();
    assert_eq!(acts[1]["act"], "rollback", "{acts:#}");
    assert_eq!(acts[1]["fault"], "bad-payments", "{acts:#}");
    oracles::hold(&stack, &[]).await.unwrap();
    stack.stop().await;
}
