//! Roots and tiles: a whole log in memory, compared with the definition in RFC 6962 and with two other trees.

use std::collections::BTreeMap;

use daybook_core::Hash;
use daybook_core::tree::{RightEdge, TILE_WIDTH, TileId, Tiles, root, tiles_for_root, width_at};
use proptest::prelude::*;

use crate::oracles::{CtMerkle, StoredHashes};

/// A log of entries 0, 1, 2, …, each its index in eight bytes, with every tile it has filled.
pub(crate) struct Log {
    pub(crate) edge: RightEdge,
    pub(crate) leaves: Vec<Hash>,
    full: BTreeMap<TileId, Vec<Hash>>,
}

pub(crate) fn entry(index: u64) -> [u8; 8] {
    index.to_be_bytes()
}

impl Log {
    pub(crate) fn of(size: u64) -> Self {
        let mut log = Self {
            edge: RightEdge::new(),
            leaves: Vec::new(),
            full: BTreeMap::new(),
        };
        (0..size).for_each(|_| log.append());
        log
    }

    pub(crate) fn append(&mut self) {
        let leaf = Hash::leaf(&entry(self.edge.size()));
        self.leaves.push(leaf);
        for tile in self.edge.append(leaf) {
            assert_eq!(tile.hashes.len(), usize::from(TILE_WIDTH));
            assert_eq!(
                self.full.insert(tile.id, tile.hashes),
                None,
                "a full tile is made once"
            );
        }
    }

    /// What a server reads from its store: those tiles, cut to those widths, and no other.
    pub(crate) fn fetch(&self, needed: &[(TileId, u16)]) -> Tiles {
        let partial: BTreeMap<_, _> = self
            .edge
            .partial_tiles()
            .map(|(id, nodes)| (id, nodes.to_vec()))
            .collect();
        needed
            .iter()
            .map(|(id, width)| {
                let tile = self.full.get(id).or_else(|| partial.get(id)).unwrap();
                (*id, tile[..usize::from(*width)].to_vec().into())
            })
            .collect()
    }

    pub(crate) fn root_at(&self, size: u64) -> Hash {
        root(size, &self.fetch(&tiles_for_root(size))).unwrap()
    }
}

/// MTH of RFC 6962 §2.1, as it is written there.
pub(crate) fn naive_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Hash::empty_root(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            Hash::node(&naive_root(left), &naive_root(right))
        }
    }
}

#[test]
fn roots_of_all_sizes_to_1030_are_those_of_the_definition_and_of_other_trees() {
    let mut log = Log::of(0);
    let mut stored = StoredHashes::default();
    let mut other = CtMerkle::new();
    for size in 1..=1030 {
        log.append();
        stored.push(log.leaves[log.leaves.len() - 1]);
        other.push(entry(size - 1));
        let root = naive_root(&log.leaves);
        assert_eq!(log.edge.root(), root, "edge at {size}");
        assert_eq!(log.root_at(size), root, "tiles at {size}");
        assert_eq!(stored.root(size), root, "tlog_tiles at {size}");
        assert_eq!(
            Hash(*other.root().as_bytes().as_ref()),
            root,
            "ct-merkle at {size}"
        );
    }
    // The grown log still has the root of each earlier size.
    for size in 0..=1030_usize {
        assert_eq!(
            log.root_at(size as u64),
            naive_root(&log.leaves[..size]),
            "at {size}"
        );
    }
}

#[test]
fn roots_past_the_first_tile_of_level_one_are_those_of_other_trees() {
    let checked = [
        65_280, 65_535, 65_536, 65_537, 65_791, 65_792, 65_793, 66_048, 70_000,
    ];
    let mut log = Log::of(0);
    let mut stored = StoredHashes::default();
    let mut other = CtMerkle::new();
    let mut roots = BTreeMap::new();
    for size in 1..=70_000 {
        log.append();
        stored.push(log.leaves[log.leaves.len() - 1]);
        other.push(entry(size - 1));
        if checked.contains(&size) {
            let root = log.edge.root();
            assert_eq!(stored.root(size), root, "tlog_tiles at {size}");
            assert_eq!(
                Hash(*other.root().as_bytes().as_ref()),
                root,
                "ct-merkle at {size}"
            );
            roots.insert(size, root);
        }
    }
    assert_eq!(log.edge.root(), naive_root(&log.leaves));
    for (size, root) in roots {
        assert_eq!(log.root_at(size), root, "tiles at {size}");
    }
}

#[test]
fn the_full_tiles_are_exactly_those_that_the_size_implies() {
    let log = Log::of(66_000);
    assert_eq!(log.full.len(), 257 + 1);
    for id in log.full.keys() {
        assert_eq!(width_at(id.level, id.n, 66_000), TILE_WIDTH, "{id:?}");
    }
    for (id, nodes) in log.edge.partial_tiles() {
        assert_eq!(
            usize::from(width_at(id.level, id.n, 66_000)),
            nodes.len(),
            "{id:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_leaves_have_the_root_of_the_definition(leaves in prop::collection::vec(any::<[u8; 32]>(), 0..700)) {
        let leaves: Vec<Hash> = leaves.into_iter().map(Hash).collect();
        let mut edge = RightEdge::new();
        for leaf in &leaves {
            edge.append(*leaf);
        }
        prop_assert_eq!(edge.root(), naive_root(&leaves));
        let levels = (0..2).map(|level| edge.level(level).to_vec()).collect();
        prop_assert_eq!(RightEdge::from_levels(leaves.len() as u64, levels), Ok(edge));
    }
}
