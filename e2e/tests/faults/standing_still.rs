//! A process that stands still with a lease in its hand, and later goes on as if nothing had happened.

use std::path::PathBuf;
use std::time::Duration;

use aegis_e2e::{Entry, Stack};
use tokio::time::Instant;

use crate::{SOON, ends_well, story_without};

/// Until when another has taken over what a process that stands still held.
const TAKEOVER: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn holders_of_leases_that_stand_still_are_replaced_and_change_nothing_when_they_wake() {
    let mut stack = story_without(&["executor"]).await;
    stack.start_another("detector", "detector-2").await.unwrap();
    stack.start_another("policy", "policy-2").await.unwrap();
    let mut watch = stack.watch().await.unwrap();
    watch
        .until("an incident", SOON, |entry: &Entry| {
            entry.incident().cloned()
        })
        .await
        .unwrap();
    let holders = [("detector", "detector-2"), ("policy", "policy-2")];
    for (holder, _) in holders {
        stack.pause(holder).unwrap();
    }
    let paused = Instant::now();
    for (_, next) in holders {
        says(&stack, next, "took the lease", paused + TAKEOVER).await;
    }
    stack.start_role("executor").await.unwrap();
    ends_well(&stack).await;

    // Their pulls are still open and take messages that are no longer theirs.
    for (holder, _) in holders {
        stack.go_on(holder).unwrap();
    }
    let awake = Instant::now();
    for (holder, _) in holders {
        says(&stack, holder, "lost the lease", awake + SOON).await;
    }
    let mut watch = stack.watch().await.unwrap();
    let last = watch.all().await.unwrap().last().unwrap().time;
    watch
        .until("the log goes on", SOON, |entry: &Entry| {
            (entry.time > last + 2 * TAKEOVER).then_some(())
        })
        .await
        .unwrap();
    ends_well(&stack).await;
    stack.stop().await;
}

/// Waits until the log of `process` has `words`.
async fn says(stack: &Stack, process: &str, words: &str, until: Instant) {
    let log: PathBuf = stack.logs().join(format!("{process}.log"));
    while !std::fs::read_to_string(&log).unwrap().contains(words) {
        assert!(
            Instant::now() < until,
            "{process} does not say `{words}` in time"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
