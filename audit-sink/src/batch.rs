//! A batch on its way into the log: what of it is new, as leaves, and the statements that store it.

use std::collections::HashMap;

use aegis_schemas::Stream;
use sqlx::Row as _;
use sqlx::postgres::PgConnection;

use crate::leaf::{self, Salt};
use crate::merkle::{Chunk, Hash, Tree, leaf_hash};
use crate::record::Position;
use crate::{Error, Record};

/// Metric batches are numbers with names: a fast level takes half of them.
const ZSTD_LEVEL: i32 = 1;

/// What the log holds at a position.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    leaf_hash: Hash,
    salt: Option<Salt>,
}

impl Known {
    /// Whether it is this record. Without its salt a sealed body cannot be compared any more.
    fn is(&self, record: &Record) -> bool {
        if record.is_sealed() && self.salt.is_none() {
            return true;
        }
        leaf_hash(&leaf::encode(record, self.salt.as_ref())) == self.leaf_hash
    }
}

/// A record whose position the log gave to other bytes.
pub(crate) struct Conflict {
    position: Position,
    leaf: Vec<u8>,
}

/// What is wrong with a message.
pub(crate) struct Poison {
    pub(crate) idx: u64,
    pub(crate) reason: String,
}

/// A new entry.
pub(crate) struct New<'a> {
    pub(crate) idx: u64,
    pub(crate) record: &'a Record,
    pub(crate) leaf: Vec<u8>,
    pub(crate) leaf_hash: Hash,
    salt: Option<Salt>,
}

/// A batch, sorted.
pub(crate) struct Batch<'a> {
    pub(crate) entries: Vec<New<'a>>,
    pub(crate) chunks: Vec<Chunk>,
    pub(crate) conflicts: Vec<Conflict>,
    pub(crate) repeated: usize,
}

impl<'a> Batch<'a> {
    /// Grows `tree` by what is new in `records`.
    pub(crate) fn sort(
        records: &'a [Record],
        mut known: HashMap<Position, Known>,
        tree: &mut Tree,
    ) -> Result<Self, Error> {
        let mut batch = Self {
            entries: Vec::with_capacity(records.len()),
            chunks: Vec::new(),
            conflicts: Vec::new(),
            repeated: 0,
        };
        for record in records {
            match known.get(&record.position()) {
                Some(known) if known.is(record) => batch.repeated += 1,
                Some(_) => batch.conflicts.push(Conflict {
                    position: record.position(),
                    leaf: leaf::encode(record, None),
                }),
                None => {
                    let salt = record.is_sealed().then(salt).transpose()?;
                    let leaf = leaf::encode(record, salt.as_ref());
                    let leaf_hash = leaf_hash(&leaf);
                    let idx = tree.size();
                    tree.append(leaf_hash, &mut batch.chunks);
                    known.insert(record.position(), Known { leaf_hash, salt });
                    batch.entries.push(New {
                        idx,
                        record,
                        leaf,
                        leaf_hash,
                        salt,
                    });
                }
            }
        }
        Ok(batch)
    }

    /// The messages that Aegis wrote and nobody can read.
    pub(crate) fn poison(&self) -> Vec<Poison> {
        let faults = self
            .entries
            .iter()
            .filter(|entry| entry.record.must_decode());
        faults
            .filter_map(|entry| {
                let reason = match entry.record.meta() {
                    Ok(_) => entry.record.event().err()?,
                    Err(error) => error.to_string(),
                };
                Some(Poison {
                    idx: entry.idx,
                    reason,
                })
            })
            .collect()
    }
}

fn salt() -> Result<Salt, Error> {
    let mut salt = [0; 32];
    getrandom::fill(&mut salt).map_err(|error| Error::Key(error.to_string()))?;
    Ok(salt)
}

/// What the log holds at the positions of `records`.
pub(crate) async fn known(
    connection: &mut PgConnection,
    records: &[Record],
) -> Result<HashMap<Position, Known>, Error> {
    let (stream, epoch, seq) = positions(records.iter().map(Record::position));
    let rows = sqlx::query(
        "SELECT k.stream, k.stream_epoch, k.stream_seq, k.leaf_hash, p.salt
         FROM unnest($1::text[], $2::integer[], $3::bigint[]) AS w (stream, epoch, seq)
         JOIN audit.audit_key k
           ON k.stream = w.stream AND k.stream_epoch = w.epoch AND k.stream_seq = w.seq
         LEFT JOIN audit.audit_payload p ON p.idx = k.idx",
    )
    .bind(stream)
    .bind(epoch)
    .bind(seq)
    .fetch_all(connection)
    .await?;
    let mut known = HashMap::with_capacity(rows.len());
    for row in rows {
        let name: &str = row.try_get("stream")?;
        let Some(stream) = Stream::from_name(name) else {
            continue;
        };
        let epoch: i32 = row.try_get("stream_epoch")?;
        let seq: i64 = row.try_get("stream_seq")?;
        let hash: &[u8] = row.try_get("leaf_hash")?;
        let salt: Option<&[u8]> = row.try_get("salt")?;
        let position = (
            stream,
            u16::try_from(epoch).unwrap_or(u16::MAX),
            seq.cast_unsigned(),
        );
        known.insert(
            position,
            Known {
                // A hash that was cut short is equal to none.
                leaf_hash: hash.try_into().unwrap_or_default(),
                salt: salt.and_then(|salt| salt.try_into().ok()),
            },
        );
    }
    Ok(known)
}

/// Stores the new entries; false when somebody else stored one of them.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    entries: &[New<'_>],
) -> Result<bool, Error> {
    let idx: Vec<i64> = entries
        .iter()
        .map(|entry| entry.idx.cast_signed())
        .collect();
    let event: Vec<Option<String>> = entries
        .iter()
        .map(|entry| entry.record.event_id().map(|id| id.to_string()))
        .collect();
    let (stream, epoch, seq) = positions(entries.iter().map(|entry| entry.record.position()));
    let time: Vec<i64> = entries
        .iter()
        .map(|entry| entry.record.time.as_nanos())
        .collect();
    let kind: Vec<String> = entries.iter().map(|entry| entry.record.kind()).collect();
    let leaves: Vec<&[u8]> = entries.iter().map(|entry| entry.leaf.as_slice()).collect();
    let hashes: Vec<&[u8]> = entries
        .iter()
        .map(|entry| entry.leaf_hash.as_slice())
        .collect();
    let keys = sqlx::query(
        "INSERT INTO audit.audit_key (idx, event_id, stream, stream_epoch, stream_seq, leaf_hash)
         SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::integer[], $5::bigint[], $6::bytea[])
         ON CONFLICT DO NOTHING",
    )
    .bind(&idx)
    .bind(&event)
    .bind(&stream)
    .bind(&epoch)
    .bind(&seq)
    .bind(&hashes)
    .execute(&mut *connection)
    .await?;
    if keys.rows_affected() != entries.len() as u64 {
        return Ok(false);
    }
    sqlx::query(
        "INSERT INTO audit.audit_entry
           (idx, event_id, stream, stream_epoch, stream_seq, stream_time, kind, leaf, leaf_hash)
         SELECT idx, event, stream, epoch, seq, audit.instant(time), kind, leaf, hash
         FROM unnest($1::bigint[], $2::text[], $3::text[], $4::integer[], $5::bigint[], $6::bigint[],
           $7::text[], $8::bytea[], $9::bytea[])
           AS w (idx, event, stream, epoch, seq, time, kind, leaf, hash)",
    )
    .bind(idx)
    .bind(event)
    .bind(stream)
    .bind(epoch)
    .bind(seq)
    .bind(time)
    .bind(kind)
    .bind(leaves)
    .bind(hashes)
    .execute(&mut *connection)
    .await?;
    insert_payloads(connection, entries).await?;
    Ok(true)
}

async fn insert_payloads(connection: &mut PgConnection, entries: &[New<'_>]) -> Result<(), Error> {
    let (mut idx, mut salts, mut payloads) = (Vec::new(), Vec::new(), Vec::new());
    for entry in entries {
        let Some(salt) = &entry.salt else { continue };
        let payload = zstd::bulk::compress(&entry.record.body, ZSTD_LEVEL).map_err(|error| {
            Error::Unreadable {
                idx: entry.idx,
                reason: format!("cannot compress it: {error}"),
            }
        })?;
        idx.push(entry.idx.cast_signed());
        salts.push(salt.as_slice());
        payloads.push(payload);
    }
    if idx.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO audit.audit_payload (idx, salt, payload)
         SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::bytea[])",
    )
    .bind(idx)
    .bind(salts)
    .bind(payloads)
    .execute(connection)
    .await?;
    Ok(())
}

/// Puts conflicts and poison where people look for them. Doing it twice is harmless.
pub(crate) async fn quarantine(
    connection: &mut PgConnection,
    batch: &Batch<'_>,
    poison: &[Poison],
) -> Result<(), Error> {
    for conflict in &batch.conflicts {
        let (stream, epoch, seq) = conflict.position;
        sqlx::query(
            "INSERT INTO audit.audit_quarantine (stream, stream_epoch, stream_seq, leaf_hash, reason, leaf)
             VALUES ($1, $2, $3, $4, 'position conflict', $5) ON CONFLICT DO NOTHING",
        )
        .bind(stream.name())
        .bind(i32::from(epoch))
        .bind(seq.cast_signed())
        .bind(leaf_hash(&conflict.leaf).as_slice())
        .bind(&conflict.leaf)
        .execute(&mut *connection)
        .await?;
    }
    for poison in poison {
        let Some(entry) = batch.entries.iter().find(|entry| entry.idx == poison.idx) else {
            continue;
        };
        let (stream, epoch, seq) = entry.record.position();
        sqlx::query(
            "INSERT INTO audit.audit_quarantine (stream, stream_epoch, stream_seq, leaf_hash, reason, idx)
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
        )
        .bind(stream.name())
        .bind(i32::from(epoch))
        .bind(seq.cast_signed())
        .bind(entry.leaf_hash.as_slice())
        .bind(poison.reason.replace('\0', "\u{fffd}"))
        .bind(entry.idx.cast_signed())
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

fn positions(of: impl Iterator<Item = Position>) -> (Vec<&'static str>, Vec<i32>, Vec<i64>) {
    let mut columns = (Vec::new(), Vec::new(), Vec::new());
    for (stream, epoch, seq) in of {
        columns.0.push(stream.name());
        columns.1.push(i32::from(epoch));
        columns.2.push(seq.cast_signed());
    }
    columns
}
