//! Reading the log in pieces of 256 entries, each with the rows that belong to it.

use std::sync::Arc;

use daybook_core::tree::TileId;
use deadpool_postgres::Object;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

use super::AuditError;
use super::raw::Raw;
use crate::row::number;
use crate::{StoreError, sql};

/// Entries of a piece: one tile's worth, so that a piece fills a tile, and maybe one of each level above.
pub(super) const PIECE: u64 = 256;
/// Kibibytes of pieces that are read and not yet done with.
pub(super) const MAX_KIB: usize = 24 * 1024;

/// A row of `entries`.
#[derive(Debug)]
pub(super) struct StoredEntry {
    pub(super) idx: u64,
    pub(super) leaf: Raw,
    pub(super) stream: Raw,
    pub(super) seq: i64,
    pub(super) iss: Raw,
    pub(super) jti: Uuid,
    pub(super) kind: Raw,
    pub(super) event: Raw,
}

/// A row of `tiles`.
#[derive(Debug)]
pub(super) struct StoredTile {
    pub(super) id: TileId,
    pub(super) root: Raw,
    pub(super) data: Raw,
}

/// A row of `checkpoints`.
#[derive(Debug)]
pub(super) struct StoredCheckpoint {
    pub(super) size: u64,
    pub(super) root: Raw,
    pub(super) note: Raw,
}

/// A row of `openings`; its end as days from now, so that no calendar is needed.
#[derive(Debug)]
pub(super) struct StoredOpening {
    pub(super) idx: u64,
    pub(super) digest: Raw,
    pub(super) name: Raw,
    pub(super) class: Raw,
    pub(super) opening: Raw,
    pub(super) days_left: Option<f64>,
}

/// A piece of the log as it is stored.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) entries: Vec<StoredEntry>,
    /// The tiles that its entries fill.
    pub(super) tiles: Vec<StoredTile>,
    /// The checkpoints of the sizes after each of its entries.
    pub(super) checkpoints: Vec<StoredCheckpoint>,
    pub(super) openings: Vec<StoredOpening>,
    /// What bounds the memory: given back when the piece is done with.
    pub(super) room: Option<OwnedSemaphorePermit>,
}

/// Reads the piece of the entries `from..to`.
pub(super) async fn piece(client: &Object, from: u64, to: u64) -> Result<Piece, AuditError> {
    let (entries, tiles, checkpoints, openings) = futures::try_join!(
        entries(client, from, to),
        tiles(client, from, to),
        checkpoints(client, from, to),
        openings(client, from, to),
    )?;
    Ok(Piece {
        entries,
        tiles,
        checkpoints,
        openings,
        room: None,
    })
}

impl Piece {
    /// Waits until there is room for it. One that is larger than all the room there is takes all.
    pub(super) async fn admitted(mut self, rooms: &Arc<Semaphore>) -> Result<Self, AuditError> {
        let entries: usize = self.entries.iter().map(|entry| entry.event.0.len()).sum();
        let openings: usize = self.openings.iter().map(|opening| opening.opening.0.len()).sum();
        let kib = ((entries + openings) / 1024 + 1).min(MAX_KIB);
        let kib = u32::try_from(kib).unwrap_or(u32::MAX);
        // The semaphore is never closed.
        self.room = rooms.clone().acquire_many_owned(kib).await.ok();
        Ok(self)
    }
}

async fn entries(client: &Object, from: u64, to: u64) -> Result<Vec<StoredEntry>, StoreError> {
    let rows = sql::all(
        client,
        "-- audit_entries
         SELECT idx, leaf, stream, seq, iss, jti, type, event
         FROM entries
         WHERE idx >= $1 AND idx < $2
         ORDER BY idx",
        &[/* from */ &number(from), /* to */ &number(to)],
    )
    .await?;
    let entry = |row: &tokio_postgres::Row| {
        Ok(StoredEntry {
            idx: row.try_get::<_, i64>(0)?.unsigned_abs(),
            leaf: row.try_get(1)?,
            stream: row.try_get(2)?,
            seq: row.try_get(3)?,
            iss: row.try_get(4)?,
            jti: row.try_get(5)?,
            kind: row.try_get(6)?,
            event: row.try_get(7)?,
        })
    };
    rows.iter().map(entry).collect()
}

/// The tiles that the entries `from..to` fill.
fn filled(from: u64, to: u64) -> Vec<TileId> {
    let mut found = Vec::new();
    let (mut first, mut last) = (from, to);
    for level in 0..8 {
        (first, last) = (first / PIECE, last / PIECE);
        found.extend((first..last).map(|n| TileId { level, n }));
    }
    found
}

async fn tiles(client: &Object, from: u64, to: u64) -> Result<Vec<StoredTile>, StoreError> {
    let wanted = filled(from, to);
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let levels: Vec<i16> = wanted.iter().map(|id| i16::from(id.level)).collect();
    let positions: Vec<i64> = wanted.iter().map(|id| number(id.n)).collect();
    let rows = sql::all(
        client,
        "-- audit_tiles
         SELECT t.level, t.n, t.root, t.data
         FROM unnest($1::smallint[], $2::bigint[]) AS w (level, n)
         JOIN tiles AS t ON t.level = w.level AND t.n = w.n",
        &[/* level */ &levels, /* n */ &positions],
    )
    .await?;
    rows.iter()
        .map(|row| {
            Ok(StoredTile {
                id: TileId {
                    level: u8::try_from(row.try_get::<_, i16>(0)?).unwrap_or(u8::MAX),
                    n: row.try_get::<_, i64>(1)?.unsigned_abs(),
                },
                root: row.try_get(2)?,
                data: row.try_get(3)?,
            })
        })
        .collect()
}

async fn checkpoints(client: &Object, from: u64, to: u64) -> Result<Vec<StoredCheckpoint>, StoreError> {
    let rows = sql::all(
        client,
        "-- audit_checkpoints
         SELECT size, root, note
         FROM checkpoints
         WHERE size > $1 AND size <= $2
         ORDER BY size",
        &[/* from */ &number(from), /* to */ &number(to)],
    )
    .await?;
    rows.iter()
        .map(|row| {
            Ok(StoredCheckpoint {
                size: row.try_get::<_, i64>(0)?.unsigned_abs(),
                root: row.try_get(1)?,
                note: row.try_get(2)?,
            })
        })
        .collect()
}

async fn openings(client: &Object, from: u64, to: u64) -> Result<Vec<StoredOpening>, StoreError> {
    let rows = sql::all(
        client,
        "-- audit_openings
         SELECT idx, digest, name, class, opening, (extract(epoch FROM retain_until - now()) / 86400)::float8
         FROM openings
         WHERE idx >= $1 AND idx < $2
         ORDER BY idx, digest",
        &[/* from */ &number(from), /* to */ &number(to)],
    )
    .await?;
    rows.iter()
        .map(|row| {
            Ok(StoredOpening {
                idx: row.try_get::<_, i64>(0)?.unsigned_abs(),
                digest: row.try_get(1)?,
                name: row.try_get(2)?,
                class: row.try_get(3)?,
                opening: row.try_get(4)?,
                days_left: row.try_get(5)?,
            })
        })
        .collect()
}

/// The index of the first entry from an index on.
pub(super) async fn next_entry(client: &Object, from: u64) -> Result<Option<u64>, StoreError> {
    let row = sql::one(
        client,
        "-- audit_next_entry
         SELECT min(idx)
         FROM entries
         WHERE idx >= $1",
        &[/* from */ &number(from)],
    )
    .await?;
    Ok(row.try_get::<_, Option<i64>>(0)?.map(i64::unsigned_abs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_fills_one_tile_and_those_above_that_it_completes() {
        let id = |level, n| TileId { level, n };
        assert_eq!(filled(0, 255), []);
        assert_eq!(filled(0, 256), [id(0, 0)]);
        assert_eq!(filled(256 * 255, 256 * 256), [id(0, 255), id(1, 0)]);
        let all = 256_u64.pow(3);
        assert_eq!(filled(all - 256, all), [id(0, 65_535), id(1, 255), id(2, 0)]);
    }
}
