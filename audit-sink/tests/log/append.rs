//! What is written, once.

use std::time::{Duration, Instant};

use aegis_audit_sink::sequencer::Sequencer;
use aegis_audit_sink::{Error, verify};
use aegis_schemas::Stream;
use sqlx::Connection as _;
use sqlx::postgres::PgConnection;

use crate::support::{Database, records};

#[tokio::test]
async fn redelivered_messages_are_one_entry_each() {
    let database = Database::new().await;
    let all = records(1, 1, 700);
    let first = database.append(&all[..400]).await;
    assert_eq!(
        (first.entries, first.repeated, first.quarantined),
        (400, 0, 0)
    );
    let again = database.append(&all[300..]).await;
    assert_eq!(
        (again.entries, again.repeated, again.quarantined),
        (300, 100, 0)
    );
    let twice: Vec<_> = all.iter().chain(&all).cloned().collect();
    let more = database.append(&twice).await;
    assert_eq!((more.entries, more.repeated), (0, 1_400));

    let reader = database.reader().await;
    let read = reader.entries(0, 1_000).await.unwrap();
    let indices: Vec<u64> = read.iter().map(|entry| entry.idx).collect();
    assert_eq!(indices, (0..700).collect::<Vec<_>>());
    let bodies: Vec<_> = read.into_iter().map(|entry| entry.record).collect();
    assert_eq!(
        bodies, all,
        "what is read back is what was delivered, sealed bodies included"
    );
    let report = verify::verify(&reader, &database.key.verifying_key(), None)
        .await
        .unwrap();
    assert!(report.holds, "{report}");
}

#[tokio::test]
async fn stream_reads_back_in_its_own_order() {
    let database = Database::new().await;
    let mut all = records(2, 1, 60);
    all.reverse();
    database.append(&all).await;
    let reader = database.reader().await;
    let mut expected: Vec<_> = all
        .iter()
        .filter(|record| record.stream == Stream::Events)
        .cloned()
        .collect();
    expected.sort_by_key(|record| record.seq);
    let page = reader.stream(Stream::Events, 0, 20).await.unwrap();
    let rest = reader
        .stream(Stream::Events, page[19].seq, 1_000)
        .await
        .unwrap();
    assert_eq!([page, rest].concat(), expected);
    let inputs = reader.inputs(Stream::Events, 0, 1_000).await.unwrap();
    assert_eq!(inputs.len(), expected.len());
    // What the bus kept from the cores is in the record, but no replay gives it to them either.
    let mut forged = expected[0].clone();
    forged.seq = 1_000;
    forged.subject = "aegis.v1.access.granted.demo".to_owned();
    assert_ne!(forged.kind(), "aegis.access.v1");
    database.append(&[forged]).await;
    let passed_over = reader.inputs(Stream::Events, 0, 1_000).await.unwrap();
    assert_eq!(passed_over.len(), expected.len());
    assert_eq!(reader.last_epoch().await.unwrap(), 1);
    let commands = expected
        .iter()
        .filter(|record| record.kind() == "aegis.command.v1");
    assert_eq!(reader.commands().await.unwrap().len(), commands.count());
}

#[tokio::test]
async fn other_bytes_at_a_taken_position_and_poison_are_quarantined() {
    let database = Database::new().await;
    let mut all = records(3, 1, 5);
    all[4].body = vec![0xc1].into();
    let appended = database.append(&all).await;
    assert_eq!(
        (appended.entries, appended.quarantined),
        (5, 1),
        "poison is an entry"
    );
    let mut other = all[1].clone();
    other.body = all[2].body.clone();
    let appended = database.append(&[other]).await;
    assert_eq!(
        (appended.entries, appended.repeated, appended.quarantined),
        (0, 0, 1)
    );
    let mut connection = PgConnection::connect(&database.audit_url()).await.unwrap();
    let reasons: Vec<String> =
        sqlx::query_scalar("SELECT reason FROM audit.audit_quarantine ORDER BY stream_seq DESC")
            .fetch_all(&mut connection)
            .await
            .unwrap();
    assert!(reasons[0].contains("malformed body"), "{reasons:?}");
    assert_eq!(reasons[1], "position conflict");
}

#[tokio::test]
async fn only_one_writes_and_a_former_writer_cannot() {
    let database = Database::new().await;
    let all = records(4, 1, 20);
    let mut first = database.sequencer().await;
    assert!(
        Sequencer::open(&database.audit_url())
            .await
            .unwrap()
            .is_none(),
        "it stands by"
    );
    first.append(&all[..5]).await.unwrap();
    // The lock is lost without the first one knowing: its session is not, so only the head tells.
    database
        .tamper("UPDATE audit.audit_head SET epoch = epoch + 1")
        .await;
    let refused = first.append(&all[5..10]).await.unwrap_err();
    assert!(matches!(refused, Error::Moved), "{refused}");
    drop(first);
    let mut next = None;
    while next.is_none() {
        next = Sequencer::open(&database.audit_url()).await.unwrap();
    }
    let appended = next.unwrap().append(&all).await.unwrap();
    assert_eq!(
        (appended.entries, appended.repeated, appended.head.size),
        (15, 5, 20)
    );
}

/// A process that stands still keeps its connection and says nothing.
#[tokio::test]
async fn a_writer_keeps_its_turn_for_as_long_as_it_shows_life() {
    let database = Database::new().await;
    let all = records(4, 1, 20);
    let mut first = database.sequencer().await;
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_secs(3)).await;
        first.show_life().await.unwrap();
    }
    first.append(&all[..5]).await.unwrap();
    let silent = Instant::now();
    let mut next = loop {
        if let Some(next) = Sequencer::open(&database.audit_url()).await.unwrap() {
            break next;
        }
        assert!(
            silent.elapsed() < Duration::from_secs(60),
            "nobody can write"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    first.append(&all[5..]).await.unwrap_err();
    let appended = next.append(&all).await.unwrap();
    assert_eq!((appended.entries, appended.repeated), (15, 5));
}

#[tokio::test]
async fn services_cannot_change_the_log() {
    let database = Database::new().await;
    database.append(&records(5, 1, 20)).await;
    for (url, what) in [
        (database.audit_url(), "audit"),
        (database.gateway_url(), "gateway"),
    ] {
        let mut connection = PgConnection::connect(&url).await.unwrap();
        for sql in [
            "UPDATE audit.audit_entry SET leaf = ''",
            "DELETE FROM audit.audit_entry",
            "DELETE FROM audit.audit_key",
            "DELETE FROM audit.audit_payload",
            "UPDATE audit.audit_tile SET hashes = ''",
            "DELETE FROM audit.audit_checkpoint",
            "DELETE FROM audit.audit_quarantine",
            "UPDATE audit.audit_head SET size = 0",
            "TRUNCATE audit.audit_entry",
            "TRUNCATE audit.audit_entry_000000",
            "DROP TABLE audit.audit_entry",
            "DROP TRIGGER append_only ON audit.audit_entry",
            "ALTER TABLE audit.audit_entry DISABLE TRIGGER ALL",
            "ALTER TABLE audit.audit_entry DETACH PARTITION audit.audit_entry_000000",
            "CREATE TABLE audit.other (x int)",
            "CREATE TABLE views.other (x int)",
            "SET session_replication_role = replica",
            "SELECT audit.erase_payloads(now())",
            "SET ROLE aegis_owner",
        ] {
            let done = sqlx::raw_sql(sql).execute(&mut connection).await;
            assert!(done.is_err(), "{what} could: {sql}");
        }
    }
    let mut gateway = PgConnection::connect(&database.gateway_url())
        .await
        .unwrap();
    for sql in [
        "DELETE FROM views.incident",
        "INSERT INTO audit.audit_checkpoint VALUES (1, '', '')",
    ] {
        assert!(
            sqlx::raw_sql(sql).execute(&mut gateway).await.is_err(),
            "the gateway could: {sql}"
        );
    }
    sqlx::raw_sql("SELECT * FROM views.act; SELECT * FROM gateway.users")
        .execute(&mut gateway)
        .await
        .unwrap();
}
