//! Proofs: made from exactly the tiles that were asked for, equal to those of other trees, accepted by all when they
//! are right and by none when they are not.

use daybook_core::Hash;
use daybook_core::tree::{consistency_proof, inclusion_proof, tiles_for_consistency, tiles_for_inclusion};
use proptest::prelude::*;

use crate::oracles::{Consistency, CtMerkle, Inclusion, StoredHashes};
use crate::tree::{Log, entry, naive_root};

impl Log {
    fn inclusion(&self, index: u64, size: u64) -> Inclusion {
        let tiles = self.fetch(&tiles_for_inclusion(index, size).unwrap());
        let proof = inclusion_proof(index, size, &tiles).unwrap();
        Inclusion {
            entry: entry(index),
            index,
            size,
            proof,
            root: self.root_at(size),
        }
    }

    fn consistency(&self, old: u64, new: u64) -> Consistency {
        let tiles = self.fetch(&tiles_for_consistency(old, new).unwrap());
        let proof = consistency_proof(old, new, &tiles).unwrap();
        Consistency {
            old,
            old_root: self.root_at(old),
            new,
            new_root: self.root_at(new),
            proof,
        }
    }
}

fn hashes(bytes: &[u8]) -> Vec<Hash> {
    bytes
        .chunks(32)
        .map(|chunk| Hash::from_slice(chunk).unwrap())
        .collect()
}

/// PATH of RFC 6962 §2.1.1, as it is written there.
fn naive_inclusion(index: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() == 1 {
        return vec![];
    }
    let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
    let (mut path, sibling) = match index.checked_sub(left.len()) {
        None => (naive_inclusion(index, left), right),
        Some(index) => (naive_inclusion(index, right), left),
    };
    path.push(naive_root(sibling));
    path
}

/// SUBPROOF of RFC 6962 §2.1.2, as it is written there.
fn naive_consistency(old: usize, leaves: &[Hash], known: bool) -> Vec<Hash> {
    if old == leaves.len() {
        return if known { vec![] } else { vec![naive_root(leaves)] };
    }
    let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
    let (mut proof, sibling) = match old.checked_sub(left.len()) {
        None | Some(0) => (naive_consistency(old, left, known), right),
        Some(old) => (naive_consistency(old, right, false), left),
    };
    proof.push(naive_root(sibling));
    proof
}

/// Compares our proofs with theirs and lets everybody verify everybody's.
fn check(log: &Log, stored: &StoredHashes, index: u64, size: u64) {
    let claim = log.inclusion(index, size);
    assert_eq!(
        claim.proof,
        stored.inclusion(index, size),
        "inclusion of {index} in {size}"
    );
    assert!(claim.we_accept(), "inclusion of {index} in {size}");
    assert_eq!(claim.others_accept(), [true; 3], "inclusion of {index} in {size}");
    let old = index + 1;
    let claim = log.consistency(old, size);
    assert_eq!(
        claim.proof,
        stored.consistency(old, size),
        "consistency of {old} with {size}"
    );
    assert!(claim.we_accept(), "consistency of {old} with {size}");
    assert_eq!(
        claim.others_accept(),
        [true; 3],
        "consistency of {old} with {size}"
    );
}

fn log_and_stored(size: u64) -> (Log, StoredHashes) {
    let log = Log::of(size);
    let mut stored = StoredHashes::default();
    log.leaves.iter().for_each(|leaf| stored.push(*leaf));
    (log, stored)
}

#[test]
fn proofs_in_small_trees_are_those_of_others_and_accepted_by_all() {
    let (log, stored) = log_and_stored(70);
    for size in 1..=70 {
        (0..size).for_each(|index| check(&log, &stored, index, size));
    }
}

#[test]
fn proofs_about_tile_boundaries_are_those_of_others_and_accepted_by_all() {
    let (log, stored) = log_and_stored(1030);
    for size in [
        255, 256, 257, 511, 512, 513, 767, 768, 769, 1023, 1024, 1025, 1030,
    ] {
        let near = |index: &u64| [0, 1, 127, 128, 254, 255].contains(&(index % 256)) || *index + 3 > size;
        (0..size)
            .filter(near)
            .for_each(|index| check(&log, &stored, index, size));
    }
}

#[test]
fn proofs_past_the_first_tile_of_level_one_are_those_of_others_and_accepted_by_all() {
    let (log, stored) = log_and_stored(70_000);
    for size in [65_535, 65_536, 65_537, 65_792, 70_000] {
        for index in [
            0, 255, 256, 40_000, 65_279, 65_280, 65_534, 65_535, 65_536, 69_999,
        ] {
            if index < size {
                check(&log, &stored, index, size);
            }
        }
    }
}

#[test]
fn ct_merkle_makes_the_same_proofs() {
    let log = Log::of(300);
    let mut other = CtMerkle::new();
    for size in 1..=300_u64 {
        other.push(entry(size - 1));
        for index in [0, size / 3, size / 2, size - 1] {
            let theirs = other.prove_inclusion(usize::try_from(index).unwrap());
            assert_eq!(
                log.inclusion(index, size).proof,
                hashes(theirs.as_bytes()),
                "{index} in {size}"
            );
            let theirs = other.prove_consistency(usize::try_from(size - index - 1).unwrap());
            assert_eq!(
                log.consistency(index + 1, size).proof,
                hashes(theirs.as_bytes()),
                "{} to {size}",
                index + 1
            );
        }
    }
}

#[test]
fn a_claim_with_another_index_or_size_is_judged_as_others_judge_it() {
    let log = Log::of(40);
    let mut refused = 0;
    for size in 1..=20 {
        for index in 0..size {
            let right = log.inclusion(index, size);
            for (index, size) in (0..24).flat_map(|index| (0..24).map(move |size| (index, size))) {
                let claim = Inclusion {
                    index,
                    size,
                    ..right.clone()
                };
                let [tlog, sigstore, _] = claim.others_accept();
                assert_eq!([claim.we_accept(); 2], [tlog, sigstore], "{claim:?}");
                // Neither root nor proof says how large the tree is: a signed checkpoint does. Given the true size, the
                // index is not ambiguous.
                let other = size == right.size && index != right.index;
                assert!(!(other && claim.we_accept()), "{claim:?}");
                refused += usize::from(!claim.we_accept());
            }
            let right = log.consistency(index + 1, size);
            for (old, new) in (1..24).flat_map(|old| (1..24).map(move |new| (old, new))) {
                let claim = Consistency {
                    old,
                    new,
                    ..right.clone()
                };
                assert_eq!([claim.we_accept(); 3], claim.others_accept(), "{claim:?}");
            }
        }
    }
    assert!(refused > 100_000, "only {refused} claims were wrong");
}

/// One way to spoil a list of hashes; `None` where it would change nothing.
fn spoilt(proof: &[Hash], how: usize, at: prop::sample::Index, bit: u8) -> Option<Vec<Hash>> {
    let mut proof = proof.to_vec();
    let before = proof.clone();
    match how {
        0 if !proof.is_empty() => {
            let at = at.index(proof.len());
            proof[at].0[usize::from(bit / 8)] ^= 1 << (bit % 8);
        }
        1 => drop(proof.pop()),
        2 if !proof.is_empty() => drop(proof.remove(0)),
        3 => proof.insert(at.index(proof.len() + 1), Hash::of(b"more")),
        4 if !proof.is_empty() => proof.push(proof[at.index(proof.len())]),
        5 => proof.reverse(),
        _ => {}
    }
    (proof != before).then_some(proof)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn proofs_are_those_of_the_definition(size in 1_u64..800, at in any::<prop::sample::Index>()) {
        let log = Log::of(size);
        let index = at.index(log.leaves.len());
        let claim = log.inclusion(index as u64, size);
        prop_assert_eq!(&claim.proof, &naive_inclusion(index, &log.leaves));
        prop_assert!(claim.we_accept());
        let claim = log.consistency(index as u64 + 1, size);
        prop_assert_eq!(&claim.proof, &naive_consistency(index + 1, &log.leaves, true));
        prop_assert!(claim.we_accept());
    }

    #[test]
    fn a_spoilt_proof_is_refused_by_all(
        size in 1_u64..400,
        about in any::<prop::sample::Index>(),
        how in 0..6_usize,
        at in any::<prop::sample::Index>(),
        bit in any::<u8>(),
    ) {
        let log = Log::of(size);
        let index = about.index(log.leaves.len()) as u64;
        let claim = log.inclusion(index, size);
        if let Some(proof) = spoilt(&claim.proof, how, at, bit) {
            let claim = Inclusion { proof, ..claim };
            prop_assert!(!claim.we_accept());
            prop_assert_eq!(claim.others_accept(), [false; 3]);
        }
        let claim = log.consistency(index + 1, size);
        if let Some(proof) = spoilt(&claim.proof, how, at, bit) {
            let claim = Consistency { proof, ..claim };
            prop_assert!(!claim.we_accept());
            prop_assert_eq!(claim.others_accept(), [false; 3]);
        }
    }

    #[test]
    fn another_entry_or_root_is_refused_by_all(size in 2_u64..400, at in any::<prop::sample::Index>()) {
        let log = Log::of(size);
        let index = at.index(log.leaves.len()) as u64;
        let right = log.inclusion(index, size);
        let other_root = log.root_at(size - 1);
        for claim in [
            Inclusion { entry: entry(index + 1), ..right.clone() },
            Inclusion { root: other_root, ..right },
        ] {
            prop_assert!(!claim.we_accept());
            prop_assert_eq!(claim.others_accept(), [false; 3]);
        }
        let right = log.consistency(index + 1, size);
        for claim in [
            Consistency { old_root: log.root_at(index), ..right.clone() },
            Consistency { new_root: other_root, ..right.clone() },
            Consistency { old_root: right.new_root, new_root: right.old_root, ..right.clone() },
        ] {
            if claim.old_root == right.old_root && claim.new_root == right.new_root {
                continue;
            }
            prop_assert!(!claim.we_accept());
            prop_assert_eq!(claim.others_accept(), [false; 3]);
        }
    }

    #[test]
    fn any_hashes_under_any_sizes_are_judged_without_a_panic(
        index in any::<u64>(),
        size in any::<u64>(),
        hashes in prop::collection::vec(any::<[u8; 32]>(), 0..70),
    ) {
        let proof: Vec<Hash> = hashes.into_iter().map(Hash).collect();
        let root = Hash::of(b"root");
        let claim = Inclusion { entry: [0; 8], index, size, proof: proof.clone(), root };
        prop_assert!(!claim.we_accept());
        let claim = Consistency { old: index, old_root: Hash::empty_root(), new: size, new_root: root, proof };
        prop_assert!(!claim.we_accept());
    }
}
