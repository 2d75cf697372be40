//! Roots and proofs from tiles that somebody else has fetched.

use std::collections::{BTreeMap, BTreeSet};

use super::TreeError;
use super::range::{Range, consistency_path, inclusion_path};
use super::tile::{Tile, TileId, width_at};
use crate::Hash;

/// Tiles at hand. More tiles or wider ones than needed do no harm.
pub type Tiles = BTreeMap<TileId, Tile>;

/// The tiles, with their widths, that [`root`] reads: one a level.
pub fn tiles_for_root(size: u64) -> Vec<(TileId, u16)> {
    tiles_for(&whole(size), size)
}

/// The tiles, with their widths in a tree of `size` entries, that [`inclusion_proof`] reads: at most two a level.
pub fn tiles_for_inclusion(index: u64, size: u64) -> Result<Vec<(TileId, u16)>, TreeError> {
    check_index(index, size)?;
    Ok(tiles_for(&inclusion_path(index, size), size))
}

/// The tiles, with their widths in a tree of `new` entries, that [`consistency_proof`] reads: at most two a level.
pub fn tiles_for_consistency(old: u64, new: u64) -> Result<Vec<(TileId, u16)>, TreeError> {
    check_sizes(old, new)?;
    Ok(tiles_for(&consistency_path(old, new), new))
}

/// The root of the tree of the first `size` entries (RFC 6962 §2.1), whatever the tree has grown to since.
pub fn root(size: u64, tiles: &Tiles) -> Result<Hash, TreeError> {
    match whole(size).first() {
        Some(range) => range.root(tiles),
        None => Ok(Hash::empty_root()),
    }
}

/// The proof that entry `index` is in the tree of the first `size` entries: hashes from the leaf's sibling upwards,
/// at most 64 (RFC 6962 §2.1.1).
pub fn inclusion_proof(index: u64, size: u64, tiles: &Tiles) -> Result<Vec<Hash>, TreeError> {
    check_index(index, size)?;
    roots(&inclusion_path(index, size), tiles)
}

/// The proof that the first `old` entries of the tree of `new` are the tree of `old`: at most 65 hashes (RFC 6962
/// §2.1.2).
///
/// Empty for equal sizes and for `old` = 0, as C2SP tlog-witness has it.
pub fn consistency_proof(old: u64, new: u64, tiles: &Tiles) -> Result<Vec<Hash>, TreeError> {
    check_sizes(old, new)?;
    roots(&consistency_path(old, new), tiles)
}

fn check_index(index: u64, size: u64) -> Result<(), TreeError> {
    if index < size {
        Ok(())
    } else {
        Err(TreeError::IndexOutOfRange { index, size })
    }
}

fn check_sizes(old: u64, new: u64) -> Result<(), TreeError> {
    if old <= new {
        Ok(())
    } else {
        Err(TreeError::SizesReversed { old, new })
    }
}

fn whole(size: u64) -> Vec<Range> {
    if size == 0 {
        Vec::new()
    } else {
        vec![Range { start: 0, end: size }]
    }
}

fn roots(path: &[Range], tiles: &Tiles) -> Result<Vec<Hash>, TreeError> {
    path.iter().map(|range| range.root(tiles)).collect()
}

fn tiles_for(path: &[Range], size: u64) -> Vec<(TileId, u16)> {
    let needed: BTreeSet<TileId> = path
        .iter()
        .flat_map(|range| range.pieces())
        .map(|piece| piece.id)
        .collect();
    needed
        .into_iter()
        .map(|id| (id, width_at(id.level, id.n, size)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(level: u8, n: u64) -> TileId {
        TileId { level, n }
    }

    #[test]
    fn a_root_reads_one_tile_a_level() {
        assert_eq!(tiles_for_root(0), []);
        assert_eq!(
            tiles_for_root(70_000),
            [(id(0, 273), 112), (id(1, 1), 17), (id(2, 0), 1)]
        );
        assert_eq!(tiles_for_root(256), [(id(1, 0), 1)]);
    }

    #[test]
    fn proofs_read_few_tiles_even_of_the_largest_tree() {
        let many = u64::MAX;
        assert!(tiles_for_root(many).len() <= 8);
        for index in [0, 255, 256, many / 3, many - 1] {
            assert!(tiles_for_inclusion(index, many).unwrap().len() <= 16);
            assert!(tiles_for_consistency(index, many).unwrap().len() <= 16);
        }
    }

    #[test]
    fn widths_are_those_that_the_log_serves_at_that_size() {
        assert_eq!(
            tiles_for_inclusion(0, 70_000).unwrap(),
            [
                (id(0, 0), 256),
                (id(0, 273), 112),
                (id(1, 0), 256),
                (id(1, 1), 17)
            ]
        );
        assert_eq!(
            tiles_for_consistency(300, 600).unwrap(),
            [(id(0, 1), 256), (id(0, 2), 88), (id(1, 0), 2)]
        );
    }

    #[test]
    fn proofs_outside_the_tree_are_refused() {
        let tiles = Tiles::new();
        let error = TreeError::IndexOutOfRange { index: 5, size: 5 };
        assert_eq!(tiles_for_inclusion(5, 5), Err(error));
        assert_eq!(inclusion_proof(5, 5, &tiles), Err(error));
        let error = TreeError::SizesReversed { old: 6, new: 5 };
        assert_eq!(tiles_for_consistency(6, 5), Err(error));
        assert_eq!(consistency_proof(6, 5, &tiles), Err(error));
    }

    #[test]
    fn proofs_that_need_no_tile_need_none() {
        let tiles = Tiles::new();
        assert_eq!(root(0, &tiles), Ok(Hash::empty_root()));
        assert_eq!(inclusion_proof(0, 1, &tiles), Ok(vec![]));
        assert_eq!(consistency_proof(0, 9, &tiles), Ok(vec![]));
        assert_eq!(consistency_proof(9, 9, &tiles), Ok(vec![]));
    }

    #[test]
    fn a_missing_or_narrow_tile_is_named() {
        assert_eq!(root(3, &Tiles::new()), Err(TreeError::TileMissing(id(0, 0))));
        let narrow = Tiles::from([(id(0, 0), vec![Hash::of(b"node"); 2].into())]);
        assert_eq!(
            root(3, &narrow),
            Err(TreeError::TileTooNarrow {
                id: id(0, 0),
                needed: 3,
                found: 2
            })
        );
    }
}
