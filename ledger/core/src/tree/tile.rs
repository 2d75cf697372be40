//! Tiles: which there are for a size, what their bytes are, and the root over the nodes of one.

use rs_merkle::{Hasher, MerkleTree};

use crate::Hash;

/// How many nodes a full tile has.
pub const TILE_WIDTH: u16 = 256;

/// Which tile: its level, 0 being the leaf hashes, and its number within that level from the left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileId {
    /// 0 for leaf hashes; a node of level `l` covers `256^l` entries.
    pub level: u8,
    /// Number of the tile within its level, from 0.
    pub n: u64,
}

/// The nodes of a tile from the left, with the roots over what is complete of them: pairs, fours, and so on up to all 256.
///
/// They are 255 hashes once, where each proof would take as many: of a tile one often asks for many proofs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tile {
    /// Row `h` holds the roots over `2^h` nodes each.
    rows: Vec<Vec<Hash>>,
}

impl From<Vec<Hash>> for Tile {
    /// Of 1 to 256 nodes.
    fn from(nodes: Vec<Hash>) -> Self {
        let mut rows = vec![nodes];
        while let Some(row) = rows.last() {
            let (pairs, _) = row.as_chunks::<2>();
            let above: Vec<Hash> = pairs
                .iter()
                .map(|[left, right]| Hash::node(left, right))
                .collect();
            if above.is_empty() {
                break;
            }
            rows.push(above);
        }
        Self { rows }
    }
}

impl Tile {
    /// How many nodes there are.
    pub fn width(&self) -> usize {
        self.rows.first().map_or(0, Vec::len)
    }

    /// The RFC 6962 root over the nodes `from..to` and, behind them, what lies below; `None` where there are no such nodes.
    ///
    /// `from` is a multiple of the least power of two that is not below their number.
    pub(super) fn root_over(&self, from: u16, to: u16, below: Option<Hash>) -> Option<Hash> {
        let (mut parts, mut at) = (Vec::new(), usize::from(from));
        let end = usize::from(to);
        while at < end {
            let height = (end - at).ilog2();
            parts.push(*self.rows.get(height as usize)?.get(at >> height)?);
            at += 1 << height;
        }
        let parts = parts.into_iter().rev();
        parts.fold(below, |right, left| {
            Some(right.map_or(left, |right| Hash::node(&left, &right)))
        })
    }
}

/// How many complete nodes a level has in a tree of `size` entries: `floor(size / 256^level)`.
pub fn nodes_at(level: u8, size: u64) -> u64 {
    size.checked_shr(8 * u32::from(level)).unwrap_or(0)
}

/// How many nodes of a tile exist in a tree of `size` entries: 0 to 256.
///
/// 0 means that the tile does not exist at that size, 256 that it is full (C2SP tlog-tiles, "Partial Tiles").
pub fn width_at(level: u8, n: u64, size: u64) -> u16 {
    let Some(start) = n.checked_mul(u64::from(TILE_WIDTH)) else {
        return 0;
    };
    let behind_start = nodes_at(level, size).saturating_sub(start);
    u16::try_from(behind_start).unwrap_or(u16::MAX).min(TILE_WIDTH)
}

/// Writes the bytes of a tile: its nodes one after the other, 32 bytes each.
pub fn encode_tile(nodes: &[Hash]) -> Vec<u8> {
    nodes.iter().flat_map(|node| node.0).collect()
}

/// Reads the bytes of a tile: 1 to 256 nodes of 32 bytes; any other length is `None`.
pub fn decode_tile(bytes: &[u8]) -> Option<Vec<Hash>> {
    let (nodes, rest) = bytes.as_chunks::<32>();
    let fits = rest.is_empty() && (1..=usize::from(TILE_WIDTH)).contains(&nodes.len());
    fits.then(|| nodes.iter().copied().map(Hash).collect())
}

/// RFC 6962's node hash in the shape that `rs_merkle` wants; a node without a right neighbour moves up unchanged.
#[derive(Clone)]
struct Rfc6962;

impl Hasher for Rfc6962 {
    type Hash = [u8; 32];

    fn hash(data: &[u8]) -> [u8; 32] {
        Hash::leaf(data).0
    }

    fn concat_and_hash(left: &[u8; 32], right: Option<&[u8; 32]>) -> [u8; 32] {
        right.map_or(*left, |right| Hash::node(&Hash(*left), &Hash(*right)).0)
    }
}

/// The RFC 6962 root over at most 256 nodes that are already hashes (§2.1).
///
/// The way of what appends, which needs each root once. Proofs have [`Tile`]; a test holds the two to each other.
pub(super) fn root_over(nodes: &[Hash]) -> Hash {
    debug_assert!(
        nodes.len() <= usize::from(TILE_WIDTH),
        "rs_merkle is for one tile only"
    );
    let leaves: Vec<[u8; 32]> = nodes.iter().map(|node| node.0).collect();
    // `rs_merkle` has no root for no leaves; RFC 6962 has.
    MerkleTree::<Rfc6962>::from_leaves(&leaves)
        .root()
        .map_or_else(Hash::empty_root, Hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_follow_the_example_of_the_specification() {
        assert_eq!(width_at(0, 272, 70_000), 256);
        assert_eq!(width_at(0, 273, 70_000), 112);
        assert_eq!(width_at(0, 274, 70_000), 0);
        assert_eq!(width_at(1, 0, 70_000), 256);
        assert_eq!(width_at(1, 1, 70_000), 17);
        assert_eq!(width_at(2, 0, 70_000), 1);
        assert_eq!(width_at(3, 0, 70_000), 0);
        assert_eq!((width_at(0, 0, 256), width_at(1, 0, 256)), (256, 1));
    }

    #[test]
    fn widths_at_the_ends_of_the_number_range_do_not_overflow() {
        assert_eq!(width_at(0, u64::MAX, u64::MAX), 0);
        assert_eq!(width_at(63, 0, u64::MAX), 0);
        assert_eq!(width_at(8, 0, u64::MAX), 0);
        assert_eq!(width_at(7, 0, u64::MAX), 255);
        assert_eq!(width_at(0, u64::MAX / 256, u64::MAX), 255);
    }

    #[test]
    fn a_tile_is_read_only_at_a_whole_number_of_nodes() {
        let nodes = vec![Hash::of(b"a"), Hash::of(b"b")];
        let bytes = encode_tile(&nodes);
        assert_eq!(decode_tile(&bytes), Some(nodes));
        assert_eq!(decode_tile(&bytes[..63]), None);
        assert_eq!(decode_tile(&[]), None);
        assert_eq!(decode_tile(&[0; 257 * 32]), None);
        assert_eq!(decode_tile(&[0; 256 * 32]).map(|nodes| nodes.len()), Some(256));
    }

    #[test]
    fn roots_within_a_tile_are_those_over_its_nodes() {
        let nodes: Vec<Hash> = (0..=u8::MAX).map(|n| Hash::leaf(&[n])).collect();
        let below = Hash::leaf(b"below");
        for width in [1, 2, 3, 7, 128, 200, 255, 256] {
            let tile = Tile::from(nodes[..width].to_vec());
            assert_eq!(tile.width(), width);
            for length in 1..=width {
                let step = length.next_power_of_two();
                for from in (0..=width - length).step_by(step) {
                    let row = &nodes[from..from + length];
                    let [start, end] = [from, from + length].map(|at| u16::try_from(at).unwrap());
                    assert_eq!(tile.root_over(start, end, None), Some(root_over(row)));
                    let longer = [row, &[below]].concat();
                    if longer.len() <= 256 {
                        let root = tile.root_over(start, end, Some(below));
                        assert_eq!(root, Some(root_over(&longer)), "{from} {length}");
                    }
                }
            }
            let end = u16::try_from(width).unwrap();
            assert_eq!(tile.root_over(0, end + 1, None), None);
        }
    }

    #[test]
    fn root_over_few_nodes_is_that_of_rfc_6962() {
        let [a, b, c] = [Hash::leaf(b"a"), Hash::leaf(b"b"), Hash::leaf(b"c")];
        assert_eq!(root_over(&[]), Hash::empty_root());
        assert_eq!(root_over(&[a]), a);
        assert_eq!(root_over(&[a, b, c]), Hash::node(&Hash::node(&a, &b), &c));
    }
}
