//! What the database says: rows as they are stored, nothing of it believed.

use std::collections::HashMap;

use sqlx::Row as _;
use sqlx::postgres::{PgConnection, PgRow};

use crate::Error;
use crate::checkpoint::{Checkpoint, VerifyingKey};
use crate::leaf::Leaf;
use crate::merkle::Hash;

/// A checkpoint as it is stored.
pub(super) struct Stored {
    pub(super) size: u64,
    pub(super) opened: Result<Checkpoint, String>,
    pub(super) remembered: bool,
}

pub(super) async fn checkpoints(
    connection: &mut PgConnection,
    key: &VerifyingKey,
    remembered: Option<&str>,
) -> Result<Vec<Stored>, Error> {
    let rows = sqlx::query("SELECT size, root, note FROM audit.audit_checkpoint ORDER BY size")
        .fetch_all(connection)
        .await?;
    let mut all = Vec::with_capacity(rows.len() + 1);
    for row in rows {
        let size = row.try_get::<i64, _>("size")?.cast_unsigned();
        let root: &[u8] = row.try_get("root")?;
        let opened = Checkpoint::open(row.try_get("note")?, key)
            .map_err(|error| error.to_string())
            .and_then(|opened| {
                if opened.size == size && opened.root == root {
                    Ok(opened)
                } else {
                    Err("its columns say something else than what was signed".to_owned())
                }
            });
        all.push(Stored {
            size,
            opened,
            remembered: false,
        });
    }
    if let Some(note) = remembered {
        let opened = Checkpoint::open(note, key)?;
        all.push(Stored {
            size: opened.size,
            opened: Ok(opened),
            remembered: true,
        });
        all.sort_by_key(|stored| stored.size);
    }
    Ok(all)
}

/// The entries of a range with all that stands beside them.
pub(super) async fn page(
    connection: &mut PgConnection,
    from: u64,
    until: u64,
) -> Result<HashMap<u64, PgRow>, Error> {
    let rows = sqlx::query(
        "SELECT e.idx, e.event_id, e.stream, e.stream_epoch, e.stream_seq, e.kind, e.leaf, e.leaf_hash,
           e.stream_time, p.salt, p.payload, k.stream AS key_stream, k.stream_epoch AS key_epoch,
           k.stream_seq AS key_seq, k.event_id AS key_event, k.leaf_hash AS key_hash,
           (extract(epoch FROM e.stream_time) * 1000000)::bigint AS micros
         FROM audit.audit_entry e
         LEFT JOIN audit.audit_key k ON k.idx = e.idx
         LEFT JOIN audit.audit_payload p ON p.idx = e.idx
         WHERE e.idx >= $1 AND e.idx < $2",
    )
    .bind(from.cast_signed())
    .bind(until.cast_signed())
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| Ok((row.try_get::<i64, _>("idx")?.cast_unsigned(), row)))
        .collect()
}

/// Which columns of an entry say something else than its leaf.
pub(super) fn columns(row: &PgRow, leaf: &Leaf, hash: &Hash) -> Result<Vec<&'static str>, Error> {
    let record = &leaf.record;
    let stream = Some(record.stream.name());
    let (epoch, seq) = (
        Some(i32::from(record.epoch)),
        Some(record.seq.cast_signed()),
    );
    let event = record.event_id().map(|id| id.to_string());
    let checks = [
        (
            "stream",
            row.try_get::<Option<&str>, _>("stream")? == stream,
        ),
        (
            "stream_epoch",
            row.try_get::<Option<i32>, _>("stream_epoch")? == epoch,
        ),
        (
            "stream_seq",
            row.try_get::<Option<i64>, _>("stream_seq")? == seq,
        ),
        (
            "event_id",
            row.try_get::<Option<&str>, _>("event_id")? == event.as_deref(),
        ),
        ("kind", row.try_get::<&str, _>("kind")? == record.kind()),
        (
            "stream_time",
            row.try_get::<i64, _>("micros")? == record.time.as_nanos() / 1_000,
        ),
        (
            "stream in audit_key",
            row.try_get::<Option<&str>, _>("key_stream")? == stream,
        ),
        (
            "stream_epoch in audit_key",
            row.try_get::<Option<i32>, _>("key_epoch")? == epoch,
        ),
        (
            "stream_seq in audit_key",
            row.try_get::<Option<i64>, _>("key_seq")? == seq,
        ),
        (
            "event_id in audit_key",
            row.try_get::<Option<&str>, _>("key_event")? == event.as_deref(),
        ),
        (
            "leaf_hash in audit_key",
            row.try_get::<Option<&[u8]>, _>("key_hash")? == Some(hash.as_slice()),
        ),
    ];
    Ok(checks
        .into_iter()
        .filter(|(_, holds)| !holds)
        .map(|(name, _)| name)
        .collect())
}
