//! Aegis as it is seen from outside: traces, logs, metrics, and what watches over them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod trace;
mod watchers;

use std::time::Duration;

use aegis_e2e::{Collector, Options, ROLES, Stack};
use aegis_schemas::{OutcomePhase, TraceContext};

pub(crate) const SOON: Duration = Duration::from_secs(120);
/// Nobody listens there: the copy has its metrics all the same.
const NO_LOKI: &str = "http://127.0.0.1:9";

/// Adds a receiver that takes nothing: what notify does is measured all the same.
fn tell_nobody(stack: &Stack) {
    let file = stack.installation().join("aegis.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let route = "[[notify.routes]]\nreceivers = [\"alerts\"]\n";
    let receiver =
        "[notify.receivers.alerts]\ntype = \"alertmanager\"\nurl = \"http://127.0.0.1:9\"\n";
    std::fs::write(&file, format!("{text}\n{route}\n{receiver}")).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_spans_every_stage_and_what_is_watched_is_measured() {
    let collector = Collector::start().await.unwrap();
    let options = Options::scenario("corrupt-pod")
        .setting("TELEMETRY__OTLP_ENDPOINT", collector.url())
        .setting("LOG__FORMAT", "json")
        .setting("AUDIT__LOKI__URL", NO_LOKI);
    let mut stack = Stack::start(options).await.unwrap();
    tell_nobody(&stack);
    stack.start_role("notify").await.unwrap();
    let mut watch = stack.watch().await.unwrap();
    let (outcome, trace) = watch
        .until("an act", SOON, |entry| {
            let outcome = entry.outcome(OutcomePhase::Applied)?.clone();
            let said = entry.record.headers.get("traceparent")?;
            Some((outcome, TraceContext::parse(said)?.trace_id()))
        })
        .await
        .unwrap();
    trace::spans_every_stage(&collector, &outcome, &trace).await;
    trace::is_in_the_logs(&stack.logs(), &outcome, &trace);

    let asked = reqwest::get(format!("{}/api/v1/incidents", stack.gateway()));
    asked.await.unwrap();
    let roles = [ROLES.as_slice(), &["notify"]].concat();
    watchers::name_only_what_is_measured(&stack, &roles).await;
    stack.stop().await;
}
