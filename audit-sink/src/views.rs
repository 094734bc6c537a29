//! What a batch adds to the views that people read: a pure function of the entries, whatever batches
//! they come in, and the few statements that write it.

use std::collections::BTreeMap;

use aegis_schemas::{Kind, Stream, Timestamp, metrics_of};
use serde_json::Value;
use sqlx::Connection as _;
use sqlx::postgres::PgConnection;

use crate::view_rows::{Row, Table, rows, sampled};
use crate::{Error, Record};

const HOUR: i64 = 3_600_000_000_000;

/// Changes of the views.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    tables: BTreeMap<Table, BTreeMap<String, Row>>,
    statistics: BTreeMap<(i64, Stream, &'static str), (i64, i64)>,
    clock: BTreeMap<Stream, Timestamp>,
}

impl Changes {
    /// Adds what follows from an entry. Entries are added in the order of the log.
    ///
    /// # Errors
    ///
    /// When nobody can read the entry although Aegis wrote it; it still counts.
    pub fn add(&mut self, idx: u64, record: &Record, leaf: &[u8]) -> Result<(), String> {
        self.count(record, leaf.len());
        if let (Stream::Metrics, Some(workload)) = (record.stream, metrics_of(&record.subject)) {
            self.put(sampled(idx, record, workload));
        }
        if !matches!(record.stream, Stream::Events) {
            return Ok(());
        }
        let meta = record.meta().map_err(|error| error.to_string())?;
        for row in rows(idx, record, &meta, &record.event()?) {
            self.put(row);
        }
        Ok(())
    }

    fn count(&mut self, record: &Record, bytes: usize) {
        let hour = record.time.as_nanos().div_euclid(HOUR).saturating_mul(HOUR);
        // Names that others choose would be rows without end.
        let kind = Kind::parse(&record.kind()).map_or("other", Kind::as_str);
        let counts = self
            .statistics
            .entry((hour, record.stream, kind))
            .or_default();
        counts.0 += 1;
        counts.1 += i64::try_from(bytes).unwrap_or(i64::MAX);
        let clock = self.clock.entry(record.stream).or_insert(record.time);
        *clock = record.time.max(*clock);
    }

    fn put(&mut self, row: Row) {
        let table = self.tables.entry(row.table).or_default();
        match table.get(&row.key) {
            Some(kept) if !row.table.newest_wins() || kept.position >= row.position => {}
            _ => {
                table.insert(row.key.clone(), row);
            }
        }
    }

    /// Writes them.
    ///
    /// # Errors
    ///
    /// When the database does not take them.
    pub async fn write(&self, connection: &mut PgConnection) -> Result<(), Error> {
        for (table, rows) in &self.tables {
            let values: Vec<&Value> = rows.values().map(|row| &row.value).collect();
            let json = serde_json::to_string(&values).expect("rows are plain JSON");
            sqlx::query(table.upsert())
                .bind(json)
                .execute(&mut *connection)
                .await?;
        }
        // Also at a beginning, which may be on record after its end.
        if self.tables.contains_key(&Table::ObjectSync) {
            sweep(connection).await?;
        }
        self.write_statistics(connection).await?;
        self.write_clock(connection).await
    }

    async fn write_statistics(&self, connection: &mut PgConnection) -> Result<(), Error> {
        if self.statistics.is_empty() {
            return Ok(());
        }
        let hours: Vec<i64> = self.statistics.keys().map(|(hour, _, _)| *hour).collect();
        let streams: Vec<&str> = self
            .statistics
            .keys()
            .map(|(_, stream, _)| stream.name())
            .collect();
        let kinds: Vec<&str> = self.statistics.keys().map(|(_, _, kind)| *kind).collect();
        let (entries, bytes): (Vec<i64>, Vec<i64>) = self.statistics.values().copied().unzip();
        sqlx::query(
            "INSERT INTO views.statistics (hour, stream, kind, entries, bytes)
             SELECT audit.instant(hour), stream, kind, entries, bytes
             FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::bigint[])
               AS w (hour, stream, kind, entries, bytes)
             ON CONFLICT (hour, stream, kind) DO UPDATE SET
               entries = statistics.entries + excluded.entries, bytes = statistics.bytes + excluded.bytes",
        )
        .bind(hours)
        .bind(streams)
        .bind(kinds)
        .bind(entries)
        .bind(bytes)
        .execute(connection)
        .await?;
        Ok(())
    }

    async fn write_clock(&self, connection: &mut PgConnection) -> Result<(), Error> {
        let streams: Vec<&str> = self.clock.keys().map(|stream| stream.name()).collect();
        let times: Vec<i64> = self.clock.values().map(|time| time.as_nanos()).collect();
        sqlx::query(
            "INSERT INTO views.clock (stream, at)
             SELECT stream, audit.instant(at) FROM unnest($1::text[], $2::bigint[]) AS w (stream, at)
             ON CONFLICT (stream) DO UPDATE SET at = greatest(clock.at, excluded.at)",
        )
        .bind(streams)
        .bind(times)
        .execute(connection)
        .await?;
        Ok(())
    }
}

/// What was not said again in a whole statement of all objects is gone.
async fn sweep(connection: &mut PgConnection) -> Result<(), Error> {
    sqlx::query(
        "WITH floors AS MATERIALIZED (
           SELECT cluster, views.object_floor(cluster) AS floor
           FROM (SELECT DISTINCT cluster FROM views.object_sync) c),
         swept AS (
           DELETE FROM views.object o USING floors f WHERE o.cluster = f.cluster AND o.position < f.floor)
         DELETE FROM views.object_sync s USING floors f WHERE s.cluster = f.cluster AND s.position < f.floor",
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// One entry as the views take it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) idx: u64,
    pub(crate) record: &'a Record,
    pub(crate) leaf: &'a [u8],
}

/// Writes what follows from these entries; answers those that nobody can read, with the reason.
pub(crate) async fn apply(
    connection: &mut PgConnection,
    entries: &[Entry<'_>],
) -> Result<Vec<(u64, String)>, Error> {
    let mut changes = Changes::default();
    let mut unreadable = Vec::new();
    for entry in entries {
        if let Err(reason) = changes.add(entry.idx, entry.record, entry.leaf) {
            unreadable.push((entry.idx, reason));
        }
    }
    let Err(error) = write_apart(connection, &changes).await else {
        return Ok(unreadable);
    };
    if !is_about_data(&error) {
        return Err(error);
    }
    // A value that no column takes must not stop the log: each entry by itself, that one left out.
    for entry in entries {
        let mut changes = Changes::default();
        let _ = changes.add(entry.idx, entry.record, entry.leaf);
        match write_apart(connection, &changes).await {
            Err(error) if is_about_data(&error) => unreadable.push((entry.idx, error.to_string())),
            other => other?,
        }
    }
    Ok(unreadable)
}

async fn write_apart(connection: &mut PgConnection, changes: &Changes) -> Result<(), Error> {
    let mut savepoint = connection.begin().await?;
    changes.write(&mut savepoint).await?;
    savepoint.commit().await?;
    Ok(())
}

/// SQLSTATE classes 22 and 23: data exception, constraint violation.
fn is_about_data(error: &Error) -> bool {
    let Error::Database(sqlx::Error::Database(error)) = error else {
        return false;
    };
    error
        .code()
        .is_some_and(|code| code.starts_with("22") || code.starts_with("23"))
}

/// Empties every view.
pub(crate) async fn clear(connection: &mut PgConnection) -> Result<(), Error> {
    sqlx::raw_sql(
        "TRUNCATE views.incident, views.incident_entry, views.incident_said, views.incident_evidence,
         views.decision, views.outcome, views.assessment, views.answer, views.access, views.standing,
         views.sampled, views.object, views.object_sync, views.statistics, views.clock",
    )
    .execute(connection)
    .await?;
    Ok(())
}
