//! The Merkle tree of the log: RFC 6962 over tiles of 256 nodes, as C2SP tlog-tiles lays them out.
//!
//! Node `i` of level `l` is the root over the entries `i * 256^l .. (i + 1) * 256^l`. 256 neighbours of a level make
//! one tile, whose own root is a node of the level above. The writer keeps a [`RightEdge`] and stores each
//! [`FullTile`] once; a reader asks [`tiles_for_root`], [`tiles_for_inclusion`] or [`tiles_for_consistency`] which
//! tiles it needs, fetches them by whatever means, and then computes without any further I/O.
//!
//! Inside one tile `rs_merkle` does the hashing. What lies between tiles, and every verification, is written here:
//! that crate's verifier accepts proofs for the wrong tree size.

mod bundle;
mod edge;
mod path;
mod prove;
mod range;
mod tile;
mod verify;

pub use bundle::{BundleError, MAX_ENTRY_LEN, bundle_prefix, decode_bundle, encode_bundle};
pub use edge::{FullTile, MAX_SIZE, RightEdge};
pub(crate) use path::decimal;
pub use path::{PathError, Resource, TilePath};
pub use prove::{
    Tiles, consistency_proof, inclusion_proof, root, tiles_for_consistency, tiles_for_inclusion,
    tiles_for_root,
};
pub use tile::{TILE_WIDTH, Tile, TileId, decode_tile, encode_tile, nodes_at, width_at};
pub use verify::{ProofError, root_from_inclusion, verify_consistency, verify_inclusion};

/// Why a root or a proof could not be computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// The log has fewer entries than that.
    #[error("index {index} is outside a tree of {size} entries; the last index is one below the size")]
    IndexOutOfRange {
        /// The index that was asked for.
        index: u64,
        /// The size of the tree.
        size: u64,
    },
    /// Consistency runs from a smaller tree to a larger one.
    #[error("the old size {old} is larger than the new size {new}")]
    SizesReversed {
        /// The size given as the older.
        old: u64,
        /// The size given as the newer.
        new: u64,
    },
    /// A tile that the computation needs was not handed over.
    #[error("tile {n} of level {level} is missing", n = .0.n, level = .0.level)]
    TileMissing(TileId),
    /// A tile was handed over with fewer nodes than the size of the tree implies.
    #[error("tile {n} of level {level} has {found} nodes, {needed} are needed", n = id.n, level = id.level)]
    TileTooNarrow {
        /// Which tile.
        id: TileId,
        /// How many nodes the computation reads.
        needed: u16,
        /// How many nodes there are.
        found: usize,
    },
    /// A level of a right edge does not fit the size it was given with.
    #[error(
        "level {level} of the right edge has {found} nodes, a tree of {size} entries has {expected} there"
    )]
    EdgeWidth {
        /// Which level, 0 being the entries.
        level: usize,
        /// The size of the tree.
        size: u64,
        /// `floor(size / 256^level) mod 256`.
        expected: u8,
        /// How many nodes were given.
        found: usize,
    },
    /// No log gets that large; the bound keeps every later sum inside 64 bits.
    #[error("a tree of {0} entries is larger than {max}", max = MAX_SIZE)]
    TooLarge(u64),
}
