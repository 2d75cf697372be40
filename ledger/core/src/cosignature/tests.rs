use rstest::rstest;

use super::*;
use crate::Hash;
use crate::note::NoteSigner;

fn cosigner(name: &str, seed: u8) -> Cosigner {
    Cosigner::from_seed(name.parse().unwrap(), &[seed; 32]).unwrap()
}

fn checkpoint() -> Checkpoint {
    Checkpoint::new("log.example", 7, Hash::of(b"root")).unwrap()
}

fn log() -> NoteSigner {
    NoteSigner::from_seed("log.example".parse().unwrap(), &[1; 32]).unwrap()
}

#[test]
fn a_witness_key_has_one_spelling() {
    let key = cosigner("w1.example", 2).verifier().clone();
    let text = key.to_string();
    assert_eq!(text.parse(), Ok(key));
    let other = text.replace("w1", "w2");
    assert!(matches!(other.parse::<WitnessKey>(), Err(KeyError::Id { .. })));
    let log = log().verifier().to_string();
    assert_eq!(
        log.parse::<WitnessKey>(),
        Err(KeyError::Type { found: 1, wanted: 4 })
    );
}

/// The published example of tlog-cosignature has no key beside it; its form can be read all the same.
#[test]
fn the_line_of_the_specification_holds_the_time_that_the_text_names() {
    let line = "\u{2014} witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==";
    let line = NoteSignature::parse(line).unwrap();
    let (time, signature) = line.signature().split_first_chunk().unwrap();
    assert_eq!((u64::from_be_bytes(*time), signature.len()), (1_679_315_147, 64));
    assert_eq!(
        message("example.com/behind-the-sofa\n", 1_679_315_147),
        b"cosignature/v1\ntime 1679315147\nexample.com/behind-the-sofa\n"
    );
}

#[test]
fn who_cosigned_and_when_is_told_and_others_are_ignored() {
    let (w1, w2, stranger) = (cosigner("w1", 2), cosigner("w2", 3), cosigner("w3", 4));
    let mut note = checkpoint().sign(&log()).unwrap();
    for (witness, time) in [(&stranger, 5), (&w2, 30), (&w1, 20), (&w2, 10)] {
        note.add(witness.cosign(&checkpoint(), time).unwrap()).unwrap();
    }
    let known = [w1.verifier().clone(), w2.verifier().clone()];
    let found = cosigned(&note, &known).unwrap();
    let found: Vec<_> = found
        .iter()
        .map(|one| (one.key.name().as_str(), one.time))
        .collect();
    assert_eq!(found, [("w2", 10), ("w1", 20)]);
    assert_eq!(cosigned(&checkpoint().sign(&log()).unwrap(), &known), Ok(vec![]));
}

#[test]
fn a_cosignature_of_another_tree_time_or_key_spoils_the_note() {
    let w1 = cosigner("w1", 2);
    let known = [w1.verifier().clone()];
    let other = Checkpoint::new("log.example", 7, Hash::of(b"other")).unwrap();
    let moved = {
        let line = w1.cosign(&checkpoint(), 20).unwrap();
        let bytes = [&21_u64.to_be_bytes()[..], &line.signature()[8..]].concat();
        NoteSignature::new(line.name().clone(), line.key_id(), bytes).unwrap()
    };
    let short = NoteSignature::new("w1".parse().unwrap(), w1.verifier().id(), vec![0; 8]).unwrap();
    let zero = {
        let signature = w1.key.sign(&message(&checkpoint().to_string(), 0));
        let bytes = [&[0; 8][..], &signature.to_bytes()].concat();
        NoteSignature::new("w1".parse().unwrap(), w1.verifier().id(), bytes).unwrap()
    };
    for line in [w1.cosign(&other, 20).unwrap(), moved, short, zero] {
        let mut note = checkpoint().sign(&log()).unwrap();
        note.add(line).unwrap();
        assert!(matches!(
            cosigned(&note, &known),
            Err(NoteError::BadSignature { .. })
        ));
    }
}

#[rstest]
#[case(0)]
#[case(MAX_TIME + 1)]
#[case(u64::MAX)]
fn a_time_that_no_verifier_takes_is_not_signed(#[case] time: u64) {
    assert_eq!(cosigner("w1", 2).cosign(&checkpoint(), time), None);
}

#[test]
fn a_plain_signature_is_no_cosignature() {
    let seed = [9; 32];
    let signer = NoteSigner::from_seed("log.example".parse().unwrap(), &seed).unwrap();
    let note = checkpoint().sign(&signer).unwrap();
    let witness = Cosigner::from_seed("log.example".parse().unwrap(), &seed).unwrap();
    assert_ne!(witness.verifier().id(), signer.verifier().id());
    assert_eq!(
        cosigned(&note, std::slice::from_ref(witness.verifier())),
        Ok(vec![])
    );
}
