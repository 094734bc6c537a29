//! Tiles in the database.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::Row as _;
use sqlx::postgres::PgConnection;

use crate::Error;
use crate::merkle::{Chunk, Hash, Tree, levels};
use crate::proof::{self, Needed, TileId, Tiles};

/// Adds what a batch changed.
pub(crate) async fn insert(connection: &mut PgConnection, chunks: &[Chunk]) -> Result<(), Error> {
    let level: Vec<i16> = chunks.iter().map(|chunk| i16::from(chunk.level)).collect();
    let n: Vec<i64> = chunks.iter().map(|chunk| chunk.n.cast_signed()).collect();
    let width: Vec<i16> = chunks
        .iter()
        .map(|chunk| chunk.width.cast_signed())
        .collect();
    let hashes: Vec<Vec<u8>> = chunks.iter().map(|chunk| chunk.hashes.concat()).collect();
    sqlx::query(
        "INSERT INTO audit.audit_tile (level, n, width, hashes)
         SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::smallint[], $4::bytea[])",
    )
    .bind(level)
    .bind(n)
    .bind(width)
    .bind(hashes)
    .execute(connection)
    .await?;
    Ok(())
}

/// These tiles, as far as they are there.
pub(crate) async fn load(
    connection: &mut PgConnection,
    wanted: &BTreeSet<TileId>,
) -> Result<Tiles, Error> {
    let level: Vec<i16> = wanted.iter().map(|(level, _)| i16::from(*level)).collect();
    let n: Vec<i64> = wanted.iter().map(|(_, n)| n.cast_signed()).collect();
    let rows = sqlx::query(
        "SELECT t.level, t.n, t.hashes FROM unnest($1::smallint[], $2::bigint[]) AS w (level, n)
         JOIN audit.audit_tile t ON t.level = w.level AND t.n = w.n ORDER BY t.level, t.n, t.width",
    )
    .bind(level)
    .bind(n)
    .fetch_all(connection)
    .await?;
    let mut tiles: BTreeMap<TileId, Vec<Hash>> = BTreeMap::new();
    for row in rows {
        let (level, n): (i16, i64) = (row.try_get("level")?, row.try_get("n")?);
        let id = (u8::try_from(level).unwrap_or(u8::MAX), n.cast_unsigned());
        let hashes: &[u8] = row.try_get("hashes")?;
        tiles.entry(id).or_default().extend(split(hashes));
    }
    Ok(Tiles(tiles))
}

/// The tree of `size` leaves, to go on from.
pub(crate) async fn load_tree(connection: &mut PgConnection, size: u64) -> Result<Tree, Error> {
    let last = |level: usize| (level as u8, size >> (8 * (level + 1)).min(63));
    let wanted = (0..levels(size)).map(last).collect();
    let mut tiles = load(connection, &wanted).await?;
    let unfinished = (0..levels(size))
        .map(|level| tiles.0.remove(&last(level)).unwrap_or_default())
        .collect();
    Tree::restore(size, unfinished).map_err(Error::Tampered)
}

/// The root of the first `size` leaves; `None` when tiles are missing.
pub(crate) async fn root(connection: &mut PgConnection, size: u64) -> Result<Option<Hash>, Error> {
    let needed = Needed::default();
    let _ = proof::root(&needed, size);
    let tiles = load(connection, &needed.into_tiles()).await?;
    Ok(proof::root(&tiles, size))
}

/// The hashes in the bytes of a tile; what is not whole is left out.
pub(crate) fn split(hashes: &[u8]) -> impl Iterator<Item = Hash> + '_ {
    let (whole, _) = hashes.as_chunks::<32>();
    whole.iter().copied()
}
