use rstest::rstest;

use super::*;

const SPEC_KEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
const SPEC_NOTE: &str = "This is an example message.\n\n\u{2014} example.com/foo \
    Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";
const POEM: &str = "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\n\u{e8} subito sera.\n\n\u{2014} \
    quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n";

fn signer(name: &str, seed: u8) -> NoteSigner {
    NoteSigner::from_seed(name.parse().unwrap(), &[seed; 32]).unwrap()
}

fn signed(text: &str, signers: &[&NoteSigner]) -> Note {
    let mut note = Note::new(text).unwrap();
    for signer in signers {
        signer.sign(&mut note).unwrap();
    }
    note
}

#[test]
fn the_note_of_the_specification_verifies_and_is_written_as_it_was() {
    let note = Note::parse(SPEC_NOTE.as_bytes()).unwrap();
    let key: VerifierKey = SPEC_KEY.parse().unwrap();
    assert_eq!(note.verify(std::slice::from_ref(&key)), Ok(vec![&key]));
    assert_eq!(note.text(), "This is an example message.\n");
    assert_eq!(note.to_string(), SPEC_NOTE);
}

#[test]
fn text_with_empty_lines_is_divided_at_the_last() {
    let note = Note::parse(POEM.as_bytes()).unwrap();
    assert!(note.text().ends_with(":\n\n\u{e8} subito sera.\n"));
    assert_eq!(note.to_string(), POEM);
}

#[rstest]
#[case("", NoteError::NoSignatures)]
#[case("text\n", NoteError::NoSignatures)]
#[case("text\n\u{2014} a AAAAAAA=\n", NoteError::NoSignatures)]
#[case("text\n\n", NoteError::NoSignatures)]
#[case("\n\u{2014} a AAAAAAA=\n", NoteError::NoSignatures)]
#[case("text\n\n\u{2014} a AAAAAAA=", NoteError::NoSignatures)]
#[case("text\n\n\u{2014} a AAAAAAA=\n\n", NoteError::NoSignatures)]
#[case("text\n\n- a AAAAAAA=\n", NoteError::SignatureLine(1))]
#[case("text\n\n\u{2013} a AAAAAAA=\n", NoteError::SignatureLine(1))]
#[case("text\n\n\u{2014}a AAAAAAA=\n", NoteError::SignatureLine(1))]
#[case("text\n\n\u{2014}  AAAAAAA=\n", NoteError::SignatureLine(1))]
#[case("text\n\n\u{2014} a\n", NoteError::SignatureLine(1))]
#[case("text\n\n\u{2014} a \n", NoteError::SignatureLine(1))]
#[case("text\n\n\u{2014} a  AAAAAAA=\n", NoteError::SignatureLine(1))]
#[case("text\n\n\u{2014} a AAAAAAA= \n", NoteError::SignatureLine(1))]
#[case("text\n\n\u{2014} a AAAAAAA\n", NoteError::SignatureLine(1))]
#[case("text\n\n\u{2014} a AAAAAAB=\n", NoteError::SignatureLine(1))]
#[case("text\n\n\u{2014} a AAAAAA==\n", NoteError::SignatureLine(1))]
#[case("text\n\n\u{2014} a+b AAAAAAA=\n", NoteError::SignatureLine(1))]
#[case("text\n\n\u{2014} a\u{a0}b AAAAAAA=\n", NoteError::SignatureLine(1))]
#[case("text\n\n\u{2014} a AAAAAAA=\n\u{2014} b\n", NoteError::SignatureLine(2))]
#[case("te\txt\n\n\u{2014} a AAAAAAA=\n", NoteError::Characters)]
#[case("text\r\n\n\u{2014} a AAAAAAA=\n", NoteError::Characters)]
#[case("text\0\n\n\u{2014} a AAAAAAA=\n", NoteError::Characters)]
fn a_malformed_note_is_refused(#[case] note: &str, #[case] error: NoteError) {
    assert_eq!(Note::parse(note.as_bytes()), Err(error));
}

#[test]
fn bytes_that_are_not_utf8_are_refused() {
    assert_eq!(
        Note::parse(b"t\xff\n\n\xe2\x80\x94 a AAAAAAA=\n"),
        Err(NoteError::Characters)
    );
}

#[test]
fn size_and_number_of_signatures_are_bounded() {
    let line = "\u{2014} a AAAAAAA=\n";
    let note = |lines: usize| format!("text\n\n{}", line.repeat(lines));
    let mut full = Note::parse(note(MAX_SIGNATURES).as_bytes()).unwrap();
    assert_eq!(
        Note::parse(note(MAX_SIGNATURES + 1).as_bytes()),
        Err(NoteError::TooManySignatures)
    );
    assert_eq!(signer("a", 1).sign(&mut full), Err(NoteError::TooManySignatures));
    let long = vec![b'\n'; MAX_NOTE_LEN + 1];
    assert_eq!(Note::parse(&long), Err(NoteError::TooLong(MAX_NOTE_LEN + 1)));
}

#[test]
fn a_text_that_cannot_stand_in_a_note_is_refused() {
    assert_eq!(Note::new("text"), Err(NoteError::TextUnfinished));
    assert_eq!(Note::new(""), Err(NoteError::TextUnfinished));
    assert_eq!(Note::new("a\tb\n"), Err(NoteError::Characters));
    assert_eq!(NoteSignature::new("a".parse().unwrap(), 0, vec![]), None);
}

#[test]
fn what_is_signed_verifies_after_being_written_and_read() {
    let (log, other) = (signer("log.example", 1), signer("other.example", 2));
    let note = signed("a\n\nb\n", &[&log, &other]);
    let again = Note::parse(note.to_string().as_bytes()).unwrap();
    assert_eq!(again, note);
    let keys = [log.verifier().clone(), other.verifier().clone()];
    assert_eq!(again.verify(&keys), Ok(vec![&keys[0], &keys[1]]));
    assert_eq!(again.verify(&keys[1..]), Ok(vec![&keys[1]]));
    let twice = signed("text\n", &[&log, &log]);
    assert_eq!(twice.verify(&keys), Ok(vec![&keys[0]]), "a key is named once");
}

#[test]
fn unknown_keys_are_ignored_even_under_a_known_name_or_id() {
    let log = signer("log.example", 1);
    let known = [log.verifier().clone()];
    let mut note = signed("text\n", &[&log]);
    let same_name = NoteSignature::new(known[0].name().clone(), known[0].id() ^ 1, vec![0]).unwrap();
    let same_id = NoteSignature::new("elsewhere".parse().unwrap(), known[0].id(), vec![0]).unwrap();
    note.add(same_name).unwrap();
    note.add(same_id).unwrap();
    assert_eq!(note.verify(&known), Ok(vec![&known[0]]));
    assert_eq!(note.verify(&[]), Err(NoteError::NoKnownKey));
    assert_eq!(
        note.verify(&[signer("log.example", 2).verifier().clone()]),
        Err(NoteError::NoKnownKey)
    );
}

#[test]
fn two_known_keys_under_one_name_and_id_are_ambiguous() {
    // Found by trying some hundred thousand seeds: ids have 32 bits only.
    let [one, two] = [65_544_u32, 106_977].map(|number| {
        let mut seed = [0; 32];
        seed[..4].copy_from_slice(&number.to_le_bytes());
        NoteSigner::from_seed("log.example".parse().unwrap(), &seed).unwrap()
    });
    let keys = [one.verifier().clone(), two.verifier().clone()];
    assert_eq!(keys[0].id(), keys[1].id());
    let note = signed("text\n", &[&one]);
    assert_eq!(
        note.verify(&keys),
        Err(NoteError::AmbiguousKey {
            name: "log.example".to_owned(),
            id: keys[0].id()
        })
    );
    assert_eq!(
        note.verify(&[keys[0].clone(), keys[0].clone()]),
        Ok(vec![&keys[0]])
    );
}

#[test]
fn one_bad_signature_of_a_known_key_refuses_the_note_though_another_holds() {
    let (log, other) = (signer("log.example", 1), signer("other.example", 2));
    let known = [log.verifier().clone(), other.verifier().clone()];
    let bad = NoteError::BadSignature {
        name: "other.example".to_owned(),
        id: other.verifier().id(),
    };
    let elsewhere = signed("other text\n", &[&other]).signatures()[0].clone();
    let mut note = signed("text\n", &[&log]);
    note.add(elsewhere).unwrap();
    assert_eq!(note.verify(&known), Err(bad.clone()));
    let mut repeated = signed("text\n", &[&other]);
    repeated
        .add(
            NoteSignature::new(
                other.verifier().name().clone(),
                other.verifier().id(),
                vec![1; 64],
            )
            .unwrap(),
        )
        .unwrap();
    assert_eq!(repeated.verify(&known), Err(bad.clone()));
    let short = NoteSignature::new(
        other.verifier().name().clone(),
        other.verifier().id(),
        vec![1; 63],
    )
    .unwrap();
    let mut note = signed("text\n", &[&log]);
    note.add(short).unwrap();
    assert_eq!(note.verify(&known), Err(bad));
}

#[test]
fn a_changed_text_does_not_verify() {
    let log = signer("log.example", 1);
    let note = signed("text\n", &[&log]).to_string().replace("text", "test");
    let note = Note::parse(note.as_bytes()).unwrap();
    assert!(matches!(
        note.verify(&[log.verifier().clone()]),
        Err(NoteError::BadSignature { .. })
    ));
}

#[test]
fn a_signer_does_not_show_its_seed() {
    let text = format!("{:?}", signer("log.example", 1));
    assert!(text.contains("log.example+") && !text.contains("[1"), "{text}");
}
