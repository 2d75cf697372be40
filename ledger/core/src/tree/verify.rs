//! Verification of proofs (RFC 9162 §2.1.3.2 and §2.1.4.2), every length checked.

use crate::Hash;

/// Why a proof proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// No entry has that index in a tree of that size.
    #[error("index {index} is outside a tree of {size} entries; the last index is one below the size")]
    IndexOutOfRange {
        /// The index of the entry.
        index: u64,
        /// The size of the tree.
        size: u64,
    },
    /// A log never shrinks.
    #[error("the old tree has {old} entries, more than the {new} of the new one")]
    SizesReversed {
        /// The size given as the older.
        old: u64,
        /// The size given as the newer.
        new: u64,
    },
    /// Fewer hashes than those sizes need.
    #[error("the proof has too few hashes for these sizes")]
    TooShort,
    /// More hashes than those sizes need.
    #[error("the proof has more hashes than these sizes need")]
    TooLong,
    /// The hashes lead to another root.
    #[error("the proof does not lead to the root of the tree")]
    RootDiffers,
    /// The hashes, or the size alone, say that the old tree had another root.
    #[error("the proof does not lead to the root of the old tree")]
    OldRootDiffers,
    /// The hashes, or the size alone, say that the new tree has another root.
    #[error("the proof does not lead to the root of the new tree")]
    NewRootDiffers,
}

/// Checks that `leaf`, a leaf hash, stands at `index` of the tree of `size` entries with that root.
///
/// Size and root must come together from one signed checkpoint: neither root nor proof says how large the tree is.
///
/// # Errors
/// An index outside the tree, a proof of any other length than the sizes imply, or one that leads elsewhere (RFC 9162
/// §2.1.3.2).
pub fn verify_inclusion(
    leaf: &Hash,
    index: u64,
    size: u64,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    if root_from_inclusion(leaf, index, size, proof)? == *root {
        Ok(())
    } else {
        Err(ProofError::RootDiffers)
    }
}

/// The root to which an inclusion proof leads; it proves nothing until it is compared with one that is trusted.
///
/// # Errors
/// An index outside the tree, or a proof of any other length than index and size imply.
pub fn root_from_inclusion(leaf: &Hash, index: u64, size: u64, proof: &[Hash]) -> Result<Hash, ProofError> {
    if index >= size {
        return Err(ProofError::IndexOutOfRange { index, size });
    }
    let mut walk = Walk {
        node: index,
        last: size - 1,
    };
    let mut root = *leaf;
    for sibling in proof {
        root = match walk.step()? {
            Side::Left => Hash::node(sibling, &root),
            Side::Right => Hash::node(&root, sibling),
        };
    }
    walk.finish()?;
    Ok(root)
}

/// Checks that the tree of `old_size` entries is the beginning of the tree of `new_size` entries.
///
/// Each size and its root must come together from one signed checkpoint, as in [`verify_inclusion`].
/// For equal sizes the roots must be equal and the proof empty. For `old_size` = 0 the proof must be empty and the old
/// root that of no entries (C2SP tlog-witness); that says nothing about the new root, unless it is of no entries too.
///
/// # Errors
/// A shrinking tree, a proof of any other length than the sizes imply, or one that leads elsewhere (RFC 9162
/// §2.1.4.2).
pub fn verify_consistency(
    old_size: u64,
    old_root: &Hash,
    new_size: u64,
    new_root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if old_size > new_size {
        return Err(ProofError::SizesReversed {
            old: old_size,
            new: new_size,
        });
    }
    if old_size == 0 || old_size == new_size {
        return verify_without_proof(old_size, old_root, new_size, new_root, proof);
    }
    // The proof begins with the largest complete subtree at the old tree's right end; when that is the whole old tree,
    // the verifier has it already and it is left out.
    let (first, rest) = if old_size.is_power_of_two() {
        (old_root, proof)
    } else {
        proof.split_first().ok_or(ProofError::TooShort)?
    };
    let height = old_size.trailing_zeros();
    let mut walk = Walk {
        node: (old_size - 1) >> height,
        last: (new_size - 1) >> height,
    };
    let (mut old, mut new) = (*first, *first);
    for sibling in rest {
        match walk.step()? {
            Side::Left => {
                old = Hash::node(sibling, &old);
                new = Hash::node(sibling, &new);
            }
            Side::Right => new = Hash::node(&new, sibling),
        }
    }
    walk.finish()?;
    if old != *old_root {
        return Err(ProofError::OldRootDiffers);
    }
    if new != *new_root {
        return Err(ProofError::NewRootDiffers);
    }
    Ok(())
}

fn verify_without_proof(
    old_size: u64,
    old_root: &Hash,
    new_size: u64,
    new_root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if !proof.is_empty() {
        return Err(ProofError::TooLong);
    }
    if old_size == 0 && *old_root != Hash::empty_root() {
        return Err(ProofError::OldRootDiffers);
    }
    if old_size == new_size && old_root != new_root {
        return Err(ProofError::NewRootDiffers);
    }
    Ok(())
}

/// On which side of the node at hand its sibling stands.
enum Side {
    Left,
    Right,
}

/// The way from a node to the root: its number and that of the last node, on the level at hand.
struct Walk {
    node: u64,
    last: u64,
}

impl Walk {
    /// Moves up by one hash of the proof.
    fn step(&mut self) -> Result<Side, ProofError> {
        if self.last == 0 {
            return Err(ProofError::TooLong);
        }
        let side = if self.node % 2 == 1 || self.node == self.last {
            // The last node of a level of odd length has no sibling there and moves up unchanged.
            while self.node.is_multiple_of(2) && self.node != 0 {
                self.up();
            }
            Side::Left
        } else {
            Side::Right
        };
        self.up();
        Ok(side)
    }

    fn up(&mut self) {
        self.node >>= 1;
        self.last >>= 1;
    }

    /// The root is reached when the level has one node only.
    fn finish(&self) -> Result<(), ProofError> {
        if self.last == 0 {
            Ok(())
        } else {
            Err(ProofError::TooShort)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(name: u8) -> Hash {
        Hash::leaf(&[name])
    }

    #[test]
    fn a_tree_of_three_by_hand() {
        let [a, b, c] = [leaf(0), leaf(1), leaf(2)];
        let ab = Hash::node(&a, &b);
        let root = Hash::node(&ab, &c);
        assert_eq!(verify_inclusion(&a, 0, 3, &[b, c], &root), Ok(()));
        assert_eq!(verify_inclusion(&c, 2, 3, &[ab], &root), Ok(()));
        assert_eq!(verify_inclusion(&c, 2, 3, &[], &root), Err(ProofError::TooShort));
        assert_eq!(
            verify_inclusion(&c, 2, 3, &[ab, ab], &root),
            Err(ProofError::TooLong)
        );
        assert_eq!(
            verify_inclusion(&b, 2, 3, &[ab], &root),
            Err(ProofError::RootDiffers)
        );
        assert_eq!(
            verify_inclusion(&c, 3, 3, &[ab], &root),
            Err(ProofError::IndexOutOfRange { index: 3, size: 3 })
        );
        assert_eq!(verify_consistency(2, &ab, 3, &root, &[c]), Ok(()));
        assert_eq!(verify_consistency(1, &a, 3, &root, &[b, c]), Ok(()));
        assert_eq!(
            verify_consistency(1, &a, 3, &root, &[b]),
            Err(ProofError::TooShort)
        );
        assert_eq!(
            verify_consistency(1, &b, 3, &root, &[b, c]),
            Err(ProofError::NewRootDiffers)
        );
    }

    #[test]
    fn the_only_leaf_is_the_root() {
        assert_eq!(verify_inclusion(&leaf(0), 0, 1, &[], &leaf(0)), Ok(()));
        assert_eq!(
            verify_inclusion(&leaf(0), 0, 1, &[leaf(0)], &leaf(0)),
            Err(ProofError::TooLong)
        );
        assert_eq!(
            verify_inclusion(&leaf(0), 0, 0, &[], &leaf(0)),
            Err(ProofError::IndexOutOfRange { index: 0, size: 0 })
        );
    }

    #[test]
    fn from_nothing_the_proof_is_empty_and_the_old_root_that_of_nothing() {
        let (empty, root) = (Hash::empty_root(), leaf(0));
        assert_eq!(verify_consistency(0, &empty, 0, &empty, &[]), Ok(()));
        assert_eq!(verify_consistency(0, &empty, 1, &root, &[]), Ok(()));
        assert_eq!(
            verify_consistency(0, &empty, 0, &root, &[]),
            Err(ProofError::NewRootDiffers)
        );
        assert_eq!(
            verify_consistency(0, &root, 1, &root, &[]),
            Err(ProofError::OldRootDiffers)
        );
        assert_eq!(
            verify_consistency(0, &empty, 1, &root, &[root]),
            Err(ProofError::TooLong)
        );
    }

    #[test]
    fn at_one_size_only_one_root_is_consistent() {
        assert_eq!(verify_consistency(5, &leaf(0), 5, &leaf(0), &[]), Ok(()));
        assert_eq!(
            verify_consistency(5, &leaf(0), 5, &leaf(1), &[]),
            Err(ProofError::NewRootDiffers)
        );
        assert_eq!(
            verify_consistency(5, &leaf(0), 5, &leaf(0), &[leaf(0)]),
            Err(ProofError::TooLong)
        );
        assert_eq!(
            verify_consistency(6, &leaf(0), 5, &leaf(0), &[]),
            Err(ProofError::SizesReversed { old: 6, new: 5 })
        );
        assert_eq!(
            verify_consistency(3, &leaf(0), 5, &leaf(0), &[]),
            Err(ProofError::TooShort)
        );
    }

    #[test]
    fn the_largest_sizes_do_not_overflow() {
        let proof = [leaf(0); 64];
        assert!(root_from_inclusion(&leaf(0), 0, u64::MAX, &proof).is_ok());
        assert!(root_from_inclusion(&leaf(0), u64::MAX - 1, u64::MAX, &proof).is_err());
        assert_eq!(
            verify_consistency(1 << 63, &leaf(0), u64::MAX, &leaf(0), &proof),
            Err(ProofError::TooLong)
        );
    }
}
