//! Recomputes everything: leaves, tiles, roots, signatures. Nothing that the database says of itself is
//! believed; what it says is compared with what follows from the bytes.
//!
//! Three witnesses tell what was touched: the entries, the tiles, the signed checkpoints. When the tiles
//! give the signed roots, an entry that differs from its tile is named. When the entries do, the tile is.
//! When neither does, what is named is the range between the last checkpoint that holds and the next.

mod stored;

use std::collections::HashMap;

use sqlx::Row as _;
use sqlx::postgres::{PgConnection, PgRow};

use crate::Error;
use crate::checkpoint::VerifyingKey;
use crate::leaf::{self, Body, Leaf};
use crate::merkle::{Chunk, Hash, Tree, leaf_hash};
use crate::read::{Reader, open_payload};
pub use crate::report::{Problem, Report, What};
use crate::tiles;
use stored::{Stored, checkpoints, columns, page};

/// How many entries are read at once; whole tiles.
const PAGE: u64 = 2_048;

/// Verifies the whole log against its public key and, if there is one, a checkpoint that was kept
/// elsewhere: only that shows that the log was put back to an older state or forked.
///
/// # Errors
///
/// When the database does not answer. What is wrong with the log is in the report.
pub async fn verify(
    reader: &Reader,
    key: &VerifyingKey,
    remembered: Option<&str>,
) -> Result<Report, Error> {
    let mut transaction = reader.pool().begin().await?;
    // One state of the log, while others go on writing.
    sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        .execute(&mut *transaction)
        .await?;
    let head = sqlx::query("SELECT size, root FROM audit.audit_head")
        .fetch_optional(&mut *transaction)
        .await?;
    let (size, root) = match &head {
        Some(row) => (
            row.try_get::<i64, _>("size")?.cast_unsigned(),
            row.try_get("root")?,
        ),
        None => (0, [].as_slice()),
    };
    let mut verifier = Verifier::new(size, checkpoints(&mut transaction, key, remembered).await?);
    verifier.entries(&mut transaction).await?;
    verifier.beyond(&mut transaction).await?;
    verifier.upper_tiles(&mut transaction).await?;
    verifier.gaps(&mut transaction).await?;
    transaction.rollback().await?;
    Ok(verifier.conclude(root))
}

struct Verifier {
    report: Report,
    checkpoints: std::iter::Peekable<std::vec::IntoIter<Stored>>,
    /// The tree of the entries as they are, gaps filled from the tiles.
    from_entries: Tree,
    /// The tree of the hashes in the tiles.
    from_tiles: Tree,
    /// What the tree of the tiles adds on its upper levels.
    upper: HashMap<(u8, u64), Vec<Hash>>,
    /// Entries that are not what the tile says: (index, what it is, what it should be).
    touched: Vec<(u64, Option<Hash>, Hash)>,
    /// Whether the tiles, or the entries, give every root that was signed.
    tiles_hold: bool,
    entries_hold: bool,
    /// The size of the last checkpoint that holds.
    good: u64,
}

impl Verifier {
    fn new(size: u64, checkpoints: Vec<Stored>) -> Self {
        Self {
            report: Report::of(size),
            checkpoints: checkpoints.into_iter().peekable(),
            from_entries: Tree::default(),
            from_tiles: Tree::default(),
            upper: HashMap::new(),
            touched: Vec::new(),
            tiles_hold: true,
            entries_hold: true,
            good: 0,
        }
    }

    async fn entries(&mut self, connection: &mut PgConnection) -> Result<(), Error> {
        self.checkpoints_at(0);
        let mut from = 0;
        while from < self.report.size {
            let until = self.report.size.min(from + PAGE);
            let mut rows: HashMap<u64, PgRow> = page(connection, from, until).await?;
            let wanted = (from / 256..until.div_ceil(256)).map(|n| (0, n)).collect();
            let tiles = tiles::load(connection, &wanted).await?;
            for idx in from..until {
                let tile = tiles.0.get(&(0, idx / 256));
                let tile = tile
                    .and_then(|hashes| hashes.get((idx % 256) as usize))
                    .copied();
                let row = rows.remove(&idx);
                let found = row.as_ref().map(|row| self.row(idx, row)).transpose()?;
                self.leaf(idx, found, tile);
                self.checkpoints_at(idx + 1);
            }
            from = until;
        }
        Ok(())
    }

    /// Compares an entry with its tile and grows both trees.
    fn leaf(&mut self, idx: u64, found: Option<Hash>, tile: Option<Hash>) {
        match (found, tile) {
            (Some(found), Some(tile)) if found == tile => {}
            (found, Some(tile)) => self.touched.push((idx, found, tile)),
            (Some(_), None) => self
                .report
                .problem(Some(idx), What::Tile, "its hash is gone"),
            (None, None) => {
                self.report
                    .problem(Some(idx), What::Deleted, "entry and hash are gone");
            }
        }
        let mut chunks = Vec::new();
        self.from_entries
            .append(found.or(tile).unwrap_or_default(), &mut Vec::new());
        self.from_tiles
            .append(tile.or(found).unwrap_or_default(), &mut chunks);
        for Chunk {
            level, n, hashes, ..
        } in chunks.into_iter().filter(|chunk| chunk.level > 0)
        {
            self.upper.entry((level, n)).or_default().extend(hashes);
        }
    }

    /// Checks what stands beside the leaf; answers the leaf's hash.
    fn row(&mut self, idx: u64, row: &PgRow) -> Result<Hash, Error> {
        let bytes: &[u8] = row.try_get("leaf")?;
        let hash = leaf_hash(bytes);
        let stored: &[u8] = row.try_get("leaf_hash")?;
        if stored != hash {
            self.report.problem(
                Some(idx),
                What::Edited,
                "leaf and leaf_hash do not belong together",
            );
        }
        match leaf::decode(bytes) {
            Ok(leaf) => {
                for column in columns(row, &leaf, &hash)? {
                    self.report.problem(Some(idx), What::Column, column);
                }
                self.body(idx, row, &leaf)?;
            }
            Err(reason) => self.report.problem(Some(idx), What::Edited, reason),
        }
        Ok(hash)
    }

    fn body(&mut self, idx: u64, row: &PgRow, leaf: &Leaf) -> Result<(), Error> {
        let salt: Option<&[u8]> = row.try_get("salt")?;
        let payload: Option<&[u8]> = row.try_get("payload")?;
        match (&leaf.body, salt, payload) {
            (Body::Open(_), None, _) => {}
            (Body::Open(_), Some(_), _) => {
                self.report
                    .problem(Some(idx), What::Payload, "a body beside an open leaf");
            }
            (Body::Sealed(_), Some(salt), Some(payload)) => {
                let body = open_payload(payload);
                let salt = salt.try_into().ok();
                let holds = matches!((&leaf.body, salt, body), (Body::Sealed(sealed), Some(salt), Ok(body))
                    if leaf::commitment(&salt, &body) == *sealed);
                if !holds {
                    self.report.problem(
                        Some(idx),
                        What::Payload,
                        "not the body that the leaf commits to",
                    );
                }
            }
            (Body::Sealed(_), ..) => self.report.erased += 1,
        }
        Ok(())
    }

    /// Compares both trees with the checkpoints of `size`.
    fn checkpoints_at(&mut self, size: u64) {
        while self
            .checkpoints
            .peek()
            .is_some_and(|next| next.size == size)
        {
            let Some(stored) = self.checkpoints.next() else {
                return;
            };
            self.report.checkpoints += 1;
            let opened = match stored.opened {
                Ok(opened) => opened,
                Err(reason) => {
                    self.report.problem(
                        None,
                        What::Checkpoint,
                        format!("of {size} entries: {reason}"),
                    );
                    continue;
                }
            };
            let entries = self.from_entries.root() == opened.root;
            let tiles = self.from_tiles.root() == opened.root;
            self.entries_hold &= entries;
            self.tiles_hold &= tiles;
            if entries || tiles {
                self.good = size;
                self.report.signed = size;
            } else {
                let which = if stored.remembered { "remembered " } else { "" };
                self.report.problem(
                    None,
                    What::Root,
                    format!(
                        "the {which}checkpoint of {size} entries: something from entry {} to {} was changed",
                        self.good,
                        size.saturating_sub(1)
                    ),
                );
            }
        }
    }

    /// Entries and keys above the head.
    async fn beyond(&mut self, connection: &mut PgConnection) -> Result<(), Error> {
        let size = self.report.size.cast_signed();
        let above: Vec<i64> = sqlx::query_scalar(
            "SELECT idx FROM audit.audit_entry WHERE idx < 0 OR idx >= $1 ORDER BY idx LIMIT 1000",
        )
        .bind(size)
        .fetch_all(&mut *connection)
        .await?;
        for idx in above {
            let idx = idx.cast_unsigned();
            self.report
                .problem(Some(idx), What::Inserted, "it is above the head of the log");
        }
        let stray: Vec<i64> = sqlx::query_scalar(
            "SELECT k.idx FROM audit.audit_key k LEFT JOIN audit.audit_entry e ON e.idx = k.idx
             WHERE e.idx IS NULL ORDER BY k.idx LIMIT 1000",
        )
        .fetch_all(connection)
        .await?;
        for idx in stray.into_iter().map(i64::cast_unsigned) {
            if idx >= self.report.size {
                self.report.problem(
                    Some(idx),
                    What::Inserted,
                    "its key is above the head of the log",
                );
            }
        }
        Ok(())
    }

    /// The upper levels follow from level 0.
    async fn upper_tiles(&mut self, connection: &mut PgConnection) -> Result<(), Error> {
        let rows = sqlx::query(
            "SELECT level, n, hashes FROM audit.audit_tile WHERE level > 0 ORDER BY level, n, width",
        )
        .fetch_all(connection)
        .await?;
        let mut stored: HashMap<(u8, u64), Vec<Hash>> = HashMap::new();
        for row in rows {
            let level = u8::try_from(row.try_get::<i16, _>("level")?).unwrap_or(u8::MAX);
            let n = row.try_get::<i64, _>("n")?.cast_unsigned();
            stored
                .entry((level, n))
                .or_default()
                .extend(tiles::split(row.try_get("hashes")?));
        }
        let mut wrong: Vec<(u8, u64)> = self
            .upper
            .keys()
            .chain(stored.keys())
            .filter(|tile| self.upper.get(*tile) != stored.get(*tile))
            .copied()
            .collect();
        wrong.sort_unstable();
        wrong.dedup();
        for (level, n) in wrong {
            self.report
                .problem(None, What::Tile, format!("tile {n} of level {level}"));
        }
        Ok(())
    }

    /// Sequences of a stream that the log does not have: no tampering with the log, but worth a look.
    async fn gaps(&mut self, connection: &mut PgConnection) -> Result<(), Error> {
        let rows = sqlx::query(
            "SELECT stream, stream_epoch, stream_seq + 1 AS first, next - 1 AS last FROM (
               SELECT stream, stream_epoch, stream_seq,
                 lead(stream_seq) OVER (PARTITION BY stream, stream_epoch ORDER BY stream_seq) AS next
               FROM audit.audit_key) AS w
             WHERE next > stream_seq + 1 ORDER BY 1, 2, 3 LIMIT 100",
        )
        .fetch_all(connection)
        .await?;
        for row in rows {
            let (stream, epoch): (&str, i32) =
                (row.try_get("stream")?, row.try_get("stream_epoch")?);
            let (first, last): (i64, i64) = (row.try_get("first")?, row.try_get("last")?);
            self.report.notes.push(format!(
                "{stream} (epoch {epoch}): sequences {first} to {last} are not in the log"
            ));
        }
        Ok(())
    }

    fn conclude(mut self, head_root: &[u8]) -> Report {
        let size = self.report.size;
        for stored in self.checkpoints.by_ref() {
            self.report.checkpoints += 1;
            let which = if stored.remembered {
                "a remembered"
            } else {
                "a"
            };
            let detail = match stored.opened {
                Ok(_) => format!(
                    "{which} checkpoint is of {} entries, the log has {size}",
                    stored.size
                ),
                Err(reason) => format!("{which} checkpoint of {} entries: {reason}", stored.size),
            };
            self.report.problem(None, What::Root, detail);
        }
        self.name_touched();
        // Below the checkpoints the entries count, as the tiles are only derived from them.
        let root = if self.tiles_hold {
            self.from_tiles.root()
        } else {
            self.from_entries.root()
        };
        if size > 0 || !head_root.is_empty() {
            if head_root != root {
                self.report
                    .problem(None, What::Root, "the head's root is not that of the log");
            }
        } else {
            self.report.problem(None, What::Root, "the head is gone");
        }
        self.report.set_root(&root);
        if size > 0 && self.report.signed == 0 {
            self.report.problem(
                None,
                What::Checkpoint,
                format!("none vouches for these {size} entries"),
            );
        } else if self.report.signed < size {
            let unsigned = size - self.report.signed;
            self.report
                .notes
                .push(format!("the last {unsigned} entries are not signed yet"));
        }
        self.report
            .problems
            .sort_by_key(|problem| (problem.idx.is_none(), problem.idx));
        self.report
    }

    /// Says what happened to each entry that is not what its tile says.
    fn name_touched(&mut self) {
        let touched = std::mem::take(&mut self.touched);
        let places: HashMap<Hash, u64> =
            touched.iter().map(|(idx, _, tile)| (*tile, *idx)).collect();
        let tiles_are_wrong = self.entries_hold && !self.tiles_hold;
        for (idx, found, _) in touched {
            match found {
                _ if tiles_are_wrong => self.report.problem(
                    Some(idx),
                    What::Tile,
                    "its hash in the tile is not that of the entry, which is as it was signed",
                ),
                None => self.report.problem(
                    Some(idx),
                    What::Deleted,
                    "the tree has its hash, the entry is gone",
                ),
                Some(found) => match places.get(&found) {
                    Some(place) => {
                        self.report.problem(
                            Some(idx),
                            What::Reordered,
                            format!("it was entry {place}"),
                        );
                    }
                    None => self.report.problem(
                        Some(idx),
                        What::Edited,
                        "the tree has another hash of it",
                    ),
                },
            }
        }
    }
}
