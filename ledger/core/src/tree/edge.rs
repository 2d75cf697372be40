//! The right edge: all that a writer must keep of the tree so that it can grow.

use super::TreeError;
use super::tile::{TILE_WIDTH, TileId, encode_tile, nodes_at, root_over};
use crate::Hash;

/// The largest tree that is handled: 2^63 − 1 entries, which is also the largest index that a database column holds.
pub const MAX_SIZE: u64 = i64::MAX.cast_unsigned();

/// The partial tiles of a tree, one a level: at most 255 nodes each.
///
/// Appending costs no more than the tile that it fills, the root no more than the partial tiles, however large the
/// tree is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RightEdge {
    size: u64,
    /// Level `l` holds `floor(size / 256^l) mod 256` nodes; levels that no entry has reached are absent.
    levels: Vec<Vec<Hash>>,
}

/// A tile that an append has filled, to be stored once and never changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FullTile {
    /// Which tile it is.
    pub id: TileId,
    /// Its 256 nodes.
    pub hashes: Vec<Hash>,
    /// The root over them, which is a node of the level above.
    pub root: Hash,
}

impl FullTile {
    /// The 8192 bytes of the tile, as it is stored and served.
    pub fn to_bytes(&self) -> Vec<u8> {
        encode_tile(&self.hashes)
    }
}

impl RightEdge {
    /// The edge of the tree without entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes up a stored edge again: the size, and from level 0 upwards the nodes of each partial tile.
    ///
    /// Levels that are not given count as empty. An edge whose widths do not fit the size is refused; whether the
    /// hashes are right shows only in [`RightEdge::root`], which the caller compares with the root it stored.
    pub fn from_levels(size: u64, mut levels: Vec<Vec<Hash>>) -> Result<Self, TreeError> {
        if size > MAX_SIZE {
            return Err(TreeError::TooLarge(size));
        }
        let height = (0..=u8::MAX)
            .take_while(|&level| nodes_at(level, size) > 0)
            .count();
        if levels.len() < height {
            levels.resize_with(height, Vec::new);
        }
        for (level, nodes) in levels.iter().enumerate() {
            let expected = u8::try_from(level).map_or(0, |level| nodes_at(level, size).to_le_bytes()[0]);
            if nodes.len() != usize::from(expected) {
                return Err(TreeError::EdgeWidth {
                    level,
                    size,
                    expected,
                    found: nodes.len(),
                });
            }
        }
        levels.truncate(height);
        Ok(Self { size, levels })
    }

    /// Adds one leaf hash and answers with the tiles that are full now, lowest level first; mostly none.
    ///
    /// The size cannot overflow: it starts at or below [`MAX_SIZE`] and the remaining half of the 64-bit range is
    /// more appends than any machine performs.
    pub fn append(&mut self, leaf: Hash) -> Vec<FullTile> {
        let mut filled = Vec::new();
        let mut node = leaf;
        for level in 0..u8::MAX {
            let at = usize::from(level);
            if self.levels.len() == at {
                self.levels.push(Vec::new());
            }
            let nodes = &mut self.levels[at];
            nodes.push(node);
            if nodes.len() < usize::from(TILE_WIDTH) {
                break;
            }
            let hashes = std::mem::take(nodes);
            // Before this append the level had 256 * n + 255 complete nodes.
            let id = TileId {
                level,
                n: nodes_at(level, self.size) / u64::from(TILE_WIDTH),
            };
            node = root_over(&hashes);
            filled.push(FullTile {
                id,
                hashes,
                root: node,
            });
        }
        self.size += 1;
        filled
    }

    /// How many entries the tree has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root of the tree (RFC 6962 §2.1).
    pub fn root(&self) -> Hash {
        let mut below: Option<Hash> = None;
        for nodes in &self.levels {
            // What is left over from the levels below is one incomplete node at the end of this one.
            let row: Vec<Hash> = nodes.iter().copied().chain(below).collect();
            if !row.is_empty() {
                below = Some(root_over(&row));
            }
        }
        below.unwrap_or_else(Hash::empty_root)
    }

    /// The nodes of a level's partial tile; empty where there is none.
    pub fn level(&self, level: u8) -> &[Hash] {
        self.levels.get(usize::from(level)).map_or(&[], Vec::as_slice)
    }

    /// The partial tiles that exist, lowest level first: what a store keeps to be able to go on.
    pub fn partial_tiles(&self) -> impl Iterator<Item = (TileId, &[Hash])> {
        (0..u8::MAX)
            .zip(&self.levels)
            .filter(|(_, nodes)| !nodes.is_empty())
            .map(|(level, nodes)| {
                let n = nodes_at(level, self.size) / u64::from(TILE_WIDTH);
                (TileId { level, n }, nodes.as_slice())
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grown(size: u64) -> (RightEdge, Vec<FullTile>) {
        let mut edge = RightEdge::new();
        let mut tiles = Vec::new();
        for index in 0..size {
            tiles.extend(edge.append(Hash::leaf(&index.to_be_bytes())));
        }
        (edge, tiles)
    }

    #[test]
    fn an_empty_edge_has_the_empty_root() {
        assert_eq!(RightEdge::new().root(), Hash::empty_root());
        assert_eq!(RightEdge::from_levels(0, vec![]), Ok(RightEdge::new()));
        assert_eq!(RightEdge::new().partial_tiles().count(), 0);
    }

    #[test]
    fn a_filled_tile_moves_its_root_one_level_up() {
        let (edge, tiles) = grown(256);
        assert_eq!(tiles.len(), 1);
        assert_eq!(tiles[0].id, TileId { level: 0, n: 0 });
        assert_eq!(tiles[0].to_bytes().len(), 8192);
        assert_eq!((edge.level(0), edge.level(1)), (&[][..], &[tiles[0].root][..]));
        assert_eq!(edge.root(), tiles[0].root);
    }

    #[test]
    fn the_last_leaf_of_a_level_one_tile_fills_two_tiles() {
        let (mut edge, tiles) = grown(65_535);
        assert_eq!(tiles.len(), 255);
        let filled = edge.append(Hash::leaf(b"last"));
        let ids: Vec<TileId> = filled.iter().map(|tile| tile.id).collect();
        assert_eq!(ids, [TileId { level: 0, n: 255 }, TileId { level: 1, n: 0 }]);
        assert_eq!(edge.level(2), [filled[1].root]);
        assert_eq!(edge.root(), filled[1].root);
    }

    #[test]
    fn an_edge_taken_up_again_grows_as_the_one_that_never_stopped() {
        let (mut kept, _) = grown(70_000);
        let levels = (0..3).map(|level| kept.level(level).to_vec()).collect();
        let mut again = RightEdge::from_levels(70_000, levels).unwrap();
        assert_eq!(again, kept);
        for index in 0..300_u64 {
            let leaf = Hash::leaf(&index.to_le_bytes());
            assert_eq!(kept.append(leaf), again.append(leaf));
        }
        assert_eq!(kept, again);
    }

    #[test]
    fn an_edge_that_does_not_fit_its_size_is_refused() {
        let node = Hash::of(b"node");
        let refused = |size, levels| RightEdge::from_levels(size, levels).unwrap_err();
        assert_eq!(
            refused(1, vec![]),
            TreeError::EdgeWidth {
                level: 0,
                size: 1,
                expected: 1,
                found: 0
            }
        );
        assert_eq!(
            refused(256, vec![vec![node; 256]]),
            TreeError::EdgeWidth {
                level: 0,
                size: 256,
                expected: 0,
                found: 256
            }
        );
        assert_eq!(
            refused(1, vec![vec![node], vec![node]]),
            TreeError::EdgeWidth {
                level: 1,
                size: 1,
                expected: 0,
                found: 1
            }
        );
        assert_eq!(refused(MAX_SIZE + 1, vec![]), TreeError::TooLarge(MAX_SIZE + 1));
        assert!(RightEdge::from_levels(1, vec![vec![node], vec![], vec![]]).is_ok());
    }

    #[test]
    fn the_partial_tiles_are_numbered_by_the_size() {
        let (edge, _) = grown(70_000);
        let tiles: Vec<_> = edge
            .partial_tiles()
            .map(|(id, nodes)| (id.level, id.n, nodes.len()))
            .collect();
        assert_eq!(tiles, [(0, 273, 112), (1, 1, 17), (2, 0, 1)]);
    }
}
