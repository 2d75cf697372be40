//! Other implementations of the same tree, behind one face.

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ct_merkle::{ConsistencyProof, InclusionProof, RootHash};
use daybook_core::Hash;
use daybook_core::tree::{verify_consistency, verify_inclusion};
use sha2::Sha256;

/// The tree of `ct-merkle`.
pub(crate) type CtMerkle = MemoryBackedTree<Sha256, [u8; 8]>;

/// The hashes that `tlog_tiles` keeps of a tree, in its own order.
#[derive(Default)]
pub(crate) struct StoredHashes {
    hashes: Vec<tlog_tiles::Hash>,
    size: u64,
}

impl StoredHashes {
    pub(crate) fn push(&mut self, leaf: Hash) {
        let more =
            tlog_tiles::stored_hashes_for_record_hash(self.size, tlog_tiles::Hash(leaf.0), self).unwrap();
        self.hashes.extend(more);
        self.size += 1;
    }

    pub(crate) fn root(&self, size: u64) -> Hash {
        Hash(tlog_tiles::tree_hash(size, self).unwrap().0)
    }

    pub(crate) fn inclusion(&self, index: u64, size: u64) -> Vec<Hash> {
        ours(&tlog_tiles::prove_record(size, index, self).unwrap())
    }

    pub(crate) fn consistency(&self, old: u64, new: u64) -> Vec<Hash> {
        ours(&tlog_tiles::prove_tree(new, old, self).unwrap())
    }
}

impl tlog_tiles::HashReader for StoredHashes {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::Hash>, tlog_tiles::Error> {
        Ok(indexes
            .iter()
            .map(|&index| self.hashes[usize::try_from(index).unwrap()])
            .collect())
    }
}

fn ours(hashes: &[tlog_tiles::Hash]) -> Vec<Hash> {
    hashes.iter().map(|hash| Hash(hash.0)).collect()
}

fn theirs(hashes: &[Hash]) -> Vec<tlog_tiles::Hash> {
    hashes.iter().map(|hash| tlog_tiles::Hash(hash.0)).collect()
}

/// Into the hash type of `sigstore-merkle`, which lives in a crate that we do not name.
fn sigstore<T: for<'a> TryFrom<&'a [u8]>>(hash: &Hash) -> T {
    T::try_from(&hash.0[..]).ok().unwrap()
}

/// What somebody says about an entry.
#[derive(Clone, Debug)]
pub(crate) struct Inclusion {
    pub(crate) entry: [u8; 8],
    pub(crate) index: u64,
    pub(crate) size: u64,
    pub(crate) proof: Vec<Hash>,
    pub(crate) root: Hash,
}

/// What somebody says about two trees.
#[derive(Clone, Debug)]
pub(crate) struct Consistency {
    pub(crate) old: u64,
    pub(crate) old_root: Hash,
    pub(crate) new: u64,
    pub(crate) new_root: Hash,
    pub(crate) proof: Vec<Hash>,
}

impl Inclusion {
    pub(crate) fn we_accept(&self) -> bool {
        let leaf = Hash::leaf(&self.entry);
        verify_inclusion(&leaf, self.index, self.size, &self.proof, &self.root).is_ok()
    }

    /// `tlog_tiles`, `sigstore-merkle`, `ct-merkle`.
    pub(crate) fn others_accept(&self) -> [bool; 3] {
        let leaf = Hash::leaf(&self.entry);
        let root = tlog_tiles::Hash(self.root.0);
        let leaf_there = tlog_tiles::Hash(leaf.0);
        let proof: Vec<_> = self.proof.iter().map(sigstore).collect();
        let bytes = self.proof.iter().flat_map(|hash| hash.0).collect();
        [
            tlog_tiles::check_record(&theirs(&self.proof), self.size, root, self.index, leaf_there).is_ok(),
            sigstore_merkle::verify_inclusion_proof(
                &sigstore(&leaf),
                self.index,
                self.size,
                &proof,
                &sigstore(&self.root),
            )
            .is_ok(),
            RootHash::<Sha256>::new(self.root.0.into(), self.size)
                .verify_inclusion(
                    &self.entry,
                    self.index,
                    &InclusionProof::try_from_bytes(bytes).unwrap(),
                )
                .is_ok(),
        ]
    }
}

impl Consistency {
    pub(crate) fn we_accept(&self) -> bool {
        verify_consistency(self.old, &self.old_root, self.new, &self.new_root, &self.proof).is_ok()
    }

    /// `tlog_tiles`, `sigstore-merkle`, `ct-merkle`; for an old tree that is not empty.
    pub(crate) fn others_accept(&self) -> [bool; 3] {
        let (old_root, new_root) = (
            tlog_tiles::Hash(self.old_root.0),
            tlog_tiles::Hash(self.new_root.0),
        );
        let proof: Vec<_> = self.proof.iter().map(sigstore).collect();
        let bytes = self.proof.iter().flat_map(|hash| hash.0).collect();
        [
            tlog_tiles::check_tree(&theirs(&self.proof), self.new, new_root, self.old, old_root).is_ok(),
            sigstore_merkle::verify_consistency_proof(
                self.old,
                self.new,
                &proof,
                &sigstore(&self.old_root),
                &sigstore(&self.new_root),
            )
            .is_ok(),
            RootHash::<Sha256>::new(self.new_root.0.into(), self.new)
                .verify_consistency(
                    &RootHash::new(self.old_root.0.into(), self.old),
                    &ConsistencyProof::try_from_bytes(bytes).unwrap(),
                )
                .is_ok(),
        ]
    }
}
