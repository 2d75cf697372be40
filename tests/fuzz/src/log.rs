//! Targets for what the log publishes.

use std::sync::LazyLock;

use daybook_core::Hash;
use daybook_core::checkpoint::Checkpoint;
use daybook_core::cosignature::{WitnessKey, cosigned};
use daybook_core::note::{Note, NoteSigner, VerifierKey};
use daybook_core::proof_file::ProofFile;
use daybook_core::tree::{TilePath, bundle_prefix, decode_bundle, encode_bundle, width_at};
use daybook_core::trust::TrustPolicy;
use daybook_core::witness::AddCheckpoint;

/// The log whose signatures some seeds carry; its key is 32 bytes of 1.
const ORIGIN: &str = "log.example/daybook";

static KEYS: LazyLock<Vec<VerifierKey>> = LazyLock::new(|| {
    let signer = ORIGIN
        .parse()
        .and_then(|name| NoteSigner::from_seed(name, &[1; 32]));
    signer.iter().map(|signer| signer.verifier().clone()).collect()
});

/// Reads a signed note and verifies it.
///
/// # Panics
/// When an accepted note is not written as it was read.
pub fn note(data: &[u8]) {
    let Ok(note) = Note::parse(data) else { return };
    assert_eq!(note.to_string().as_bytes(), data, "a note has one spelling");
    if let Ok(keys) = note.verify(&KEYS) {
        assert!(!keys.is_empty(), "a verified note names a key");
    }
}

/// Reads a verifier key.
///
/// # Panics
/// When an accepted key is not written as it was read.
pub fn vkey(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let Ok(key) = text.parse::<VerifierKey>() else {
        return;
    };
    assert_eq!(key.to_string(), text, "a verifier key has one spelling");
    assert_eq!(
        VerifierKey::new(key.name().clone(), key.public_key()),
        Ok(key),
        "the id follows from the key"
    );
}

/// Reads the text of a checkpoint.
///
/// # Panics
/// When an accepted checkpoint is not written as it was read.
pub fn checkpoint(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let Ok(checkpoint) = Checkpoint::parse(text) else {
        return;
    };
    assert_eq!(checkpoint.to_string(), text, "a checkpoint has one spelling");
    if checkpoint.extensions().is_empty() {
        let again = Checkpoint::new(checkpoint.origin(), checkpoint.size(), *checkpoint.root());
        assert_eq!(again, Ok(checkpoint), "what is read can be made");
    }
}

/// Reads a proof file and verifies it.
///
/// # Panics
/// When an accepted file is not written as it was read.
pub fn proof_file(data: &[u8]) {
    let Ok(file) = ProofFile::parse(data) else { return };
    assert_eq!(file.to_string().as_bytes(), data, "a proof file has one spelling");
    for key in KEYS.iter() {
        if let Ok(checkpoint) = file.verify(&Hash::leaf(b"entry"), key, ORIGIN) {
            assert!(
                file.index() < checkpoint.size(),
                "what is proved is inside the tree"
            );
        }
    }
}

/// Reads the path of a tile or bundle.
///
/// # Panics
/// When an accepted path is not written as it was read, or does not exist where its width does.
pub fn tile_path(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let Ok(path) = text.parse::<TilePath>() else {
        return;
    };
    assert_eq!(path.to_string(), text, "a path has one spelling");
    assert_eq!(
        TilePath::new(path.resource(), path.width()),
        Ok(path),
        "what is read can be made"
    );
    let id = path.tile();
    for size in [0, 1, 70_000, u64::MAX] {
        assert_eq!(
            path.exists_at(size),
            width_at(id.level, id.n, size) >= path.width(),
            "exists at {size}"
        );
    }
}

/// Reads an entry bundle and cuts it.
///
/// # Panics
/// When an accepted bundle is not written as it was read, or a part of it is not a bundle of its first entries.
pub fn bundle(data: &[u8]) {
    let Ok(entries) = decode_bundle(data) else { return };
    assert_eq!(
        encode_bundle(&entries).as_deref(),
        Ok(data),
        "a bundle has one spelling"
    );
    for (width, end) in (1_u16..).zip(1..=entries.len()) {
        let part = bundle_prefix(data, width).and_then(decode_bundle);
        assert_eq!(
            part.as_deref(),
            Ok(&entries[..end]),
            "a part is the first entries"
        );
    }
}

/// Reads a witness's key, and what it says of a note: the first line is the key, the rest the note.
///
/// # Panics
/// When an accepted key is not written as it was read, or a witness that has not signed is said to have.
pub fn witness_key(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let (key, note) = text.split_once('\n').unwrap_or((text, ""));
    let Ok(witness) = key.parse::<WitnessKey>() else {
        return;
    };
    assert_eq!(witness.to_string(), key, "a witness's key has one spelling");
    let Ok(note) = Note::parse(note.as_bytes()) else {
        return;
    };
    for one in cosigned(&note, std::slice::from_ref(&witness)).iter().flatten() {
        assert!(one.time > 0, "a witness states a time");
        let claims = note.signatures().iter().any(|line| witness.is_claimed_by(line));
        assert!(claims, "who has cosigned has a line");
    }
}

/// Reads a trust policy.
///
/// # Panics
/// When an accepted policy is another one after it was written, or is met by nobody though all its witnesses sign.
pub fn trust_policy(data: &[u8]) {
    let Ok(policy) = TrustPolicy::parse(data) else {
        return;
    };
    assert_eq!(
        TrustPolicy::parse(&policy.to_bytes()),
        Ok(policy.clone()),
        "what is written is read as the same policy"
    );
    assert!(policy.is_quorum(|_| true), "all witnesses are a quorum");
    assert_eq!(
        policy.is_quorum(|_| false),
        !policy.asks_for_witnesses(),
        "nobody is a quorum only where none is asked for"
    );
    assert!(
        policy.split_needs() <= policy.witnesses().len(),
        "no more can lie than there are"
    );
}

/// Reads a request for a cosignature and decides it.
///
/// # Panics
/// When an accepted request is not written as it was read, or a decision lets a tree shrink.
pub fn add_checkpoint(data: &[u8]) {
    let Ok(request) = AddCheckpoint::parse(data) else {
        return;
    };
    assert_eq!(request.to_string().as_bytes(), data, "a request has one spelling");
    if let Ok(checkpoint) = request.decide(&KEYS, None) {
        assert_eq!(request.old, 0, "the first one continues nothing");
        assert_eq!(checkpoint.origin(), ORIGIN, "only of a log that is trusted");
    }
}
