//! Reading the log itself: head, leaves, tiles, bundles and proofs.

mod shelf;

use std::collections::BTreeMap;

use daybook_core::Hash;
use daybook_core::tree::{
    self, RightEdge, TILE_WIDTH, TileId, Tiles, nodes_at, tiles_for_consistency, tiles_for_inclusion,
    tiles_for_root,
};
use deadpool_postgres::{GenericClient, Object};
use futures::future::try_join_all;
use tokio_postgres::Row;

pub(crate) use self::shelf::Shelf;
use crate::StoreError;
use crate::error::damaged;
use crate::row::{hash, number, size};
use crate::sql;

/// Number of entries and root of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeHead {
    /// Number of entries.
    pub size: u64,
    /// RFC 6962 root over them.
    pub root: Hash,
}

impl TreeHead {
    pub(crate) fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            size: size(row, 0)?,
            root: hash(row, 1)?,
        })
    }
}

/// The committed head under a lock: a plain read may see a commit that no synchronous standby has yet, or miss one whose
/// outcome its author does not know.
pub(crate) async fn locked_head(client: &mut Object) -> Result<TreeHead, StoreError> {
    let tx = client.transaction().await?;
    let row = sql::one(
        &tx,
        "-- locked_head
         SELECT size, root
         FROM log_head
         FOR SHARE",
        &[],
    )
    .await?;
    // A commit and not a rollback: it is acknowledged only when all that it follows is durable.
    tx.commit().await?;
    TreeHead::from_row(&row)
}

/// The leaf hashes of the entries `from..to`.
pub async fn leaves(client: &impl GenericClient, from: u64, to: u64) -> Result<Vec<Hash>, StoreError> {
    let rows = sql::all(
        client,
        "-- leaves
             SELECT leaf
             FROM entries
             WHERE idx >= $1 AND idx < $2
             ORDER BY idx",
        &[/* from */ &number(from), /* to */ &number(to)],
    )
    .await?;
    if rows.len() as u64 != to.saturating_sub(from) {
        return Err(damaged(format!("entries between {from} and {to} are missing")));
    }
    rows.iter().map(|row| hash(row, 0)).collect()
}

/// The first `width` nodes of a tile. What lies beyond the committed head is an error.
pub async fn tile(client: &impl GenericClient, id: TileId, width: u16) -> Result<Vec<Hash>, StoreError> {
    let first = id.n * u64::from(TILE_WIDTH);
    if width == TILE_WIDTH {
        return full_tile(client, id).await;
    }
    match id.level.checked_sub(1) {
        None => leaves(client, first, first + u64::from(width)).await,
        Some(below) => tile_roots(client, below, first, width).await,
    }
}

async fn full_tile(client: &impl GenericClient, id: TileId) -> Result<Vec<Hash>, StoreError> {
    let row = sql::optional(
        client,
        "-- full_tile
             SELECT data
             FROM tiles
             WHERE level = $1 AND n = $2",
        &[/* level */ &i16::from(id.level), /* n */ &number(id.n)],
    )
    .await?;
    let row = row.ok_or_else(|| damaged(format!("the tile {id:?} is missing")))?;
    tree::decode_tile(row.try_get(0)?).ok_or_else(|| damaged(format!("the tile {id:?} is not 256 hashes")))
}

async fn tile_roots(
    client: &impl GenericClient,
    level: u8,
    first: u64,
    count: u16,
) -> Result<Vec<Hash>, StoreError> {
    let rows = sql::all(
        client,
        "-- tile_roots
             SELECT root
             FROM tiles
             WHERE level = $1 AND n >= $2 AND n < $3
             ORDER BY n",
        &[
            /* level */ &i16::from(level),
            /* first */ &number(first),
            /* end */ &number(first + u64::from(count)),
        ],
    )
    .await?;
    if rows.len() != usize::from(count) {
        return Err(damaged(format!(
            "tiles of level {level} from {first} on are missing"
        )));
    }
    rows.iter().map(|row| hash(row, 0)).collect()
}

async fn tiles(client: &impl GenericClient, wanted: Vec<(TileId, u16)>) -> Result<Tiles, StoreError> {
    let fetched =
        try_join_all(wanted.into_iter().map(|(id, width)| async move {
            Ok::<_, StoreError>((id, tile(client, id, width).await?.into()))
        }));
    Ok(fetched.await?.into_iter().collect::<BTreeMap<_, _>>())
}

/// The root over the first `size` entries, computed from tiles and leaves.
pub async fn root(client: &impl GenericClient, size: u64) -> Result<Hash, StoreError> {
    let tiles = tiles(client, tiles_for_root(size)).await?;
    tree::root(size, &tiles).map_err(|error| damaged(error.to_string()))
}

/// The inclusion proof of an entry in the tree of `size` entries, or `None` where it has no such entry.
pub async fn inclusion(
    client: &impl GenericClient,
    index: u64,
    size: u64,
) -> Result<Option<Vec<Hash>>, StoreError> {
    let Ok(wanted) = tiles_for_inclusion(index, size) else {
        return Ok(None);
    };
    let tiles = tiles(client, wanted).await?;
    let proof = tree::inclusion_proof(index, size, &tiles).map_err(|error| damaged(error.to_string()))?;
    Ok(Some(proof))
}

/// The consistency proof between two sizes, or `None` where the old one is the larger.
pub async fn consistency(
    client: &impl GenericClient,
    old: u64,
    new: u64,
) -> Result<Option<Vec<Hash>>, StoreError> {
    let Ok(wanted) = tiles_for_consistency(old, new) else {
        return Ok(None);
    };
    let tiles = tiles(client, wanted).await?;
    let proof = tree::consistency_proof(old, new, &tiles).map_err(|error| damaged(error.to_string()))?;
    Ok(Some(proof))
}

/// The right edge of the tree of `size` entries.
pub async fn right_edge(client: &impl GenericClient, size: u64) -> Result<RightEdge, StoreError> {
    let mut wanted = Vec::new();
    let mut level = 0;
    while nodes_at(level, size) > 0 {
        let nodes = nodes_at(level, size);
        let width = u16::try_from(nodes % u64::from(TILE_WIDTH)).unwrap_or_default();
        wanted.push((
            TileId {
                level,
                n: nodes / u64::from(TILE_WIDTH),
            },
            width,
        ));
        level += 1;
    }
    let levels = wanted.into_iter().map(|(id, width)| async move {
        if width == 0 {
            Ok(Vec::new())
        } else {
            tile(client, id, width).await
        }
    });
    let levels = try_join_all(levels).await?;
    RightEdge::from_levels(size, levels).map_err(|error| damaged(error.to_string()))
}

/// The events of the entries `from..to`, for an entry bundle.
pub async fn events(client: &impl GenericClient, from: u64, to: u64) -> Result<Vec<String>, StoreError> {
    let rows = sql::all(
        client,
        "-- events
             SELECT event
             FROM entries
             WHERE idx >= $1 AND idx < $2
             ORDER BY idx",
        &[/* from */ &number(from), /* to */ &number(to)],
    )
    .await?;
    if rows.len() as u64 != to.saturating_sub(from) {
        return Err(damaged(format!("entries between {from} and {to} are missing")));
    }
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}
