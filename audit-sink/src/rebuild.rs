//! The views made anew from the log: they follow from it and from nothing else.

use std::collections::BTreeMap;
use std::fmt;

use aegis_schemas::Digest;
use futures::TryStreamExt as _;
use serde::Serialize;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _};

use crate::read::{Entry, Reader, entry};
use crate::{Error, views};

/// How many entries are read at once.
const PAGE: i64 = 1_000;

/// Each view and what identifies a row of it.
const VIEWS: [(&str, &str); 15] = [
    ("incident", "incident"),
    ("incident_entry", "concat_ws(' ', incident, idx)"),
    ("incident_said", "concat_ws(' ', incident, position)"),
    ("incident_evidence", "concat_ws(' ', incident, event)"),
    ("decision", "decision"),
    ("outcome", "event"),
    ("assessment", "decision"),
    ("answer", "event"),
    ("access", "event"),
    ("standing", "source"),
    ("statistics", "concat_ws(' ', hour, stream, kind)"),
    ("clock", "stream"),
    ("sampled", "concat_ws(' ', workload, idx)"),
    ("object", "entity"),
    (
        "object_sync",
        "concat_ws(' ', cluster, round, phase, position)",
    ),
];

/// What a comparison found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// Entries that were read.
    pub entries: u64,
    /// Rows that are the same.
    pub same: u64,
    /// Rows that differ, are missing or are too many: `view key: what`.
    pub differences: Vec<String>,
}

impl Comparison {
    /// Whether the kept views follow from the log.
    #[must_use]
    pub const fn agrees(&self) -> bool {
        self.differences.is_empty()
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.agrees() {
            return write!(
                f,
                "the views follow from the log: {} rows of {} entries",
                self.same, self.entries
            );
        }
        write!(
            f,
            "the views DIFFER from the log in {} rows",
            self.differences.len()
        )?;
        self.differences
            .iter()
            .take(100)
            .try_for_each(|what| write!(f, "\n  {what}"))
    }
}

/// Makes the views anew; answers of how many entries. Who writes the log waits meanwhile.
///
/// # Errors
///
/// When the database does not answer or an entry cannot be read; then the views stay as they are.
pub async fn views(reader: &Reader) -> Result<u64, Error> {
    let mut transaction = reader.pool().begin().await?;
    let entries = make(&mut transaction).await?;
    transaction.commit().await?;
    Ok(entries)
}

/// Says where the kept views differ from those made anew. Changes nothing.
///
/// # Errors
///
/// As [`views`].
pub async fn compare(reader: &Reader) -> Result<Comparison, Error> {
    let mut connection = reader.pool().acquire().await?;
    let mut transaction = connection.begin().await?;
    // Nothing may be added between the two looks. In the order in which views are written, so that
    // nobody waits for each other.
    sqlx::query(
        "LOCK TABLE views.incident, views.incident_entry, views.incident_said, views.incident_evidence,
         views.decision, views.outcome, views.assessment, views.answer, views.access, views.standing,
         views.sampled, views.object, views.object_sync, views.statistics, views.clock IN ACCESS EXCLUSIVE MODE",
    )
    .execute(&mut *transaction)
    .await?;
    let kept = rows(&mut transaction).await?;
    let entries = make(&mut transaction).await?;
    let made = rows(&mut transaction).await?;
    transaction.rollback().await?;
    let mut comparison = Comparison {
        entries,
        ..Comparison::default()
    };
    for (key, digest) in &made {
        match kept.get(key) {
            Some(other) if other == digest => comparison.same += 1,
            Some(_) => comparison.differences.push(format!("{key}: differs")),
            None => comparison.differences.push(format!("{key}: is missing")),
        }
    }
    let extra = kept.keys().filter(|key| !made.contains_key(*key));
    comparison
        .differences
        .extend(extra.map(|key| format!("{key}: does not follow from any entry")));
    Ok(comparison)
}

async fn make(connection: &mut PgConnection) -> Result<u64, Error> {
    views::clear(connection).await?;
    let mut next: i64 = 0;
    loop {
        let found = sqlx::query(
            "SELECT idx, leaf, NULL::bytea AS payload FROM audit.audit_entry
             WHERE idx >= $1 ORDER BY idx LIMIT $2",
        )
        .bind(next)
        .bind(PAGE)
        .fetch_all(&mut *connection)
        .await?;
        let Some(last) = found.last() else {
            return Ok(next.cast_unsigned());
        };
        next = sqlx::Row::try_get::<i64, _>(last, "idx")? + 1;
        let read: Vec<(Entry, &[u8])> = found
            .iter()
            .map(|row| Ok((entry(row)?, sqlx::Row::try_get(row, "leaf")?)))
            .collect::<Result<_, Error>>()?;
        let entries: Vec<_> = read
            .iter()
            .map(|(entry, leaf)| views::Entry {
                idx: entry.idx,
                record: &entry.record,
                leaf,
            })
            .collect();
        views::apply(connection, &entries).await?;
    }
}

/// Every row of every view by its name, as a digest.
async fn rows(connection: &mut PgConnection) -> Result<BTreeMap<String, Digest>, Error> {
    let mut all = BTreeMap::new();
    for (view, key) in VIEWS {
        // Constants only: no input becomes SQL.
        let query = AssertSqlSafe(format!(
            "SELECT {key}, to_jsonb(v)::text FROM views.{view} v"
        ));
        let mut found = sqlx::query_as::<_, (String, String)>(query).fetch(&mut *connection);
        while let Some((key, row)) = found.try_next().await? {
            all.insert(format!("{view} {key}"), Digest::of(row.as_bytes()));
        }
    }
    Ok(all)
}
