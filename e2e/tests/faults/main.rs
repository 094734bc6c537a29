//! Servers that Aegis stands on go away for a while, processes stand still, streams are made anew.
//! Whatever happens, the story ends healed, with one effect, and everything on record once.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod absence;
mod anew;
mod api_server;
mod away;
mod clocks;
mod damage;
mod full;
mod standing_still;
mod storm;
mod thousands;

use std::time::Duration;

use aegis_e2e::broker::wire::Wire;
use aegis_e2e::{Entry, Options, ROLES, Stack, oracles};
use aegis_nats::Service;
use aegis_schemas::{AssessmentVerdict, Stream};
use serde_json::{Value, json};

/// How long a story may take until it ends; whoever lost a message in hand gets it again after a minute.
const SOON: Duration = Duration::from_secs(150);

/// An installation in whose cluster a pod goes bad some seconds later. `missing` is not started yet, so
/// that nothing is done before the fault is there.
async fn story_without(missing: &[&str]) -> Stack {
    let roles: Vec<_> = ROLES
        .into_iter()
        .filter(|role| !missing.contains(role))
        .collect();
    Stack::start(Options::scenario("corrupt-pod").roles(&roles))
        .await
        .unwrap()
}

/// Waits until somebody has judged whether the act helped.
async fn is_judged(stack: &Stack) -> AssessmentVerdict {
    let mut watch = stack.watch().await.unwrap();
    let judged = |entry: &Entry| Some(entry.assessment()?.verdict);
    let verdict = watch.until("the act is judged", SOON, judged).await;
    verdict.unwrap()
}

/// Waits until the pod is replaced and that is verified, and checks that it was done once and that all
/// oracles hold.
async fn ends_well(stack: &Stack) {
    assert_eq!(is_judged(stack).await, AssessmentVerdict::Verified);
    let writes = stack.writes().await.unwrap();
    assert_eq!(writes.len(), 1, "{writes:#?}");
    oracles::hold(stack, &[]).await.unwrap();
}

/// Changes a field of a stream's configuration, as its administrator may; answers what it was.
async fn change_stream(stack: &Stack, stream: Stream, field: &str, value: Value) -> Value {
    let bus = &stack.config().bus;
    let mut admin = Wire::of(&stack.installation(), bus, &Service::Provisioner)
        .await
        .unwrap();
    let info = format!("$JS.API.STREAM.INFO.{stream}");
    let mut config = admin.ask(&info, &json!({})).await.unwrap()["config"].take();
    let before = std::mem::replace(&mut config[field], value);
    let update = format!("$JS.API.STREAM.UPDATE.{stream}");
    let answer = admin.ask(&update, &config).await.unwrap();
    assert!(answer.get("error").is_none(), "{answer}");
    before
}
