//! A person at a terminal while Aegis heals.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::time::Duration;

use aegis_e2e::{Entry, Options, Stack};
use aegis_schemas::AssessmentVerdict;
use serde_json::Value;

const SOON: Duration = Duration::from_secs(150);

#[tokio::test(flavor = "multi_thread")]
async fn a_person_sees_what_was_wrong_what_was_done_and_whether_it_helped() {
    let stack = Stack::start(Options::scenario("corrupt-pod"))
        .await
        .unwrap();
    let mut watch = stack.watch().await.unwrap();
    let assessed = watch.until("an assessment", SOON, |entry: &Entry| {
        let assessment = entry.assessment()?;
        (assessment.verdict == AssessmentVerdict::Verified).then_some(assessment.incident)
    });
    let incident = assessed.await.unwrap().unwrap().to_string();
    let ann = stack.person("ann", &["operator"]).await.unwrap();
    let listed = ann.aegis(&["incidents", "ls", "-o", "json"]).await.unwrap();
    let listed: Vec<Value> = serde_json::from_str(&listed).unwrap();
    assert!(
        listed
            .iter()
            .any(|row| row["incident"] == incident.as_str()),
        "{listed:#?}"
    );
    let shown = ann.aegis(&["incidents", "show", &incident]).await.unwrap();
    eprintln!("{shown}");
    for label in [
        "what ",
        "since ",
        "how wide ",
        "why ",
        "done ",
        "verified after",
    ] {
        assert!(shown.contains(label), "{label}: {shown}");
    }
    let explained = ann.aegis(&["explain", &incident]).await.unwrap();
    eprintln!("{explained}");
    for label in ["evidence ", "cause ", "allow "] {
        assert!(explained.contains(label), "{label}: {explained}");
    }
    let freeze = [
        "freeze",
        "--for",
        "1h",
        "--namespace",
        "shop",
        "--reason",
        "release",
    ];
    ann.aegis(&freeze).await.unwrap();
    let unfreeze = ["unfreeze", "--namespace", "shop", "--reason", "over"];
    ann.aegis(&unfreeze).await.unwrap();
    let none = ann.aegis(&["approvals", "show", "3f1c"]).await.unwrap_err();
    assert!(none.to_string().contains("no open proposal"), "{none:#}");
    stack.stop().await;
}
