//! The one writer of the log: it holds a lock of the database and the head's epoch.
//!
//! Each batch is one transaction: entries, tiles, views, head, notification. What is committed is
//! whole; after any error the sequencer is thrown away and the next one goes on from the database.

use std::time::{Duration, Instant};

use aegis_schemas::{Stream, Timestamp};
use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, Row as _};

use crate::batch::{self, Batch, Poison};
use crate::leaf;
use crate::merkle::{Hash, Tree};
use crate::{Error, Record, database, metrics, tiles, views};

/// `aegis/au` as a number: the advisory lock of the log in its database.
const LOCK: i64 = 0x6165_6769_732f_6175;
/// How long connecting or one batch may take before the connection is given up.
const PATIENCE: Duration = Duration::from_secs(30);
/// PostgreSQL ends the session of a writer that says nothing for so long, and with it the lock: a process
/// that stands still keeps its connection, and nobody else could write for as long as it does.
const MAX_SILENCE: &str = "10s";
/// The channel that readers listen on.
pub(crate) const CHANNEL: &str = "audit";

/// Size and root of what is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// How many entries.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The head with it.
    pub head: Head,
    /// How many entries are new.
    pub entries: usize,
    /// How many were there already.
    pub repeated: usize,
    /// How many nobody can read, or contradict what is there.
    pub quarantined: usize,
}

/// The newest entry of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Newest {
    pub(crate) stream: Stream,
    pub(crate) epoch: u16,
    pub(crate) seq: u64,
    pub(crate) time: Timestamp,
}

/// Writes the log.
#[derive(Debug)]
pub struct Sequencer {
    connection: PgConnection,
    tree: Tree,
    epoch: i64,
    partitions_until: u64,
}

impl Sequencer {
    /// Takes over the log; `None` while another one writes it.
    ///
    /// # Errors
    ///
    /// When the database does not answer or could forget, or what it holds contradicts what was signed.
    pub async fn open(url: &str) -> Result<Option<Self>, Error> {
        in_time(Self::take_over(url)).await
    }

    async fn take_over(url: &str) -> Result<Option<Self>, Error> {
        let options = database::options(url)?.options([
            ("idle_session_timeout", MAX_SILENCE),
            ("idle_in_transaction_session_timeout", MAX_SILENCE),
        ]);
        let mut connection = PgConnection::connect_with(&options).await?;
        database::check(&mut connection).await?;
        let mine: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
            .bind(LOCK)
            .fetch_one(&mut connection)
            .await?;
        if !mine {
            return Ok(None);
        }
        // From here on a former writer whose lock was lost cannot commit.
        let row = sqlx::query(
            "UPDATE audit.audit_head SET epoch = epoch + 1 RETURNING size, root, epoch",
        )
        .fetch_one(&mut connection)
        .await?;
        let size = row.try_get::<i64, _>("size")?.cast_unsigned();
        let root: &[u8] = row.try_get("root")?;
        let tree = tiles::load_tree(&mut connection, size).await?;
        if tree.root() != root {
            return Err(Error::Tampered(
                "the head is not the root of the tiles".to_owned(),
            ));
        }
        agrees_with_checkpoint(&mut connection, size).await?;
        let epoch = row.try_get("epoch")?;
        Ok(Some(Self {
            connection,
            tree,
            epoch,
            partitions_until: 0,
        }))
    }

    /// What is committed.
    #[must_use]
    pub fn head(&self) -> Head {
        Head {
            size: self.tree.size(),
            root: self.tree.root(),
        }
    }

    /// Adds what is not there yet, in this order. After an error this sequencer is of no more use.
    ///
    /// # Errors
    ///
    /// When the database does not take it, or somebody else took over.
    pub async fn append(&mut self, records: &[Record]) -> Result<Appended, Error> {
        let begun = Instant::now();
        let appended = in_time(self.transact(records)).await?;
        metrics::appended(
            appended.entries,
            appended.repeated,
            appended.quarantined,
            appended.head.size,
            begun.elapsed(),
        );
        Ok(appended)
    }

    /// Tells the database that this writer lives: one that says nothing for ten seconds loses its turn.
    ///
    /// # Errors
    ///
    /// When the database does not answer; this sequencer is of no more use then.
    pub async fn show_life(&mut self) -> Result<(), Error> {
        in_time(async { Ok(self.connection.ping().await?) }).await
    }

    async fn transact(&mut self, records: &[Record]) -> Result<Appended, Error> {
        let mut transaction = self.connection.begin().await?;
        let known = batch::known(&mut transaction, records).await?;
        let before = self.tree.size();
        let mut tree = self.tree.clone();
        let batch = Batch::sort(records, known, &mut tree)?;
        let mut poison = batch.poison();
        if !batch.entries.is_empty() {
            if tree.size() > self.partitions_until {
                let until: i64 = sqlx::query_scalar("SELECT audit.ensure_partitions($1)")
                    .bind(tree.size().cast_signed())
                    .fetch_one(&mut *transaction)
                    .await?;
                self.partitions_until = until.cast_unsigned();
            }
            if !batch::insert(&mut transaction, &batch.entries).await? {
                return Err(Error::Moved);
            }
            tiles::insert(&mut transaction, &batch.chunks).await?;
            let entries: Vec<_> = batch
                .entries
                .iter()
                .map(|entry| views::Entry {
                    idx: entry.idx,
                    record: entry.record,
                    leaf: &entry.leaf,
                })
                .collect();
            for (idx, reason) in views::apply(&mut transaction, &entries).await? {
                if !poison.iter().any(|poison| poison.idx == idx) {
                    poison.push(Poison { idx, reason });
                }
            }
            let moved = sqlx::query(
                "UPDATE audit.audit_head SET size = $1, root = $2 WHERE epoch = $3 AND size = $4",
            )
            .bind(tree.size().cast_signed())
            .bind(tree.root().as_slice())
            .bind(self.epoch)
            .bind(before.cast_signed())
            .execute(&mut *transaction)
            .await?;
            if moved.rows_affected() != 1 {
                return Err(Error::Moved);
            }
            sqlx::query("SELECT pg_notify($1, $2)")
                .bind(CHANNEL)
                .bind((tree.size() - 1).to_string())
                .execute(&mut *transaction)
                .await?;
        }
        batch::quarantine(&mut transaction, &batch, &poison).await?;
        transaction.commit().await?;
        self.tree = tree;
        Ok(Appended {
            head: self.head(),
            entries: batch.entries.len(),
            repeated: batch.repeated,
            quarantined: batch.conflicts.len() + poison.len(),
        })
    }

    /// The newest entry of each stream.
    pub(crate) async fn newest(&mut self) -> Result<Vec<Newest>, Error> {
        let mut newest = Vec::new();
        for stream in Stream::ALL {
            let row = sqlx::query(
                "SELECT e.leaf FROM audit.audit_key k JOIN audit.audit_entry e ON e.idx = k.idx
                 WHERE k.stream = $1 ORDER BY k.stream_epoch DESC, k.stream_seq DESC LIMIT 1",
            )
            .bind(stream.name())
            .fetch_optional(&mut self.connection)
            .await?;
            let Some(row) = row else { continue };
            let leaf = leaf::decode(row.try_get("leaf")?).map_err(Error::Tampered)?;
            let record = leaf.record;
            newest.push(Newest {
                stream,
                epoch: record.epoch,
                seq: record.seq,
                time: record.time,
            });
        }
        Ok(newest)
    }

    /// The streams in which positions on record came again with other bytes, with the last such epoch.
    pub(crate) async fn reused(&mut self) -> Result<Vec<(Stream, u16)>, Error> {
        let rows = sqlx::query(
            "SELECT stream, max(stream_epoch) AS epoch FROM audit.audit_quarantine
             WHERE leaf IS NOT NULL GROUP BY stream",
        )
        .fetch_all(&mut self.connection)
        .await?;
        let mut reused = Vec::new();
        for row in rows {
            let stream = Stream::from_name(row.try_get("stream")?);
            let epoch: i32 = row.try_get("epoch")?;
            reused.extend(stream.zip(u16::try_from(epoch).ok()));
        }
        Ok(reused)
    }
}

/// The newest checkpoint must be of a beginning of what is there: nothing is written onto a log that
/// was cut or changed.
async fn agrees_with_checkpoint(connection: &mut PgConnection, size: u64) -> Result<(), Error> {
    let newest =
        sqlx::query("SELECT size, root FROM audit.audit_checkpoint ORDER BY size DESC LIMIT 1")
            .fetch_optional(&mut *connection)
            .await?;
    let Some(newest) = newest else { return Ok(()) };
    let signed = newest.try_get::<i64, _>("size")?.cast_unsigned();
    if signed > size {
        return Err(Error::Tampered(format!(
            "{signed} entries were signed, {size} are there"
        )));
    }
    let root: &[u8] = newest.try_get("root")?;
    match tiles::root(connection, signed).await? {
        Some(found) if found == root => Ok(()),
        _ => Err(Error::Tampered(format!(
            "the first {signed} entries do not have the root that was signed"
        ))),
    }
}

async fn in_time<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(done) => done,
        Err(_) => Err(Error::Database(sqlx::Error::PoolTimedOut)),
    }
}
