//! Reads the log: as it grows, or a stream again in the stream's own order.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use aegis_schemas::pipeline::Input;
use aegis_schemas::{
    Digest, Entity, EventId, IncidentId, StandingOrders, Stream, Subject, Timestamp, metrics_of,
};
use bytes::Bytes;
use sqlx::Row as _;
use sqlx::postgres::{PgListener, PgPool, PgPoolOptions, PgRow};
use tokio::sync::Mutex;

use crate::leaf::{self, Body};
use crate::sequencer::CHANNEL;
use crate::{Error, Record, database};

/// A notification may get lost with its connection, so nobody waits longer than this for one.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The largest body of a message: JetStream takes 256 KiB.
const MAX_PAYLOAD: usize = 1 << 20;

/// One entry of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its index.
    pub idx: u64,
    /// The message. Its body is empty when it was erased.
    pub record: Record,
}

/// What a policy core said last to stand.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// The epoch of AEGIS_EVENTS in which it said so.
    pub epoch: u16,
    /// The sequence of what it had read last in it.
    pub seq: u64,
    /// The policy set that holds; `None` when that cannot be read.
    pub policy: Option<Digest>,
    /// The orders.
    pub orders: StandingOrders,
}

impl Standing {
    /// The epoch and the sequence of what it had read last.
    #[must_use]
    pub const fn place(&self) -> (u16, u64) {
        (self.epoch, self.seq)
    }
}

/// Reads the log.
#[derive(Debug)]
pub struct Reader {
    pool: PgPool,
    listener: Mutex<Option<PgListener>>,
}

impl Reader {
    /// Connects to the database at `url`.
    ///
    /// # Errors
    ///
    /// When it does not answer.
    pub async fn connect(url: &str) -> Result<Self, Error> {
        let pool = PgPoolOptions::new()
            .max_connections(4)
            .acquire_timeout(Duration::from_secs(10))
            .connect_with(database::options(url)?)
            .await?;
        Ok(Self {
            pool,
            listener: Mutex::new(None),
        })
    }

    /// Connects to the database whose URL is in `file`.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or the database does not answer.
    pub async fn connect_file(file: &Path) -> Result<Self, Error> {
        Self::connect(&database::read_url(file)?).await
    }

    /// How many entries the log has.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn size(&self) -> Result<u64, Error> {
        let size: i64 = sqlx::query_scalar("SELECT size FROM audit.audit_head")
            .fetch_one(&self.pool)
            .await?;
        Ok(size.cast_unsigned())
    }

    /// Entries from index `from` on, in the order of the log, at most `limit`.
    ///
    /// # Errors
    ///
    /// When the database does not answer or an entry cannot be read.
    pub async fn entries(&self, from: u64, limit: u32) -> Result<Vec<Entry>, Error> {
        let rows = sqlx::query(
            "SELECT e.idx, e.leaf, p.payload FROM audit.audit_entry e
             LEFT JOIN audit.audit_payload p ON p.idx = e.idx
             WHERE e.idx >= $1 ORDER BY e.idx LIMIT $2",
        )
        .bind(from.cast_signed())
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(entry).collect()
    }

    /// Waits until the log may have grown; at most a second.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn wait(&self) -> Result<(), Error> {
        let mut listener = self.listener.lock().await;
        match listener.as_mut() {
            None => {
                // What came before nobody listened is there to be read.
                let mut new = PgListener::connect_with(&self.pool).await?;
                new.listen(CHANNEL).await?;
                *listener = Some(new);
            }
            Some(open) => match tokio::time::timeout(LOOK_EVERY, open.recv()).await {
                Ok(Ok(_)) | Err(_) => {}
                Ok(Err(error)) => {
                    *listener = None;
                    return Err(error.into());
                }
            },
        }
        Ok(())
    }

    /// Messages of a stream in the stream's order, above sequence `after`, at most `limit`. Of a stream
    /// that was made anew, those of its newest epoch.
    ///
    /// # Errors
    ///
    /// When the database does not answer or an entry cannot be read.
    pub async fn stream(
        &self,
        stream: Stream,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Record>, Error> {
        let rows = sqlx::query(
            "SELECT e.idx, e.leaf, p.payload FROM audit.audit_key k
             JOIN audit.audit_entry e ON e.idx = k.idx
             LEFT JOIN audit.audit_payload p ON p.idx = k.idx
             WHERE k.stream = $1 AND k.stream_seq > $2
               AND k.stream_epoch = (SELECT max(stream_epoch) FROM audit.audit_key WHERE stream = $1)
             ORDER BY k.stream_seq LIMIT $3",
        )
        .bind(stream.name())
        .bind(after.cast_signed())
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| Ok(entry(row)?.record)).collect()
    }

    /// As [`Reader::stream`], as the cores receive them. What nobody can read is left out: it went to the
    /// dead letters then.
    ///
    /// # Errors
    ///
    /// As [`Reader::stream`], and when a body was erased: then nobody can replay it.
    pub async fn inputs(
        &self,
        stream: Stream,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Input>, Error> {
        let records = self.stream(stream, after, limit).await?;
        let erased = |record: &Record| record.is_sealed() && record.body.is_empty();
        if let Some(record) = records.iter().find(|record| erased(record)) {
            return Err(Error::NotFound(format!(
                "the body of {stream} {}",
                record.seq
            )));
        }
        Ok(records
            .iter()
            .filter_map(|record| record.input().ok())
            .collect())
    }

    /// The highest sequence of a stream in an epoch.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn last_of(&self, stream: Stream, epoch: u16) -> Result<Option<u64>, Error> {
        let last: Option<i64> = sqlx::query_scalar(
            "SELECT max(stream_seq) FROM audit.audit_key WHERE stream = $1 AND stream_epoch = $2",
        )
        .bind(stream.name())
        .bind(i32::from(epoch))
        .fetch_one(&self.pool)
        .await?;
        Ok(last.map(i64::cast_unsigned))
    }

    /// The highest epoch of any stream; 0 for an empty log.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn last_epoch(&self) -> Result<u16, Error> {
        let mut last = 0;
        for stream in Stream::ALL {
            let epoch: Option<i32> = sqlx::query_scalar(
                "SELECT max(stream_epoch) FROM audit.audit_key WHERE stream = $1",
            )
            .bind(stream.name())
            .fetch_one(&self.pool)
            .await?;
            last = last.max(
                epoch
                    .and_then(|epoch| u16::try_from(epoch).ok())
                    .unwrap_or(0),
            );
        }
        Ok(last)
    }

    /// Every command, in the order of the log.
    ///
    /// # Errors
    ///
    /// When the database does not answer or an entry cannot be read.
    pub async fn commands(&self) -> Result<Vec<Record>, Error> {
        let rows = sqlx::query(
            "SELECT idx, leaf, NULL::bytea AS payload FROM audit.audit_entry
             WHERE kind = 'aegis.command.v1' AND stream = 'AEGIS_EVENTS' ORDER BY idx",
        )
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| Ok(entry(row)?.record)).collect()
    }

    /// What each policy core said last to stand, by the core's name.
    ///
    /// # Errors
    ///
    /// When the database does not answer, or what it holds cannot be read.
    pub async fn standing(&self) -> Result<BTreeMap<String, Standing>, Error> {
        let rows = sqlx::query(
            "SELECT source, position, policy,
               jsonb_build_object('modes', modes, 'freezes', freezes, 'halted', halted)::text AS orders
             FROM views.standing",
        )
        .fetch_all(&self.pool)
        .await?;
        let mut all = BTreeMap::new();
        for row in rows {
            let source: String = row.try_get("source")?;
            let fence = row.try_get::<i64, _>("position")?.cast_unsigned();
            let orders = serde_json::from_str(row.try_get("orders")?)
                .map_err(|error| sqlx::Error::Decode(error.into()))?;
            let standing = Standing {
                epoch: u16::try_from(fence >> 48).unwrap_or(u16::MAX),
                seq: fence & ((1 << 48) - 1),
                policy: row.try_get::<String, _>("policy")?.parse().ok(),
                orders,
            };
            all.insert(source, standing);
        }
        Ok(all)
    }

    /// Messages with samples of `entity` that came between two times, in the order of the log. When they are
    /// more than `limit` every second or third is left out, evenly.
    ///
    /// # Errors
    ///
    /// When the database does not answer or an entry cannot be read.
    pub async fn samples(
        &self,
        entity: &Entity,
        from: Timestamp,
        to: Timestamp,
        limit: u32,
    ) -> Result<Vec<Record>, Error> {
        let subject = Subject::metric(0, entity);
        let rows = sqlx::query(
            "SELECT e.idx, e.leaf, p.payload FROM (
               SELECT idx, row_number() OVER (ORDER BY at DESC) AS place, count(*) OVER () AS all
               FROM views.sampled
               WHERE workload = $1 AND at BETWEEN audit.instant($2) AND audit.instant($3)
             ) AS s JOIN audit.audit_entry e ON e.idx = s.idx
             LEFT JOIN audit.audit_payload p ON p.idx = s.idx
             WHERE (s.place - 1) % ((s.all + $4 - 1) / $4) = 0 ORDER BY e.idx",
        )
        .bind(metrics_of(subject.as_str()))
        .bind(from.as_nanos())
        .bind(to.as_nanos())
        .bind(i64::from(limit.max(1)))
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| Ok(entry(row)?.record)).collect()
    }

    /// The first entry of an event.
    ///
    /// # Errors
    ///
    /// When the database does not answer or the entry cannot be read.
    pub async fn find(&self, event: EventId) -> Result<Option<Entry>, Error> {
        let row = sqlx::query(
            "SELECT e.idx, e.leaf, p.payload FROM audit.audit_key k
             JOIN audit.audit_entry e ON e.idx = k.idx
             LEFT JOIN audit.audit_payload p ON p.idx = k.idx
             WHERE k.event_id = $1 ORDER BY k.idx LIMIT 1",
        )
        .bind(event.to_string())
        .fetch_optional(&self.pool)
        .await?;
        row.as_ref().map(entry).transpose()
    }

    /// The entries that speak of an incident, answers to its asks included, in the order of the log.
    ///
    /// # Errors
    ///
    /// When the database does not answer or an entry cannot be read.
    pub async fn of_incident(&self, incident: IncidentId) -> Result<Vec<Entry>, Error> {
        let rows = sqlx::query(
            "SELECT e.idx, e.leaf, p.payload FROM (
               SELECT idx FROM views.incident_entry WHERE incident = $1
               UNION SELECT a.idx FROM views.answer a JOIN views.decision d ON d.proposal = a.proposal
                 WHERE d.incident = $1
             ) AS w JOIN audit.audit_entry e ON e.idx = w.idx
             LEFT JOIN audit.audit_payload p ON p.idx = w.idx ORDER BY e.idx",
        )
        .bind(incident.to_string())
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(entry).collect()
    }

    pub(crate) const fn pool(&self) -> &PgPool {
        &self.pool
    }
}

/// An entry from its leaf and, if it is sealed, its payload.
pub(crate) fn entry(row: &PgRow) -> Result<Entry, Error> {
    let idx = row.try_get::<i64, _>("idx")?.cast_unsigned();
    let unreadable = |reason| Error::Unreadable { idx, reason };
    let leaf = leaf::decode(row.try_get("leaf")?).map_err(unreadable)?;
    let mut record = leaf.record;
    if let Body::Sealed(_) = leaf.body {
        let payload: Option<&[u8]> = row.try_get("payload")?;
        record.body = payload
            .map(open_payload)
            .transpose()
            .map_err(unreadable)?
            .unwrap_or_default();
    }
    Ok(Entry { idx, record })
}

/// The body in a payload.
pub(crate) fn open_payload(payload: &[u8]) -> Result<Bytes, String> {
    zstd::bulk::decompress(payload, MAX_PAYLOAD)
        .map(Bytes::from)
        .map_err(|error| format!("its payload cannot be read: {error}"))
}
