use rstest::rstest;

use super::*;
use crate::note::NoteSigner;

const ORIGIN: &str = "log.example/daybook";

fn signer() -> NoteSigner {
    NoteSigner::from_seed(ORIGIN.parse().unwrap(), &[3; 32]).unwrap()
}

fn leaf(index: u8) -> Hash {
    Hash::leaf(&[index])
}

/// Entry 2 of a log of three.
fn example() -> ProofFile {
    let path = vec![Hash::node(&leaf(0), &leaf(1))];
    let root = Hash::node(&path[0], &leaf(2));
    let checkpoint = Checkpoint::new(ORIGIN, 3, root).unwrap().sign(&signer()).unwrap();
    ProofFile::new(2, path, checkpoint).unwrap()
}

#[test]
fn a_proof_is_written_read_and_verified() {
    let file = example();
    let again = ProofFile::parse(file.to_string().as_bytes()).unwrap();
    assert_eq!(again, file);
    let checkpoint = again.verify(&leaf(2), signer().verifier(), ORIGIN).unwrap();
    assert_eq!((checkpoint.size(), again.index(), again.extra()), (3, 2, None));
}

#[test]
fn extra_bytes_travel_along() {
    let file = example().with_extra(b"more".to_vec()).unwrap();
    assert!(
        file.to_string()
            .starts_with("c2sp.org/tlog-proof@v1\nextra bW9yZQ==\nindex 2\n")
    );
    let again = ProofFile::parse(file.to_string().as_bytes()).unwrap();
    assert_eq!(again.extra(), Some(&b"more"[..]));
    assert_eq!(example().with_extra(vec![]), Err(ProofFileError::Extra));
    assert_eq!(
        example().with_extra(vec![0; MAX_EXTRA_LEN + 1]),
        Err(ProofFileError::Extra)
    );
}

#[test]
fn the_only_entry_needs_no_hashes() {
    let checkpoint = Checkpoint::new(ORIGIN, 1, leaf(0))
        .unwrap()
        .sign(&signer())
        .unwrap();
    let file = ProofFile::new(0, vec![], checkpoint).unwrap();
    let again = ProofFile::parse(file.to_string().as_bytes()).unwrap();
    assert!(again.verify(&leaf(0), signer().verifier(), ORIGIN).is_ok());
}

#[test]
fn another_entry_index_log_or_key_does_not_verify() {
    let (file, signer) = (example(), signer());
    let key = signer.verifier();
    assert_eq!(
        file.verify(&leaf(1), key, ORIGIN),
        Err(ProofFileError::Inclusion(ProofError::RootDiffers))
    );
    let moved = file.to_string().replace("index 2", "index 1");
    let moved = ProofFile::parse(moved.as_bytes()).unwrap();
    assert_eq!(
        moved.verify(&leaf(2), key, ORIGIN),
        Err(ProofFileError::Inclusion(ProofError::TooShort))
    );
    let outside = file.to_string().replace("index 2", "index 3");
    let outside = ProofFile::parse(outside.as_bytes()).unwrap();
    assert_eq!(
        outside.verify(&leaf(2), key, ORIGIN),
        Err(ProofFileError::Inclusion(ProofError::IndexOutOfRange {
            index: 3,
            size: 3
        }))
    );
    assert!(matches!(
        file.verify(&leaf(2), key, "log.example/other"),
        Err(ProofFileError::Checkpoint(CheckpointError::OtherLog { .. }))
    ));
    let other = NoteSigner::from_seed(ORIGIN.parse().unwrap(), &[4; 32]).unwrap();
    assert_eq!(
        file.verify(&leaf(2), other.verifier(), ORIGIN),
        Err(ProofFileError::Checkpoint(CheckpointError::Note(
            NoteError::NoKnownKey
        )))
    );
    let grown = file.to_string().replace("daybook\n3\n", "daybook\n4\n");
    let grown = ProofFile::parse(grown.as_bytes()).unwrap();
    assert!(matches!(
        grown.verify(&leaf(2), key, ORIGIN),
        Err(ProofFileError::Checkpoint(CheckpointError::Note(
            NoteError::BadSignature { .. }
        )))
    ));
}

#[rstest]
#[case(
    "c2sp.org/tlog-proof@v1\n",
    "c2sp.org/tlog-proof@v2\n",
    ProofFileError::Header
)]
#[case("c2sp.org/tlog-proof@v1\n", "", ProofFileError::Header)]
#[case(
    "c2sp.org/tlog-proof@v1\n",
    "c2sp.org/tlog-proof@v1\r\n",
    ProofFileError::Header
)]
#[case("index 2\n", "index 02\n", ProofFileError::Index)]
#[case("index 2\n", "index  2\n", ProofFileError::Index)]
#[case("index 2\n", "index -1\n", ProofFileError::Index)]
#[case("index 2\n", "index 18446744073709551616\n", ProofFileError::Index)]
#[case("index 2\n", "", ProofFileError::Index)]
#[case("index 2\n", "extra\nindex 2\n", ProofFileError::Index)]
#[case("index 2\n", "extra \nindex 2\n", ProofFileError::Extra)]
#[case("index 2\n", "extra Y\nindex 2\n", ProofFileError::Extra)]
#[case("index 2\n", "extra YQ==\nextra YQ==\nindex 2\n", ProofFileError::Index)]
#[case("index 2\n", "index 2\nAAAA\n", ProofFileError::Hash(1))]
fn any_other_spelling_is_refused(#[case] from: &str, #[case] to: &str, #[case] error: ProofFileError) {
    let file = example().to_string();
    assert!(file.contains(from));
    let result = ProofFile::parse(file.replacen(from, to, 1).as_bytes());
    assert_eq!(result, Err(error));
}

#[test]
fn hashes_behind_the_empty_line_are_no_proof() {
    let file = example().to_string().replacen("index 2\n", "index 2\n\n", 1);
    let file = ProofFile::parse(file.as_bytes()).unwrap();
    assert!(file.verify(&leaf(2), signer().verifier(), ORIGIN).is_err());
}

#[test]
fn a_file_without_checkpoint_or_too_long_is_refused() {
    let head = "c2sp.org/tlog-proof@v1\nindex 2\n";
    assert_eq!(
        ProofFile::parse(head.as_bytes()),
        Err(ProofFileError::NoCheckpoint)
    );
    assert_eq!(ProofFile::parse(b""), Err(ProofFileError::NoCheckpoint));
    assert_eq!(
        ProofFile::parse(format!("{head}\n").as_bytes()),
        Err(ProofFileError::Note(NoteError::NoSignatures))
    );
    assert_eq!(
        ProofFile::parse(&vec![b'a'; MAX_FILE_LEN + 1]),
        Err(ProofFileError::TooLong(MAX_FILE_LEN + 1))
    );
    assert_eq!(
        ProofFile::parse(b"\xff"),
        Err(ProofFileError::Note(NoteError::Characters))
    );
}

#[test]
fn the_inclusion_proof_is_bounded() {
    let line = format!(
        "index 2\n{}",
        format!("{}\n", leaf(0).to_base64()).repeat(MAX_PATH_LEN)
    );
    let file = example().to_string().replacen("index 2\n", &line, 1);
    assert_eq!(
        ProofFile::parse(file.as_bytes()),
        Err(ProofFileError::TooManyHashes)
    );
    assert_eq!(
        ProofFile::new(0, vec![leaf(0); MAX_PATH_LEN + 1], example().checkpoint().clone()),
        Err(ProofFileError::TooManyHashes)
    );
}
