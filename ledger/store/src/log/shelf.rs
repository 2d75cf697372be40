//! Tiles that were read lately, for proofs.
//!
//! Whoever waits for publication asks for a proof at the same moment as everybody else, of entries beside each other:
//! a handful of tiles makes them all. What a tile holds never changes, it only grows.

use std::sync::{Arc, PoisonError, RwLock};

use daybook_core::Hash;
use daybook_core::tree::{TileId, Tiles, inclusion_proof, tiles_for_inclusion};
use deadpool_postgres::Pool;
use tokio::sync::Mutex;

use super::tiles;
use crate::StoreError;
use crate::error::damaged;

/// Tiles that are kept at most, of 16 KiB each; then all are forgotten.
const MAX_TILES: usize = 512;
/// Callers who need other tiles fetch them beside each other, so many at a time.
const LINES: usize = 16;

/// The shelf. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Shelf {
    tiles: Arc<RwLock<Tiles>>,
    /// Of those who need the same tiles one fetches them.
    lines: Arc<[Mutex<()>; LINES]>,
}

impl Shelf {
    /// The inclusion proof of an entry in the published tree of `size` entries; `None` where it has no such entry.
    pub(crate) async fn inclusion(
        &self,
        pool: &Pool,
        index: u64,
        size: u64,
    ) -> Result<Option<Vec<Hash>>, StoreError> {
        let Ok(wanted) = tiles_for_inclusion(index, size) else {
            return Ok(None);
        };
        if let Some(proof) = self.prove(&wanted, index, size)? {
            return Ok(Some(proof));
        }
        let line = usize::try_from(index / 256).unwrap_or_default() % LINES;
        let _turn = self.lines[line].lock().await;
        let missing = self.missing(&wanted);
        if !missing.is_empty() {
            let fetched = tiles(&pool.get().await?, missing).await?;
            let mut kept = self.tiles.write().unwrap_or_else(PoisonError::into_inner);
            if kept.len() + fetched.len() > MAX_TILES {
                kept.clear();
            }
            for (id, tile) in fetched {
                if !holds(&kept, (id, tile.width())) {
                    kept.insert(id, tile);
                }
            }
        }
        if let Some(proof) = self.prove(&wanted, index, size)? {
            return Ok(Some(proof));
        }
        // Forgotten again meanwhile, in favour of others.
        super::inclusion(&pool.get().await?, index, size).await
    }

    /// Those that are not there as wide as they are wanted.
    fn missing(&self, wanted: &[(TileId, u16)]) -> Vec<(TileId, u16)> {
        let kept = self.tiles.read().unwrap_or_else(PoisonError::into_inner);
        let lacks = |(id, width): &&(TileId, u16)| !holds(&kept, (*id, usize::from(*width)));
        wanted.iter().filter(lacks).copied().collect()
    }

    /// The proof, if all that it takes is there.
    fn prove(
        &self,
        wanted: &[(TileId, u16)],
        index: u64,
        size: u64,
    ) -> Result<Option<Vec<Hash>>, StoreError> {
        let kept = self.tiles.read().unwrap_or_else(PoisonError::into_inner);
        if !wanted
            .iter()
            .all(|(id, width)| holds(&kept, (*id, usize::from(*width))))
        {
            return Ok(None);
        }
        let proof = inclusion_proof(index, size, &kept);
        proof.map(Some).map_err(|error| damaged(error.to_string()))
    }
}

fn holds(kept: &Tiles, (id, width): (TileId, usize)) -> bool {
    kept.get(&id).is_some_and(|tile| tile.width() >= width)
}
