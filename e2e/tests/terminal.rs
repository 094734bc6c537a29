//! A person at a terminal while Aegis heals.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::time::Duration;

use aegis_e2e::{Api, Entry, Options, Stack};
use aegis_schemas::{AssessmentVerdict, Event};
use serde_json::{Value, json};

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
    is_learnt_from(&stack, &incident).await;
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

/// Ann calls it right; from then on it is there for a model to learn from.
async fn is_learnt_from(stack: &Stack, incident: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let export = ["audit", "incidents", "--output", path];
    let said = stack.aegis(&export).await.unwrap();
    assert!(
        said.starts_with("0 incidents"),
        "nobody said anything: {said}"
    );

    let api = Api::sign_in(&stack.gateway(), "ann").await.unwrap();
    let right = json!({"verdict": "right", "reason": "its cache was corrupt"});
    api.post(&format!("/incidents/{incident}/feedback"), &right)
        .await
        .unwrap();
    let mut watch = stack.watch().await.unwrap();
    watch
        .until("the opinion is on record", SOON, |entry| {
            match &entry.event {
                Event::Command(command) => (command.body.token() == "feedback").then_some(()),
                _ => None,
            }
        })
        .await
        .unwrap();
    let said = stack.aegis(&export).await.unwrap();
    assert!(said.starts_with("1 incidents"), "{said}");
    let read = aegis::backtest::incidents::read(&folder.path().join(incident)).unwrap();
    let learnt = read.labelled().unwrap();
    assert_eq!(
        (learnt.kind.as_str(), learnt.root.as_str()),
        ("crash_loop", "catalog")
    );
    let root = &learnt.case.entities["catalog"];
    let (_, waiting) = *root["waiting_ratio"].last().unwrap();
    assert!(waiting > 0.3, "one of three pods crashes: {root:?}");
    let model = folder.path().join("kinds.model");
    let train = ["train", "--incidents", path, "--trees", "10", "--output"];
    let train = [&train[..], &[model.to_str().unwrap()]].concat();
    let learnt = stack.aegis(&train).await.unwrap();
    assert!(learnt.contains("crash_loop"), "{learnt}");
    let again = stack.aegis(&export).await.unwrap_err().to_string();
    assert!(again.contains("not empty"), "{again}");
}
