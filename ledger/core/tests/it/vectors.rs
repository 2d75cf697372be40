//! Proofs from another project, right and wrong: `tests/vectors/README` says whose.

use daybook_core::Hash;
use daybook_core::tree::{verify_consistency, verify_inclusion};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct InclusionVector {
    name: String,
    holds: bool,
    leaf_idx: u64,
    tree_size: u64,
    leaf_hash: String,
    root: String,
    proof: Vec<String>,
}

#[derive(Deserialize)]
struct ConsistencyVector {
    name: String,
    holds: bool,
    size1: u64,
    size2: u64,
    root1: String,
    root2: String,
    proof: Vec<String>,
}

fn hashes(proof: &[String]) -> Option<Vec<Hash>> {
    proof.iter().map(|hash| Hash::from_base64(hash)).collect()
}

#[test]
fn inclusion_is_judged_as_the_vectors_say() {
    let vectors: Vec<InclusionVector> =
        serde_json::from_str(include_str!("../../../../tests/vectors/rfc6962/inclusion.json")).unwrap();
    assert_eq!(
        (
            vectors.len(),
            vectors.iter().filter(|vector| vector.holds).count()
        ),
        (98, 6)
    );
    for vector in vectors {
        // What is not 32 bytes cannot even be said in this interface.
        let judged = || {
            let (leaf, root) = (
                Hash::from_base64(&vector.leaf_hash)?,
                Hash::from_base64(&vector.root)?,
            );
            let proof = hashes(&vector.proof)?;
            verify_inclusion(&leaf, vector.leaf_idx, vector.tree_size, &proof, &root).ok()
        };
        assert_eq!(judged().is_some(), vector.holds, "{}", vector.name);
    }
}

#[test]
fn consistency_is_judged_as_the_vectors_say() {
    let vectors: Vec<ConsistencyVector> =
        serde_json::from_str(include_str!("../../../../tests/vectors/rfc6962/consistency.json")).unwrap();
    assert_eq!(
        (
            vectors.len(),
            vectors.iter().filter(|vector| vector.holds).count()
        ),
        (97, 5)
    );
    for vector in vectors {
        let judged = || {
            let (old, new) = (
                Hash::from_base64(&vector.root1)?,
                Hash::from_base64(&vector.root2)?,
            );
            verify_consistency(vector.size1, &old, vector.size2, &new, &hashes(&vector.proof)?).ok()
        };
        assert_eq!(judged().is_some(), vector.holds, "{}", vector.name);
    }
}
