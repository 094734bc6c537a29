//! Processes that stand still with leases in their hands, and later go on as if nothing had happened.

use std::time::Duration;

use aegis_e2e::{Entry, until};
use aegis_schemas::AssessmentVerdict;
use serde_json::json;
use tokio::time::Instant;

use crate::{SOON, ends_well, is_judged, story_without};

/// Until when another has taken over what a process that stands still held.
const TAKEOVER: Duration = Duration::from_secs(5);
/// Each core keeps a snapshot that often, so one is due when a process wakes that stood still for longer.
const SNAPSHOTS: Duration = Duration::from_secs(30);

/// Who has leases, and who stands by.
const HOLDERS: [(&str, &str); 3] = [
    ("ingest", "ingest-2"),
    ("detector", "detector-2"),
    ("policy", "policy-2"),
];

const HELD: &str = "aegis_nats_lease_held";
const HANDLED: &str = "aegis_nats_handled_total";
const PUBLISHED: &str = "aegis_nats_published_total";
const SNAPSHOT: &str = "aegis_nats_snapshots_total";
const TWICE: &str = r#"duplicate="true""#;

#[tokio::test(flavor = "multi_thread")]
async fn who_stands_still_is_replaced_and_changes_nothing_on_waking_up() {
    let mut stack = story_without(&["executor"]).await;
    for (holder, next) in HOLDERS {
        stack.start_another(holder, next).await.unwrap();
    }
    let mut watch = stack.watch().await.unwrap();
    let incident = |entry: &Entry| entry.incident().map(|_| ());
    watch.until("an incident", SOON, incident).await.unwrap();

    let mut held = Vec::new();
    let mut before = Vec::new();
    for (holder, _) in HOLDERS {
        held.push(stack.counter(holder, HELD).await.unwrap());
        let kept = stack.counter(holder, SNAPSHOT).await.unwrap();
        let twice = stack.counter_with(holder, PUBLISHED, TWICE).await.unwrap();
        before.push((kept, twice));
        stack.pause(holder).unwrap();
    }
    let paused = Instant::now();
    for ((_, next), held) in HOLDERS.into_iter().zip(held) {
        assert!(held >= 1.0, "{next} stands by for nothing");
        let taken = || async { stack.counter(next, HELD).await.unwrap() >= held };
        let left = TAKEOVER.saturating_sub(paused.elapsed());
        until(&format!("{next} to take over"), left, taken)
            .await
            .unwrap();
    }
    for next in ["detector-2", "policy-2"] {
        let handled = || async { stack.counter(next, HANDLED).await.unwrap() > 0.0 };
        let left = TAKEOVER.saturating_sub(paused.elapsed());
        until(&format!("{next} to handle"), left, handled)
            .await
            .unwrap();
    }
    println!(
        "{}",
        json!({ "taken_over_s": paused.elapsed().as_secs_f64() })
    );
    stack.start_role("executor").await.unwrap();
    assert_eq!(is_judged(&stack).await, AssessmentVerdict::Verified);

    tokio::time::sleep_until(paused + SNAPSHOTS).await;
    for (holder, _) in HOLDERS {
        stack.go_on(holder).unwrap();
    }
    for (holder, _) in HOLDERS {
        let given_up = || async { stack.counter(holder, HELD).await.unwrap() == 0.0 };
        until(&format!("{holder} to give up"), SOON, given_up)
            .await
            .unwrap();
    }
    ends_well(&stack).await;
    for ((holder, next), (kept, twice)) in HOLDERS.into_iter().zip(before) {
        let held = stack.counter(next, HELD).await.unwrap();
        assert!(held >= 1.0, "{next} lost what it took");
        let again = stack.counter_with(holder, PUBLISHED, TWICE).await.unwrap();
        assert_eq!(again, twice, "{holder} said what {next} had said");
        let now = stack.counter(holder, SNAPSHOT).await.unwrap();
        assert_eq!(now, kept, "{holder} kept a snapshot");
    }
    stack.stop().await;
}
