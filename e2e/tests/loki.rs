//! The audit log's copy in a real Loki: all of it is there, nobody waits for it, and what is missing is
//! found.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeSet;
use std::time::Duration;

use aegis_e2e::{Loki, Options, Stack, until};
use aegis_schemas::IncidentId;
use aegis_xtask::root;
use serde_json::Value;

const SOON: Duration = Duration::from_secs(120);

async fn stack(loki: &Loki, options: Options) -> Stack {
    let options = options.setting("AUDIT__LOKI__URL", loki.url());
    Stack::start(options).await.unwrap()
}

/// The entries that the log has of an incident.
async fn recorded(stack: &Stack, incident: IncidentId) -> BTreeSet<String> {
    let entries = stack.reader().await.unwrap().of_incident(incident).await;
    let all = entries.unwrap().into_iter();
    all.map(|entry| entry.idx.to_string()).collect()
}

/// The entries that Loki finds by the incident's id.
async fn found(loki: &Loki, incident: IncidentId) -> BTreeSet<String> {
    let query = format!(r#"{{service="aegis"}} | incident="{incident}""#);
    let lines = loki.lines(&query).await.unwrap().into_iter();
    lines.map(|line| line.labels["idx"].clone()).collect()
}

/// What the dashboards ask Loki for.
fn annotations() -> Vec<String> {
    let dashboard = |name: &str| {
        let file = root().join(format!("observability/grafana/dashboards/{name}.json"));
        let text = std::fs::read_to_string(file).unwrap();
        let dashboard: Value = serde_json::from_str(&text).unwrap();
        let query = &dashboard["annotations"]["list"][0]["expr"];
        query.as_str().unwrap().to_owned()
    };
    ["overview", "pipeline", "healing"].map(dashboard).to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_story_is_in_loki_whole_though_loki_was_away_while_it_was_written() {
    let Some(mut loki) = Loki::start(&[]).await.unwrap() else {
        return;
    };
    let stack = stack(&loki, Options::scenario("corrupt-pod")).await;
    let mut watch = stack.watch().await.unwrap();
    let opened = watch
        .until("an incident", SOON, |entry| entry.incident().cloned())
        .await
        .unwrap();
    loki.kill().await.unwrap();
    // What is read here was committed to PostgreSQL, with nobody at the other end of the copy.
    watch
        .until("the act is judged", SOON, |entry| {
            entry.assessment().map(|_| ())
        })
        .await
        .unwrap();
    let lag = stack
        .counter("audit-sink", "aegis_audit_loki_lag_entries")
        .await
        .unwrap();
    assert!(lag > 0.0, "Loki is away and nothing waits for it");
    loki.go_on().await.unwrap();

    let told = recorded(&stack, opened.incident).await;
    assert!(
        told.len() >= 4,
        "incident, decision, outcome, assessment: {told:?}"
    );
    until("the story in Loki", SOON, || async {
        found(&loki, opened.incident).await.is_superset(&told)
    })
    .await
    .unwrap();
    let query = r#"{service="aegis", severity!="", cluster="demo", stage="detector"}"#;
    assert!(!loki.lines(query).await.unwrap().is_empty(), "the labels");
    for query in annotations() {
        assert!(!loki.lines(&query).await.unwrap().is_empty(), "{query}");
    }
    let said = stack
        .aegis(&["audit", "verify", "--loki", &loki.url()])
        .await
        .unwrap();
    assert!(said.contains("Loki holds"), "{said}");
    let elsewhere = loki.url().replace("127.0.0.1", "localhost");
    let verify = ["audit", "verify", "--loki", &elsewhere];
    let said = stack.aegis(&verify).await.unwrap_err().to_string();
    assert!(said.contains("nothing was ever sent"), "{said}");
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_loki_refuses_holds_nothing_up_and_is_missed_by_the_verifier() {
    // The policy that `aegis provision` activates is larger.
    let Some(loki) = Loki::start(&["-distributor.max-line-size=4KB"])
        .await
        .unwrap()
    else {
        return;
    };
    let roles = ["audit-sink", "ingest"];
    let stack = stack(&loki, Options::scenario("healthy-day").roles(&roles)).await;
    let entries = async |result| {
        let counter = "aegis_audit_loki_entries_total";
        let counted = stack.counter_with("audit-sink", counter, result).await;
        counted.unwrap()
    };
    until("an entry is refused", SOON, || async {
        entries(r#"result="refused""#).await >= 1.0
    })
    .await
    .unwrap();
    let before = entries(r#"result="stored""#).await;
    until("what comes after it is taken", SOON, || async {
        entries(r#"result="stored""#).await > before
    })
    .await
    .unwrap();
    until("a checkpoint is signed", SOON, || async {
        let signed = stack.counter("audit-sink", "aegis_audit_signed_size");
        signed.await.unwrap() >= 1.0
    })
    .await
    .unwrap();
    let verify = ["audit", "verify", "--loki", &loki.url(), "--since", "2h"];
    let said = stack.aegis(&verify).await.unwrap_err().to_string();
    assert!(said.contains("Loki does not hold what"), "{said}");
    assert!(said.contains("hour 20"), "which hour: {said}");
    stack.stop().await;
}
