//! What must hold whatever happens: forgeries, servers that are gone, tampering, views, a real Prometheus.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::process::Stdio;
use std::time::Duration;

use aegis_e2e::forge::sealed;
use aegis_e2e::{Entry, Options, Policy, Stack, now};
use aegis_schemas::signature::{DECISION_TYPE, Key};
use aegis_schemas::{
    AssessmentVerdict, DecisionId, Event, EventId, OutcomePhase, RefusalCode, Warrant,
};
use sqlx::{Connection as _, PgConnection};
use tokio::process::Command;

/// A sink that was killed gets what it had in hand again after a minute.
const SOON: Duration = Duration::from_secs(150);

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_decision_is_refused_without_an_api_call() {
    let stack = Stack::start(Options::scenario("corrupt-pod"))
        .await
        .unwrap();
    let mut watch = stack.watch().await.unwrap();
    let genuine = watch
        .until("a genuine decision", SOON, Entry::warrant)
        .await
        .unwrap();
    let verdict = watch
        .until("it is verified", SOON, |entry| {
            Some(entry.assessment()?.verdict)
        })
        .await
        .unwrap();
    assert_eq!(verdict, AssessmentVerdict::Verified);
    let before = stack.writes().await.unwrap().len();

    let mut policy = Policy::of(&stack).await.unwrap();
    let iat = now();
    let forged = Warrant {
        decision_id: DecisionId(EventId::of_content("forger", b"1")),
        iat,
        nbf: iat,
        exp: iat + Duration::from_secs(60),
        fence: genuine.fence + 1_000,
        ..genuine.clone()
    };
    let key = Key::new(genuine.kid.clone(), vec![7; 32]).unwrap();
    let (subject, body) = sealed(&forged, DECISION_TYPE, &[], &key);
    let seq = policy.publish(&subject, body).await.unwrap();
    let code = watch
        .until("the forgery is refused", SOON, |entry| {
            let refused = entry.outcome(OutcomePhase::Refused)?;
            (refused.stream_seq == seq).then_some(refused.code)
        })
        .await
        .unwrap();
    assert_eq!(code, Some(RefusalCode::BadMac));
    let writes = stack.writes().await.unwrap();
    assert_eq!(writes.len(), before, "{writes:#?}");
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_killed_while_the_executor_stands_still_leave_one_effect() {
    let mut stack = Stack::start(Options::scenario("corrupt-pod").fault_at(30))
        .await
        .unwrap();
    stack.pause("executor").unwrap();
    let mut watch = stack.watch().await.unwrap();
    let warrant = watch
        .until("a decision", SOON, Entry::warrant)
        .await
        .unwrap();
    let writes = stack.writes().await.unwrap();
    assert!(writes.is_empty(), "{writes:#?}");

    stack.kill_nats().await.unwrap();
    stack.kill_postgres().await.unwrap();
    stack.start_nats().await.unwrap();
    stack.start_postgres().await.unwrap();
    stack.go_on("executor").unwrap();

    // The connection of the first watch died with the server.
    let mut watch = stack.watch().await.unwrap();
    let verdict = watch
        .until("the act is judged", SOON, |entry| {
            let assessment = entry.assessment()?;
            (assessment.decision == warrant.decision_id).then_some(assessment.verdict)
        })
        .await
        .unwrap();
    assert_eq!(verdict, AssessmentVerdict::Verified);
    let writes = stack.writes().await.unwrap();
    assert_eq!(writes.len(), 1, "{writes:#?}");
    let said = stack.aegis(&["audit", "verify"]).await.unwrap();
    assert!(said.contains("holds"), "{said}");
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tampering_is_found_and_named_and_rebuilt_views_equal_the_kept_ones() {
    let stack = Stack::start(Options::scenario("corrupt-pod"))
        .await
        .unwrap();
    let mut watch = stack.watch().await.unwrap();
    watch
        .until("a verified act", SOON, |entry| {
            entry.assessment().map(|_| ())
        })
        .await
        .unwrap();
    let kept = stack
        .aegis(&["audit", "rebuild-views", "--compare"])
        .await
        .unwrap();
    assert!(kept.contains("agree"), "{kept}");

    // The sink ends first: nobody repairs or adds anything while the record is touched.
    let url = stack.database_admin().unwrap();
    let entries = watch.all().await.unwrap();
    let edited = entries
        .iter()
        .find(|entry| entry.warrant().is_some())
        .unwrap()
        .idx;
    let deleted = entries
        .iter()
        .find(|entry| entry.assessment().is_some())
        .unwrap()
        .idx;
    let mut admin = PgConnection::connect(&url.replace("/postgres?", "/aegis?"))
        .await
        .unwrap();
    for statement in [
        "SET session_replication_role = replica".to_owned(),
        format!(
            "UPDATE audit.audit_entry SET leaf = set_byte(leaf, 60, get_byte(leaf, 60) # 1) WHERE idx = {edited}"
        ),
    ] {
        sqlx::query(sqlx::AssertSqlSafe(statement))
            .execute(&mut admin)
            .await
            .unwrap();
    }
    let found = stack
        .aegis(&["audit", "verify"])
        .await
        .unwrap_err()
        .to_string();
    assert!(
        found.contains(&edited.to_string()),
        "{edited} is not named in\n{found}"
    );
    let delete = format!("DELETE FROM audit.audit_entry WHERE idx = {deleted}");
    sqlx::query(sqlx::AssertSqlSafe(delete))
        .execute(&mut admin)
        .await
        .unwrap();
    let found = stack
        .aegis(&["audit", "verify"])
        .await
        .unwrap_err()
        .to_string();
    assert!(
        found.contains(&deleted.to_string()),
        "{deleted} is not named in\n{found}"
    );
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn remote_write_from_a_real_prometheus_arrives() {
    let prometheus = match aegis_xtask::servers::prometheus() {
        Ok(found) => found,
        Err(error) if std::env::var_os("CI").is_some() => panic!("{error:#}"),
        Err(error) => {
            eprintln!("SKIPPED: {error:#}");
            return;
        }
    };
    let stack = Stack::start(Options::scenario("healthy-day"))
        .await
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "global: {{ scrape_interval: 1s }}\nscrape_configs:\n  - job_name: workloads\n    honor_labels: true\n    static_configs: [{{ targets: ['{}'] }}]\nremote_write:\n  - url: {}\n",
        stack.workload_metrics(),
        stack.remote_write()
    );
    let file = folder.path().join("prometheus.yml");
    std::fs::write(&file, config).unwrap();
    let mut running = Command::new(prometheus)
        .arg(format!("--config.file={}", file.display()))
        .arg(format!(
            "--storage.tsdb.path={}",
            folder.path().join("data").display()
        ))
        .arg("--web.listen-address=127.0.0.1:0")
        .arg("--log.level=warn")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut watch = stack.watch().await.unwrap();
    let batch = watch
        .until("samples of Prometheus", SOON, |entry| match &entry.event {
            Event::Metric(batch) if batch.source.contains("remote") => Some(batch.clone()),
            _ => None,
        })
        .await
        .unwrap();
    assert!(batch.samples() > 0);
    assert!(!batch.backfill);
    running.kill().await.unwrap();
    stack.stop().await;
}
