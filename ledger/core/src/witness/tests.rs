use rstest::rstest;

use super::*;
use crate::note::NoteSigner;
use crate::tree::RightEdge;

const ORIGIN: &str = "log.example";

fn log(seed: u8) -> NoteSigner {
    NoteSigner::from_seed(ORIGIN.parse().unwrap(), &[seed; 32]).unwrap()
}

fn root(size: u64) -> Hash {
    let mut edge = RightEdge::new();
    (0..size).for_each(|n| drop(edge.append(Hash::leaf(&n.to_be_bytes()))));
    edge.root()
}

fn checkpoint(size: u64) -> Checkpoint {
    Checkpoint::new(ORIGIN, size, root(size)).unwrap()
}

/// From two entries to three: the proof is the third leaf alone.
fn request() -> AddCheckpoint {
    AddCheckpoint {
        old: 2,
        proof: vec![Hash::leaf(&2_u64.to_be_bytes())],
        checkpoint: checkpoint(3).sign(&log(1)).unwrap(),
    }
}

fn decide(request: &AddCheckpoint, last: u64) -> Result<u64, u16> {
    let keys = [log(1).verifier().clone()];
    let last = (last > 0).then(|| checkpoint(last));
    let decided = request.decide(&keys, last.as_ref());
    decided
        .map(|good| good.size())
        .map_err(|refusal| refusal.status())
}

#[test]
fn a_request_has_one_spelling() {
    let text = request().to_string();
    assert!(
        text.starts_with("old 2\n") && text.contains("=\n\nlog.example\n3\n"),
        "{text}"
    );
    assert_eq!(AddCheckpoint::parse(text.as_bytes()), Ok(request()));
    let first = AddCheckpoint {
        old: 0,
        proof: Vec::new(),
        ..request()
    };
    assert!(first.to_string().starts_with("old 0\n\nlog.example\n"));
    assert_eq!(AddCheckpoint::parse(first.to_string().as_bytes()), Ok(first));
}

#[rstest]
#[case("", RequestError::NoCheckpoint)]
#[case("old 2\n", RequestError::NoCheckpoint)]
#[case("\n\nlog.example\n", RequestError::Old)]
#[case("old 02\n\nx", RequestError::Old)]
#[case("old -1\n\nx", RequestError::Old)]
#[case("old  2\n\nx", RequestError::Old)]
#[case("Old 2\n\nx", RequestError::Old)]
#[case("old 2 \n\nx", RequestError::Old)]
#[case("old 18446744073709551616\n\nx", RequestError::Old)]
#[case("old 2\nAAAA\n\nx", RequestError::Hash(1))]
#[case("old 2\n\nlog.example\n", RequestError::Note(NoteError::NoSignatures))]
fn any_other_body_is_refused(#[case] body: &str, #[case] error: RequestError) {
    assert_eq!(AddCheckpoint::parse(body.as_bytes()), Err(error));
}

#[test]
fn a_proof_has_at_most_63_lines() {
    let with = |count| AddCheckpoint {
        proof: vec![Hash::of(b"x"); count],
        ..request()
    };
    assert!(AddCheckpoint::parse(with(63).to_string().as_bytes()).is_ok());
    assert_eq!(
        AddCheckpoint::parse(with(64).to_string().as_bytes()),
        Err(RequestError::TooManyHashes)
    );
}

#[test]
fn what_continues_the_record_is_cosigned_once_and_again() {
    assert_eq!(decide(&request(), 2), Ok(3));
    let again = AddCheckpoint {
        old: 3,
        proof: Vec::new(),
        ..request()
    };
    assert_eq!(decide(&again, 3), Ok(3));
    let first = AddCheckpoint {
        old: 0,
        proof: Vec::new(),
        ..request()
    };
    assert_eq!(decide(&first, 0), Ok(3));
    let nothing = AddCheckpoint {
        old: 0,
        proof: Vec::new(),
        checkpoint: checkpoint(0).sign(&log(1)).unwrap(),
    };
    assert_eq!(decide(&nothing, 0), Ok(0));
}

#[test]
fn each_refusal_has_the_status_of_the_specification() {
    let changed = |change: fn(&mut AddCheckpoint)| {
        let mut request = request();
        change(&mut request);
        request
    };
    // Another size was cosigned last.
    assert_eq!(decide(&request(), 1), Err(409));
    assert_eq!(decide(&request(), 3), Err(409));
    assert_eq!(decide(&request(), 0), Err(409));
    // The size goes back.
    assert_eq!(decide(&changed(|request| request.old = 4), 4), Err(400));
    // No proof, another one, and one where none may be.
    assert_eq!(decide(&changed(|request| request.proof.clear()), 2), Err(422));
    assert_eq!(
        decide(&changed(|request| request.proof = vec![Hash::of(b"x")]), 2),
        Err(422)
    );
    assert_eq!(decide(&changed(|request| request.old = 0), 0), Err(422));
    // The same size with another root.
    let fork = Checkpoint::new(ORIGIN, 2, Hash::of(b"fork")).unwrap();
    let fork = AddCheckpoint {
        old: 2,
        proof: Vec::new(),
        checkpoint: fork.sign(&log(1)).unwrap(),
    };
    assert_eq!(decide(&fork, 2), Err(422));
}

#[test]
fn an_empty_tree_with_a_root_of_something_is_refused_as_a_lie() {
    let mut note = Note::new(format!("{ORIGIN}\n0\n{}\n", root(1).to_base64())).unwrap();
    log(1).sign(&mut note).unwrap();
    let request = AddCheckpoint {
        old: 0,
        proof: Vec::new(),
        checkpoint: note,
    };
    assert_eq!(decide(&request, 0), Err(422));
}

#[test]
fn what_the_log_has_not_signed_is_refused() {
    let keys = [log(1).verifier().clone()];
    let stranger = AddCheckpoint {
        checkpoint: checkpoint(3).sign(&log(2)).unwrap(),
        ..request()
    };
    let refused = stranger.decide(&keys, None).unwrap_err();
    assert_eq!(
        (refused.status(), refused),
        (403, Refusal::NotSigned(NoteError::NoKnownKey))
    );
    // A line that claims the log's key and does not hold, beside one that does.
    let mut both = request();
    let bad = crate::note::NoteSignature::new(ORIGIN.parse().unwrap(), keys[0].id(), vec![0; 64]).unwrap();
    both.checkpoint.add(bad).unwrap();
    assert_eq!(
        both.decide(&keys, Some(&checkpoint(2))).unwrap_err().status(),
        403
    );
    assert_eq!(request().decide(&[], None), Err(Refusal::UnknownLog));
    let other = NoteSigner::from_seed("other.example".parse().unwrap(), &[1; 32]).unwrap();
    assert_eq!(
        request().decide(&[other.verifier().clone()], None),
        Err(Refusal::UnknownLog)
    );
}

#[test]
fn a_note_that_is_no_checkpoint_is_malformed() {
    let mut note = Note::new(format!("{ORIGIN}\nthree\n")).unwrap();
    log(1).sign(&mut note).unwrap();
    let request = AddCheckpoint {
        checkpoint: note,
        ..request()
    };
    assert_eq!(decide(&request, 2), Err(400));
}
