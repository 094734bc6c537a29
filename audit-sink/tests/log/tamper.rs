//! What somebody with all rights does to the database, and that it is named.

use aegis_audit_sink::Error;
use aegis_audit_sink::prove::{self, Proof};
use aegis_audit_sink::sequencer::Sequencer;
use aegis_audit_sink::verify::{Report, What, verify};

use crate::support::{Database, records};

async fn tampered(sql: &str) -> Report {
    let database = Database::new().await;
    let all = records(6, 1, 600);
    database.append(&all[..300]).await;
    database.append(&all[300..]).await;
    let reader = database.reader().await;
    let key = database.key.verifying_key();
    assert!(verify(&reader, &key, None).await.unwrap().holds);
    database.tamper(sql).await;
    let report = verify(&reader, &key, None).await.unwrap();
    assert!(!report.holds, "{sql}");
    report
}

fn found(report: &Report, idx: u64, what: What) -> bool {
    report
        .problems
        .iter()
        .any(|problem| problem.idx == Some(idx) && problem.what == what)
}

#[tokio::test]
async fn edited_entry_is_named() {
    let report =
        tampered("UPDATE audit.audit_entry SET leaf = set_byte(leaf, 60, 1) WHERE idx = 17").await;
    assert!(found(&report, 17, What::Edited), "{report}");
    assert!(
        report
            .problems
            .iter()
            .all(|problem| problem.idx == Some(17)),
        "{report}"
    );
}

#[tokio::test]
async fn edited_entry_with_all_its_hashes_is_still_named() {
    let report = tampered(
        "UPDATE audit.audit_entry SET leaf = set_byte(leaf, 60, 1) WHERE idx = 299;
         UPDATE audit.audit_entry SET leaf_hash = sha256('\\x00'::bytea || leaf) WHERE idx = 299;
         UPDATE audit.audit_key k SET leaf_hash = e.leaf_hash FROM audit.audit_entry e WHERE e.idx = 299 AND k.idx = 299",
    )
    .await;
    assert!(found(&report, 299, What::Edited), "{report}");
}

#[tokio::test]
async fn deleted_entry_is_named() {
    let report = tampered("DELETE FROM audit.audit_entry WHERE idx IN (0, 599)").await;
    assert!(
        found(&report, 0, What::Deleted) && found(&report, 599, What::Deleted),
        "{report}"
    );
}

#[tokio::test]
async fn truncated_log_is_named() {
    let report = tampered("TRUNCATE audit.audit_entry").await;
    assert!(
        found(&report, 0, What::Deleted) && found(&report, 599, What::Deleted),
        "{report}"
    );
}

#[tokio::test]
async fn inserted_entry_is_named() {
    let report = tampered(
        "INSERT INTO audit.audit_entry SELECT 600, event_id, stream, stream_epoch, 9999, stream_time, kind, recorded_at, leaf, leaf_hash
         FROM audit.audit_entry WHERE idx = 3",
    )
    .await;
    assert!(found(&report, 600, What::Inserted), "{report}");
}

#[tokio::test]
async fn swapped_entries_are_named() {
    let report = tampered(
        "UPDATE audit.audit_entry SET idx = 900 WHERE idx = 5; UPDATE audit.audit_entry SET idx = 5 WHERE idx = 9;
         UPDATE audit.audit_entry SET idx = 9 WHERE idx = 900",
    )
    .await;
    assert!(
        found(&report, 5, What::Reordered) && found(&report, 9, What::Reordered),
        "{report}"
    );
}

#[tokio::test]
async fn edited_column_tile_body_and_checkpoint_are_named() {
    let report = tampered(
        "UPDATE audit.audit_entry SET kind = 'aegis.signal.v1' WHERE idx = 1;
         UPDATE audit.audit_payload SET payload = '' WHERE idx = (SELECT min(idx) FROM audit.audit_payload)",
    )
    .await;
    assert!(found(&report, 1, What::Column), "{report}");
    assert!(
        report
            .problems
            .iter()
            .any(|problem| problem.what == What::Payload),
        "{report}"
    );
    let report = tampered("UPDATE audit.audit_tile SET hashes = set_byte(hashes, 32, 1) WHERE level = 0 AND n = 0 AND width = 256").await;
    assert!(found(&report, 1, What::Tile), "{report}");
    let report = tampered(
        "UPDATE audit.audit_checkpoint SET note = replace(note, 'a', 'b') WHERE size = 300",
    )
    .await;
    assert!(
        report
            .problems
            .iter()
            .any(|problem| problem.what == What::Checkpoint),
        "{report}"
    );
}

#[tokio::test]
async fn log_put_back_to_an_older_state_shows_against_what_was_signed() {
    let database = Database::new().await;
    let all = records(7, 1, 40);
    database.append(&all[..20]).await;
    let newest = database.append(&all[20..]).await;
    let remembered = database.key.checkpoint(newest.head.size, newest.head.root);
    let key = database.key.verifying_key();
    // A consistent older state: everything after entry 20 is gone, the checkpoint over it too.
    database
        .tamper(
            "DELETE FROM audit.audit_entry WHERE idx >= 20; DELETE FROM audit.audit_key WHERE idx >= 20;
             DELETE FROM audit.audit_tile WHERE width > 20; DELETE FROM audit.audit_payload WHERE idx >= 20;
             DELETE FROM audit.audit_checkpoint WHERE size > 20;
             UPDATE audit.audit_head SET size = 20, root = (SELECT root FROM audit.audit_checkpoint WHERE size = 20)",
        )
        .await;
    let reader = database.reader().await;
    assert!(
        verify(&reader, &key, None).await.unwrap().holds,
        "nothing here tells"
    );
    let report = verify(&reader, &key, Some(&remembered)).await.unwrap();
    assert!(
        !report.holds && report.problems[0].what == What::Root,
        "{report}"
    );
}

#[tokio::test]
async fn nothing_is_written_onto_a_log_that_contradicts_its_checkpoint() {
    let database = Database::new().await;
    database.append(&records(8, 1, 40)).await;
    database
        .tamper("UPDATE audit.audit_tile SET hashes = set_byte(hashes, 0, 7)")
        .await;
    let refused = Sequencer::open(&database.audit_url()).await.unwrap_err();
    assert!(matches!(refused, Error::Tampered(_)), "{refused}");
}

#[tokio::test]
async fn every_event_is_proven_and_a_bent_proof_is_refused() {
    let database = Database::new().await;
    let all = records(9, 1, 300);
    database.append(&all).await;
    let reader = database.reader().await;
    let key = database.key.verifying_key();
    for at in [0, 1, 11, 255, 256, 299] {
        let record: &aegis_audit_sink::Record = &all[at];
        let event = record.event_id().unwrap();
        let proof = prove::prove(&reader, event, &key).await.unwrap();
        let json = serde_json::to_string(&proof).unwrap();
        let read: Proof = serde_json::from_str(&json).unwrap();
        let proven = read.check(&key).unwrap();
        assert_eq!(&proven.leaf.record, record);
        let mut bent = read.clone();
        bent.idx += 1;
        assert!(bent.check(&key).is_err());
        let mut bent = read.clone();
        bent.path[0] = bent.path[1].clone();
        assert!(bent.check(&key).is_err());
        let other =
            aegis_audit_sink::checkpoint::SigningKey::generate("example.org/audit").unwrap();
        assert!(read.check(&other.verifying_key()).is_err());
    }
    let unknown = aegis_schemas::EventId::of_content("test", b"no");
    assert!(matches!(
        prove::prove(&reader, unknown, &key).await,
        Err(Error::NotFound(_))
    ));
}
