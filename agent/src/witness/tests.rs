use std::fs;

use daybook_core::checkpoint::Checkpoint;
use daybook_core::cosignature::cosigned;
use daybook_core::note::NoteSigner;
use daybook_core::tree::RightEdge;
use tempfile::TempDir;

use super::*;

const ORIGIN: &str = "log.example";

fn log() -> NoteSigner {
    NoteSigner::from_seed(ORIGIN.parse().unwrap(), &[1; 32]).unwrap()
}

fn leaf(n: u64) -> Hash {
    Hash::leaf(&n.to_be_bytes())
}

fn root(size: u64) -> Hash {
    let mut edge = RightEdge::new();
    (0..size).for_each(|n| drop(edge.append(leaf(n))));
    edge.root()
}

fn note(size: u64) -> Note {
    Checkpoint::new(ORIGIN, size, root(size))
        .unwrap()
        .sign(&log())
        .unwrap()
}

fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    create_key(folder.path(), "w.example").unwrap();
    folder
}

fn open(folder: &Path, beginning: Option<Beginning>) -> Result<Witness, WitnessError> {
    let beginnings = beginning
        .map(|one| (ORIGIN.to_owned(), one))
        .into_iter()
        .collect();
    Witness::open(folder, &[log().verifier().clone()], &beginnings)
}

fn refused(outcome: Result<NoteSignature, NotCosigned>) -> u16 {
    match outcome {
        Err(NotCosigned::Refused(refusal)) => refusal.status(),
        other => panic!("{other:?}"),
    }
}

/// From two entries to three.
fn two_to_three() -> AddCheckpoint {
    AddCheckpoint {
        old: 2,
        proof: vec![leaf(2)],
        checkpoint: note(3),
    }
}

fn first(size: u64) -> AddCheckpoint {
    AddCheckpoint {
        old: 0,
        proof: Vec::new(),
        checkpoint: note(size),
    }
}

#[test]
fn a_key_without_its_record_is_refused_until_a_person_says_how_it_begins() {
    let folder = folder();
    let error = open(folder.path(), None).unwrap_err();
    assert!(
        matches!(&error, WitnessError::NoRecord { origin } if origin == ORIGIN),
        "{error}"
    );
    let witness = open(folder.path(), Some(Beginning::Never)).unwrap();
    assert_eq!(
        (witness.last(ORIGIN), witness.monitored(&record::name_of(ORIGIN))),
        (None, None)
    );
    witness.add(&first(2), 10).unwrap();
    drop(witness);
    // Once begun it goes on by itself, and is not begun again.
    assert!(matches!(
        open(folder.path(), Some(Beginning::Never)),
        Err(WitnessError::RecordThere { .. })
    ));
    let witness = open(folder.path(), None).unwrap();
    assert_eq!(witness.last(ORIGIN).unwrap().size(), 2);
}

#[test]
fn a_record_that_begins_with_anothers_checkpoint_cosigns_only_what_continues_it() {
    let folder = folder();
    let stranger = NoteSigner::from_seed(ORIGIN.parse().unwrap(), &[9; 32]).unwrap();
    let forged = Checkpoint::new(ORIGIN, 2, root(2))
        .unwrap()
        .sign(&stranger)
        .unwrap();
    assert!(matches!(
        open(folder.path(), Some(Beginning::With(forged))),
        Err(WitnessError::Beginning(_))
    ));
    let witness = open(folder.path(), Some(Beginning::With(note(2)))).unwrap();
    // It was not this witness that cosigned it.
    assert_eq!(witness.monitored(&record::name_of(ORIGIN)), None);
    assert_eq!(refused(witness.add(&first(3), 10)), 409);
    witness.add(&two_to_three(), 10).unwrap();
    assert_eq!(witness.last(ORIGIN).unwrap().size(), 3);
}

#[test]
fn what_was_cosigned_is_on_disk_before_the_answer_and_never_goes_back() {
    let folder = folder();
    let witness = open(folder.path(), Some(Beginning::Never)).unwrap();
    let line = witness.add(&first(2), 10).unwrap();
    let known = [witness.key().clone()];
    let file = folder
        .path()
        .join(format!("{}.checkpoint", record::name_of(ORIGIN)));
    let stored = Note::parse(&fs::read(&file).unwrap()).unwrap();
    assert_eq!(cosigned(&stored, &known).unwrap()[0].time, 10);
    assert_eq!(stored.signatures()[1], line);
    witness.add(&two_to_three(), 20).unwrap();
    assert_eq!(refused(witness.add(&two_to_three(), 30)), 409);
    assert_eq!(refused(witness.add(&first(2), 30)), 409);
    drop(witness);
    let witness = open(folder.path(), None).unwrap();
    let monitored = Note::parse(witness.monitored(&record::name_of(ORIGIN)).unwrap().as_bytes()).unwrap();
    assert_eq!(Checkpoint::parse(monitored.text()).unwrap().size(), 3);
    assert_eq!(cosigned(&monitored, &known).unwrap()[0].time, 20);
}

#[test]
fn a_record_that_cannot_be_written_signs_nothing_and_changes_nothing() {
    let folder = folder();
    let witness = open(folder.path(), Some(Beginning::Never)).unwrap();
    witness.add(&first(2), 10).unwrap();
    // Where the new file would go is a folder.
    let new = folder.path().join(format!("{}.new", record::name_of(ORIGIN)));
    fs::create_dir(&new).unwrap();
    assert!(matches!(
        witness.add(&two_to_three(), 20),
        Err(NotCosigned::Record(WitnessError::Io { .. }))
    ));
    assert_eq!(witness.last(ORIGIN).unwrap().size(), 2);
    fs::remove_dir(&new).unwrap();
    witness.add(&two_to_three(), 30).unwrap();
}

#[test]
fn a_damaged_record_is_not_taken_for_none() {
    let folder = folder();
    drop(open(folder.path(), Some(Beginning::Never)).unwrap());
    let file = folder
        .path()
        .join(format!("{}.checkpoint", record::name_of(ORIGIN)));
    let other = Checkpoint::new("other.example", 2, root(2)).unwrap();
    let other = other
        .sign(&NoteSigner::from_seed("other.example".parse().unwrap(), &[1; 32]).unwrap())
        .unwrap()
        .to_string();
    for text in ["x", "log.example\n2\n", other.as_str()] {
        fs::write(&file, text).unwrap();
        assert!(
            matches!(open(folder.path(), None), Err(WitnessError::Damaged { .. })),
            "{text:?}"
        );
    }
}

#[test]
fn one_folder_is_used_by_one_process() {
    let folder = folder();
    let witness = open(folder.path(), Some(Beginning::Never)).unwrap();
    assert!(matches!(open(folder.path(), None), Err(WitnessError::InUse(_))));
    drop(witness);
    assert!(open(folder.path(), None).is_ok());
}

#[test]
fn of_two_requests_at_once_one_gives_way() {
    let folder = folder();
    let witness = open(folder.path(), Some(Beginning::Never)).unwrap();
    witness.add(&first(2), 10).unwrap();
    let to_four = AddCheckpoint {
        old: 2,
        proof: vec![Hash::node(&leaf(2), &leaf(3))],
        checkpoint: note(4),
    };
    std::thread::scope(|scope| {
        let outcomes = [two_to_three(), to_four].map(|request| {
            let witness = &witness;
            scope.spawn(move || witness.add(&request, 20).is_ok())
        });
        let signed = outcomes
            .into_iter()
            .filter_map(|one| one.join().ok())
            .filter(|ok| *ok)
            .count();
        assert_eq!(signed, 1);
    });
}

#[test]
fn who_looks_for_itself_is_held_to_the_same_record() {
    let folder = folder();
    let witness = open(folder.path(), Some(Beginning::Never)).unwrap();
    witness.follow(&note(2), &[], 10).unwrap();
    let fork = Checkpoint::new(ORIGIN, 3, Hash::of(b"fork"))
        .unwrap()
        .sign(&log())
        .unwrap();
    assert_eq!(refused(witness.follow(&fork, &[leaf(2)], 20)), 422);
    witness.follow(&note(3), &[leaf(2)], 20).unwrap();
    assert_eq!(refused(witness.follow(&note(2), &[], 30)), 400);
    assert_eq!(refused(witness.follow(&note(3), &[leaf(2)], 30)), 422);
    let other = NoteSigner::from_seed("other.example".parse().unwrap(), &[1; 32]).unwrap();
    let other = Checkpoint::new("other.example", 3, root(3))
        .unwrap()
        .sign(&other)
        .unwrap();
    assert_eq!(refused(witness.follow(&other, &[], 30)), 404);
}

#[test]
fn only_the_lines_of_the_log_and_the_witness_are_kept() {
    let folder = folder();
    let witness = open(folder.path(), Some(Beginning::Never)).unwrap();
    let mut request = first(2);
    let stranger = NoteSignature::new("x.example".parse().unwrap(), 7, vec![1; 64]).unwrap();
    request.checkpoint.add(stranger).unwrap();
    witness.add(&request, 10).unwrap();
    let kept = witness.monitored(&record::name_of(ORIGIN)).unwrap();
    assert_eq!(kept.matches('\u{2014}').count(), 2, "{kept}");
}

#[test]
fn a_clock_before_1970_signs_nothing() {
    let folder = folder();
    let witness = open(folder.path(), Some(Beginning::Never)).unwrap();
    for now in [-1, 0] {
        assert!(matches!(witness.add(&first(2), now), Err(NotCosigned::Clock)));
    }
    assert_eq!(witness.last(ORIGIN), None);
}

#[test]
fn key_and_name_belong_together() {
    let (one, other) = (folder(), folder());
    fs::copy(other.path().join(VKEY_FILE), one.path().join(VKEY_FILE)).unwrap();
    assert!(matches!(
        open(one.path(), Some(Beginning::Never)),
        Err(WitnessError::PublicSide(_))
    ));
    // A key is never made anew over an old one.
    assert!(matches!(
        create_key(other.path(), "w.example"),
        Err(WitnessError::KeyFile(_))
    ));
    assert!(open(other.path(), Some(Beginning::Never)).is_ok());
}
