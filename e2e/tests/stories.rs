//! Incidents from the fault to the proof. Metrics and objects are the only way in.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::time::Duration;

use aegis_e2e::{Api, ControlPlane, Entry, Options, Stack, Visitor, Watch};
use aegis_schemas::{
    AccessOutcome, Action, AssessmentVerdict, CauseKind, Event, FailureKind, Incident,
    OutcomePhase, PreImage, Verdict, Warrant,
};
use aegis_xtask::kubernetes;
use serde_json::Value;

const SOON: Duration = Duration::from_secs(120);
const BAD_SET: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/bad-set.toml");

/// Waits for an incident of that kind at the workload of that name.
async fn incident(watch: &mut Watch, name: &str, kind: FailureKind) -> Incident {
    watch
        .until(&format!("an incident {kind} of {name}"), SOON, |entry| {
            let incident = entry.incident()?;
            let is_it = incident.entity.name.as_str() == name && incident.kind == kind;
            is_it.then(|| incident.clone())
        })
        .await
        .unwrap()
}

/// Waits for an allowed act on that workload.
async fn allowed(watch: &mut Watch, name: &str) -> Warrant {
    watch
        .until(&format!("an act on {name}"), SOON, |entry| {
            entry
                .warrant()
                .filter(|warrant| warrant.target.object.workload.name.as_str() == name)
        })
        .await
        .unwrap()
}

/// Waits until the executor says that it was done, and for the judgement.
async fn judged(watch: &mut Watch, warrant: &Warrant) -> AssessmentVerdict {
    let decision = warrant.decision_id;
    watch
        .until("the act is done", SOON, |entry| {
            entry
                .outcome(OutcomePhase::Applied)
                .filter(|outcome| outcome.decision == decision)
                .map(|_| ())
        })
        .await
        .unwrap();
    watch
        .until("the act is judged", SOON, |entry| {
            let assessment = entry.assessment()?;
            (assessment.decision == decision).then_some(assessment.verdict)
        })
        .await
        .unwrap()
}

/// The cluster's API server took exactly one write for each decision, and the record holds.
async fn prove(stack: &Stack, decisions: &[&Warrant]) {
    let writes = stack.writes().await.unwrap();
    for warrant in decisions {
        let id = warrant.decision_id.to_string();
        let name = warrant.target.object.entity.name.as_str();
        // A deletion carries no annotations; its pod is gone with it.
        let is_it = |write: &&Value| {
            write["decision_id"] == id.as_str()
                || write["verb"] == "delete" && write["name"] == name
        };
        assert_eq!(writes.iter().filter(is_it).count(), 1, "{id}: {writes:#?}");
    }
    assert_eq!(writes.len(), decisions.len(), "{writes:#?}");
    let said = stack.aegis(&["audit", "verify"]).await.unwrap();
    assert!(said.contains("holds"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn high_cpu_is_scaled_out() {
    let stack = Stack::start(Options::scenario("load-spike")).await.unwrap();
    let mut watch = stack.watch().await.unwrap();
    let opened = incident(&mut watch, "web", FailureKind::LoadSpike).await;
    assert_eq!(opened.causes[0].kind, CauseKind::Load);
    let warrant = allowed(&mut watch, "web").await;
    let Action::Scale { replicas, from } = warrant.action else {
        panic!("{}", warrant.action.describe());
    };
    assert!(replicas > from, "{from} -> {replicas}");
    assert_eq!(
        judged(&mut watch, &warrant).await,
        AssessmentVerdict::Verified
    );
    prove(&stack, &[&warrant]).await;
    stack.person("eve", &["auditor"]).await.unwrap();
    let path = format!("/incidents/{}", opened.incident);
    let eve = Visitor::sign_in(&stack.gateway(), "eve").await.unwrap();
    let page = eve.page(&path).await.unwrap();
    let different = page.split("What was different").nth(1).unwrap();
    let table = different.split("</table>").next().unwrap();
    assert!(
        table.contains("deployment/web") && table.contains("above by"),
        "{table}"
    );
    stack.stop().await;
}

/// The scenario on a real control plane; `None` on a machine that cannot have one.
async fn really(scenario: &'static str) -> Option<Stack> {
    let start = || ControlPlane::start(&kubernetes::Options::for_the_simulator());
    let cluster = tokio::task::spawn_blocking(start).await.unwrap().unwrap()?;
    // Servers start slowly beside a control plane.
    let options = Options::scenario(scenario).real(cluster).fault_at(40);
    let stack = Stack::start(options).await.unwrap();
    // What is done from here on is done within bounds.
    let said = stack.aegis(&["doctor"]).await.unwrap();
    assert!(
        said.contains("ok        policy aegis-executor-workloads"),
        "{said}"
    );
    Some(stack)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_crash_looping_pod_recovers() {
    let stack = Stack::start(Options::scenario("corrupt-pod")).await;
    recovers(stack.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_crash_looping_pod_recovers_on_a_real_control_plane() {
    if let Some(stack) = really("corrupt-pod").await {
        recovers(stack).await;
    }
}

async fn recovers(stack: Stack) {
    let mut watch = stack.watch().await.unwrap();
    let opened = incident(&mut watch, "catalog", FailureKind::CrashLoop).await;
    assert_eq!(opened.causes[0].kind, CauseKind::ReplicaState);
    let warrant = allowed(&mut watch, "catalog").await;
    assert!(matches!(warrant.action, Action::RestartPod { .. }));
    assert_eq!(
        judged(&mut watch, &warrant).await,
        AssessmentVerdict::Verified
    );
    prove(&stack, &[&warrant]).await;
    let story = stack
        .aegis(&["audit", "story", &opened.incident.to_string()])
        .await
        .unwrap();
    for part in ["catalog", "crash loop", "delete the pod", "verified"] {
        assert!(
            story.to_lowercase().contains(part),
            "{part} is missing in\n{story}"
        );
    }
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_rollout_is_rolled_back() {
    // A change that nobody saw is no cause, and other tests may slow the start down.
    let options = Options::scenario("bad-rollout").fault_at(25);
    is_rolled_back(Stack::start(options).await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_rollout_is_rolled_back_on_a_real_control_plane() {
    if let Some(stack) = really("bad-rollout").await {
        is_rolled_back(stack).await;
    }
}

/// A set whose controller waits for a bad pod is not healed by its old template alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_stateful_set_comes_back_from_a_bad_rollout_on_a_real_control_plane() {
    let Some(stack) = really(BAD_SET).await else {
        return;
    };
    let mut watch = stack.watch().await.unwrap();
    let opened = incident(&mut watch, "ledger", FailureKind::BadRollout).await;
    assert_eq!(opened.causes[0].kind, CauseKind::RecentChange);
    let warrant = allowed(&mut watch, "ledger").await;
    assert!(matches!(warrant.action, Action::Rollback { .. }));
    assert_eq!(
        judged(&mut watch, &warrant).await,
        AssessmentVerdict::Verified
    );
    let writes = stack.writes().await.unwrap();
    let written: Vec<_> = writes
        .iter()
        .map(|write| (write["verb"].as_str(), write["name"].as_str()))
        .collect();
    let expected = [
        (Some("patch"), Some("ledger")),
        (Some("delete"), Some("ledger-2")),
    ];
    assert_eq!(written, expected, "{writes:#?}");
    let said = stack.aegis(&["audit", "verify"]).await.unwrap();
    assert!(said.contains("holds"), "{said}");
    stack.stop().await;
}

async fn is_rolled_back(stack: Stack) {
    let mut watch = stack.watch().await.unwrap();
    let opened = watch
        .until("an incident after the rollout", SOON, |entry| {
            entry
                .incident()
                .filter(|incident| incident.kind == FailureKind::BadRollout)
                .cloned()
        })
        .await
        .unwrap();
    assert_eq!(opened.causes[0].kind, CauseKind::RecentChange);
    let warrant = allowed(&mut watch, opened.entity.name.as_str()).await;
    assert!(matches!(warrant.action, Action::Rollback { .. }));
    assert_eq!(
        judged(&mut watch, &warrant).await,
        AssessmentVerdict::Verified
    );
    prove(&stack, &[&warrant]).await;
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_act_that_makes_a_neighbour_worse_is_undone() {
    let stack = Stack::start(Options::scenario("neighbour")).await.unwrap();
    let mut watch = stack.watch().await.unwrap();
    let warrant = allowed(&mut watch, "web").await;
    let Action::Scale { from, .. } = warrant.action else {
        panic!("{}", warrant.action.describe());
    };
    assert_eq!(
        judged(&mut watch, &warrant).await,
        AssessmentVerdict::Regressed
    );
    watch.rewind();
    let undo = watch
        .until("the undo", SOON, |entry| {
            entry
                .warrant()
                .filter(|undo| undo.undo_of == Some(warrant.decision_id))
        })
        .await
        .unwrap();
    assert!(undo.fence > warrant.fence);
    let Action::Scale { replicas, .. } = undo.action else {
        panic!("{}", undo.action.describe());
    };
    assert_eq!(replicas, from, "the undo restores what was there");
    let before = watch
        .until("the undo is done", SOON, |entry| {
            let outcome = entry.outcome(OutcomePhase::Applied)?;
            (outcome.decision == undo.decision_id).then(|| outcome.pre_image.clone())
        })
        .await
        .unwrap();
    assert!(matches!(before, Some(PreImage::Replicas { .. })));
    prove(&stack, &[&warrant, &undo]).await;
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_is_refused_told_why_and_on_record() {
    let stack = Stack::start(Options::scenario("demo")).await.unwrap();
    let auditor = stack.person("eve", &["auditor"]).await.unwrap();
    let operator = stack.person("bob", &["operator"]).await.unwrap();
    let mut watch = stack.watch().await.unwrap();
    let ask = watch
        .until("policy asks", SOON, |entry| {
            entry.decision(Verdict::Ask)?.proposal.clone()
        })
        .await
        .unwrap();
    let digest = ask.digest.to_string();
    let approve = ["approvals", "approve", &digest, "--reason", "let me"];

    let refused = auditor.aegis(&approve).await.unwrap_err().to_string();
    assert!(
        refused.contains("auditor") && refused.contains("operator"),
        "{refused}"
    );
    let noted = |entry: &Entry| match &entry.event {
        Event::Access(access) if access.outcome == AccessOutcome::Forbidden => Some(access.clone()),
        _ => None,
    };
    watch.rewind();
    let access = watch
        .until("the refusal is on record", SOON, noted)
        .await
        .unwrap();
    assert_eq!(access.actor.as_deref(), Some("eve"));
    assert!(access.operation.contains("approve"), "{}", access.operation);

    // An operator may approve what was asked, and nothing else.
    let other = "0".repeat(64);
    let refused = operator
        .aegis(&["approvals", "approve", &other, "--reason", "why not"])
        .await;
    assert!(refused.is_err());
    operator.aegis(&approve).await.unwrap();
    watch.rewind();
    let warrant = watch
        .until("the approved act is signed", SOON, |entry| {
            entry
                .warrant()
                .filter(|warrant| !warrant.approvals.is_empty())
        })
        .await
        .unwrap();
    assert_eq!(warrant.approvals[0].by, "bob");
    assert_eq!(warrant.approvals[0].proposal, ask.digest);

    // The incident's story tells it in the order of the log.
    let api = Api::sign_in(&stack.gateway(), "eve").await.unwrap();
    let path = format!("/incidents/{}/story", warrant.incident.unwrap());
    let story = api.get(&path).await.unwrap();
    let lines = story.as_array().unwrap().iter();
    let told: Vec<&str> = lines.map(|line| line["text"].as_str().unwrap()).collect();
    let place = |text: &str| told.iter().position(|line| line.starts_with(text)).unwrap();
    assert!(place("ask: ") < place("approved by bob"), "{told:?}");
    assert!(place("approved by bob") < place("allow: "), "{told:?}");
    stack.stop().await;
}
