//! Which nodes of which tiles make up the root over a range of entries.

use super::TreeError;
use super::prove::Tiles;
use super::tile::TileId;
use crate::Hash;

/// Entries `start..end` that RFC 6962 hashes as one subtree: never empty, `start` a multiple of the least power of two
/// that is not below the length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) start: u64,
    pub(super) end: u64,
}

/// Neighbouring nodes of one tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) id: TileId,
    pub(super) from: u16,
    /// One past the last node: at most 256.
    pub(super) to: u16,
}

impl Range {
    /// The pieces whose nodes make up the range, the lowest level, which is the rightmost part, first.
    pub(super) fn pieces(self) -> Vec<Piece> {
        let Self { start, end } = self;
        let len = end - start;
        if len.is_power_of_two() {
            // A complete subtree of height h: 2^(h mod 8) nodes of one tile.
            let height = len.ilog2();
            let first = start >> (height / 8 * 8);
            let from = u16::from(low_byte(first));
            let id = TileId {
                level: low_byte(u64::from(height / 8)),
                n: first >> 8,
            };
            return vec![Piece {
                id,
                from,
                to: from + (1 << (height % 8)),
            }];
        }
        (0..8_u8)
            .filter_map(|level| {
                let (first, last) = (start >> (8 * level), end >> (8 * level));
                // Lower levels hold what is right of the last full tile; the alignment of `start` sees to it that only
                // the topmost level can begin inside a tile.
                let from = first.max(last & !0xff);
                let id = TileId { level, n: last >> 8 };
                (from < last).then(|| Piece {
                    id,
                    from: low_byte(from).into(),
                    to: low_byte(last).into(),
                })
            })
            .collect()
    }

    /// The root over the range, from tiles that hold at least its pieces.
    pub(super) fn root(self, tiles: &Tiles) -> Result<Hash, TreeError> {
        let mut below: Option<Hash> = None;
        for piece in self.pieces() {
            below = Some(piece.root(tiles, below)?);
        }
        Ok(below.unwrap_or_else(Hash::empty_root))
    }
}

impl Piece {
    /// The root over its nodes and, behind them, what lies below.
    fn root(self, tiles: &Tiles, below: Option<Hash>) -> Result<Hash, TreeError> {
        let tile = tiles.get(&self.id).ok_or(TreeError::TileMissing(self.id))?;
        tile.root_over(self.from, self.to, below)
            .ok_or(TreeError::TileTooNarrow {
                id: self.id,
                needed: self.to,
                found: tile.width(),
            })
    }
}

/// The subtrees whose roots are the inclusion proof of `index`, the leaf's sibling first (RFC 6962 §2.1.1).
pub(super) fn inclusion_path(index: u64, size: u64) -> Vec<Range> {
    let (mut start, mut end) = (0, size);
    let mut path = Vec::new();
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            path.push(Range { start: middle, end });
            end = middle;
        } else {
            path.push(Range { start, end: middle });
            start = middle;
        }
    }
    path.reverse();
    path
}

/// The subtrees whose roots are the consistency proof from `old` to `new`, in the order of RFC 6962 §2.1.2.
///
/// Empty for `old` = 0 and for equal sizes. `old` is at most `new`.
pub(super) fn consistency_path(old: u64, new: u64) -> Vec<Range> {
    let mut path = Vec::new();
    if old == 0 || old == new {
        return path;
    }
    let (mut start, mut end) = (0, new);
    while old != end {
        let middle = start + split(end - start);
        if old <= middle {
            path.push(Range { start: middle, end });
            end = middle;
        } else {
            path.push(Range { start, end: middle });
            start = middle;
        }
    }
    // A subtree at the left border is the whole old tree, whose root the verifier has.
    if start > 0 {
        path.push(Range { start, end });
    }
    path.reverse();
    path
}

/// The largest power of two below `len`; `len` is at least 2.
fn split(len: u64) -> u64 {
    1 << (len - 1).ilog2()
}

fn low_byte(number: u64) -> u8 {
    number.to_le_bytes()[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(start: u64, end: u64) -> Vec<(u8, u64, u16, u16)> {
        Range { start, end }
            .pieces()
            .iter()
            .map(|p| (p.id.level, p.id.n, p.from, p.to))
            .collect()
    }

    #[test]
    fn a_complete_subtree_is_one_piece() {
        assert_eq!(pieces(0, 1), [(0, 0, 0, 1)]);
        assert_eq!(pieces(255, 256), [(0, 0, 255, 256)]);
        assert_eq!(pieces(128, 256), [(0, 0, 128, 256)]);
        assert_eq!(pieces(256, 512), [(1, 0, 1, 2)]);
        assert_eq!(pieces(0, 65_536), [(2, 0, 0, 1)]);
        assert_eq!(pieces(0, 1 << 63), [(7, 0, 0, 128)]);
    }

    #[test]
    fn a_ragged_range_takes_one_piece_a_level() {
        assert_eq!(pieces(0, 70_000), [(0, 273, 0, 112), (1, 1, 0, 17), (2, 0, 0, 1)]);
        assert_eq!(pieces(0, 768), [(1, 0, 0, 3)]);
        assert_eq!(pieces(128, 200), [(0, 0, 128, 200)]);
    }
}
