//! The record, read back by a fresh process and run through the cores, gives the same bytes.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::time::Duration;

use aegis_e2e::{Options, Stack, Watch, oracles};
use aegis_schemas::{AssessmentVerdict, GroupedBy, Verdict};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn a_story_with_a_timeout_an_undo_and_a_takeover_replays_to_the_same_bytes() {
    let scenario = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/determinism.toml");
    let options = Options::scenario(scenario)
        .policy("approval_lifetime = \"15m\"", "approval_lifetime = \"20s\"");
    let mut stack = Stack::start(options).await.unwrap();
    let mut watch = stack.watch().await.unwrap();
    // Both cores have a second holder who stands by, and then the first ones die.
    stack.start_another("detector", "detector-2").await.unwrap();
    stack.start_another("policy", "policy-2").await.unwrap();
    watch
        .until("an ask", SOON, |entry| {
            entry.decision(Verdict::Ask).map(|_| ())
        })
        .await
        .unwrap();
    stack.kill("detector").await.unwrap();
    stack.kill("policy").await.unwrap();
    watch.rewind();
    let undone = watch
        .until("a regression", SOON, |entry| {
            let assessment = entry.assessment()?;
            (assessment.verdict == AssessmentVerdict::Regressed).then_some(assessment.decision)
        })
        .await
        .unwrap();
    watch.rewind();
    watch
        .until("its undo", SOON, |entry| {
            entry
                .warrant()
                .filter(|warrant| warrant.undo_of == Some(undone))
        })
        .await
        .unwrap();
    watch.rewind();
    watch
        .until("an approval that timed out", SOON, |entry| {
            let denied = entry.decision(Verdict::Deny)?;
            let expired = denied
                .reasons
                .iter()
                .any(|reason| reason.policy == "approval-timeout");
            expired.then_some(())
        })
        .await
        .unwrap();
    regroup(&stack, &mut watch).await;

    for arguments in [&[][..], &["--page", "7"], &["--snapshot-every", "50"]] {
        let said = oracles::replays(&stack, arguments).await.unwrap();
        assert!(said.values().all(|messages| *messages > 0), "{said:?}");
    }
    stack.stop().await;
}

/// Somebody takes the two troubles for one, and thinks better of it.
async fn regroup(stack: &Stack, watch: &mut Watch) {
    let ann = stack.person("ann", &["operator"]).await.unwrap();
    let open = ["incidents", "ls", "--state", "open", "-o", "json"];
    let open: Vec<Value> = serde_json::from_str(&ann.aegis(&open).await.unwrap()).unwrap();
    let text = |row: &Value, column: &str| row[column].as_str().unwrap().to_owned();
    let is_ledger = |row: &&Value| text(row, "entity").ends_with("/ledger");
    let stays = text(open.iter().find(is_ledger).unwrap(), "incident");
    let goes = open.iter().find(|row| !is_ledger(row)).unwrap();
    let (goes, root) = (text(goes, "incident"), text(goes, "entity"));
    ann.aegis(&["incidents", "merge", &goes, &stays])
        .await
        .unwrap();
    watch.rewind();
    watch
        .until("an incident of both", SOON, |entry| {
            let mut grouped = entry.incident()?.grouped.iter();
            grouped.find(|one| one.by == GroupedBy::Person).map(|_| ())
        })
        .await
        .unwrap();
    let shown = ann.aegis(&["incidents", "show", &stays]).await.unwrap();
    assert!(shown.contains(", which `ann` merged"), "{shown}");
    ann.aegis(&["incidents", "split", &stays, &root])
        .await
        .unwrap();
    let shown = ann.aegis(&["incidents", "show", &goes]).await.unwrap();
    assert!(shown.contains(", open"), "{shown}");
}
