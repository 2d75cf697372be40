//! Notes and checkpoints, read by another implementation as ours and by ours as another's.

use daybook_core::Hash;
use daybook_core::checkpoint::Checkpoint;
use daybook_core::cosignature::Cosigner;
use daybook_core::note::{Note, NoteSigner, VerifierKey};
use daybook_core::trust::TrustPolicy;
use proptest::prelude::*;
use signed_note::{StandardSigner, StandardVerifier, VerifierList};

const NAME: &str = "log.example/daybook";

fn signer(seed: u8) -> NoteSigner {
    NoteSigner::from_seed(NAME.parse().unwrap(), &[seed; 32]).unwrap()
}

/// Whether `signed_note` finds the note well formed and signed by that key.
fn other_accepts(note: &[u8], vkey: &VerifierKey) -> bool {
    let verifier = StandardVerifier::new(&vkey.to_string()).unwrap();
    let known = VerifierList::new(vec![Box::new(verifier)]);
    signed_note::Note::from_bytes(note).is_ok_and(|note| note.verify(&known).is_ok())
}

fn we_accept(note: &[u8], vkey: &VerifierKey) -> bool {
    Note::parse(note).is_ok_and(|note| note.verify(std::slice::from_ref(vkey)).is_ok())
}

#[test]
fn a_checkpoint_of_ours_is_read_by_others() {
    let log = signer(1);
    let checkpoint = Checkpoint::new(NAME, 42, Hash::of(b"root")).unwrap();
    let note = checkpoint.sign(&log).unwrap().to_string();
    assert!(other_accepts(note.as_bytes(), log.verifier()));
    assert!(!other_accepts(note.as_bytes(), signer(2).verifier()));
    let theirs = tlog_tiles::Checkpoint::from_bytes(checkpoint.to_string().as_bytes()).unwrap();
    assert_eq!(
        (theirs.origin(), theirs.size(), theirs.hash().0),
        (NAME, 42, checkpoint.root().0)
    );
}

#[test]
fn a_note_of_another_implementation_is_read_by_ours() {
    // The key format of Go's sumdb: PRIVATE+KEY+<name>+<id>+base64(0x01 || seed).
    let key = signer(1).verifier().clone();
    let seed = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB";
    let theirs = StandardSigner::new(&format!("PRIVATE+KEY+{NAME}+{:08x}+{seed}", key.id())).unwrap();
    let mut note = signed_note::Note::new(b"any\n\ntext\n", &[]).unwrap();
    note.add_sigs(&[&theirs]).unwrap();
    let note = note.to_bytes();
    assert!(we_accept(&note, &key));
    assert_eq!(Note::parse(&note).unwrap().to_string().as_bytes(), note);
}

fn texts() -> impl Strategy<Value = String> {
    prop::collection::vec("[^\\x00-\\x1f]{0,12}", 1..6).prop_map(|lines| lines.join("\n") + "\n")
}

proptest! {
    #[test]
    fn any_text_that_is_signed_is_read_alike(text in texts()) {
        let log = signer(1);
        let mut note = Note::new(text).unwrap();
        log.sign(&mut note).unwrap();
        let bytes = note.to_string();
        prop_assert!(other_accepts(bytes.as_bytes(), log.verifier()));
        prop_assert_eq!(Note::parse(bytes.as_bytes()), Ok(note));
    }

    #[test]
    fn a_note_with_a_changed_byte_is_judged_as_others_judge_it(
        text in texts(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let log = signer(1);
        let mut note = Note::new(text).unwrap();
        log.sign(&mut note).unwrap();
        let mut bytes = note.to_string().into_bytes();
        let at = at.index(bytes.len());
        let same = bytes[at] == byte;
        bytes[at] = byte;
        prop_assert_eq!(we_accept(&bytes, log.verifier()), same);
        prop_assert_eq!(other_accepts(&bytes, log.verifier()), same);
    }
}

/// `tests/vectors/cosignatures.json` was made by a program in Python that shares no code with this crate.
#[test]
fn cosignatures_made_elsewhere_verify_and_are_made_alike_here() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/cosignatures.json");
    let vector: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let note = Note::parse(text(&vector["note"]).as_bytes()).unwrap();
    let policy = TrustPolicy::parse(text(&vector["policy"]).as_bytes()).unwrap();
    let believed = policy.open(&note).unwrap();
    assert_eq!(believed.log.to_string(), text(&vector["log"]));
    let witnesses = vector["witnesses"].as_array().unwrap();
    assert_eq!(believed.witnesses.len(), witnesses.len());
    for (at, witness) in witnesses.iter().enumerate() {
        let (found, time) = believed.witnesses[at];
        assert_eq!(
            (found.key.to_string(), time),
            (text(&witness["vkey"]), witness["time"].as_u64().unwrap())
        );
        let seed = [u8::try_from(witness["seed"].as_u64().unwrap()).unwrap(); 32];
        let cosigner = Cosigner::from_seed(found.key.name().clone(), &seed).unwrap();
        let line = cosigner.cosign(&believed.checkpoint, time).unwrap();
        assert_eq!(note.signatures()[at + 1], line);
    }
}
