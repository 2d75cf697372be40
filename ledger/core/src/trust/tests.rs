use rstest::rstest;

use super::*;
use crate::Hash;
use crate::cosignature::Cosigner;
use crate::note::KeyError;
use crate::note::NoteSigner;

fn cosigner(seed: u8) -> Cosigner {
    Cosigner::from_seed(format!("w{seed}.example").parse().unwrap(), &[seed; 32]).unwrap()
}

fn log(seed: u8) -> NoteSigner {
    NoteSigner::from_seed("log.example".parse().unwrap(), &[seed; 32]).unwrap()
}

fn vkey(seed: u8) -> String {
    cosigner(seed).verifier().to_string()
}

/// A log with the key 1, witnesses 11 to 11 + `n`, and what else is said.
fn policy(n: u8, rest: &str) -> Result<TrustPolicy, PolicyError> {
    let witnesses: Vec<String> = (11..11 + n)
        .map(|seed| format!("witness w{seed} {}\n", vkey(seed)))
        .collect();
    let witnesses = witnesses.concat();
    let text = format!("log {}\n{witnesses}{rest}", log(1).verifier());
    TrustPolicy::parse(text.as_bytes())
}

fn note(cosigners: &[u8]) -> Note {
    let checkpoint = Checkpoint::new("log.example", 7, Hash::of(b"root")).unwrap();
    let mut note = checkpoint.sign(&log(1)).unwrap();
    for seed in cosigners {
        note.add(cosigner(*seed).cosign(&checkpoint, 100).unwrap())
            .unwrap();
    }
    note
}

#[test]
fn the_example_of_the_specification_is_read() {
    let rest = "group X 2 w11 w12 w13\n group\tY  any w14 w15 w16 \n\n # a comment\ngroup X-and-Y all X Y\nquorum X-and-Y\n";
    let policy = policy(6, rest).unwrap();
    assert_eq!((policy.logs().len(), policy.witnesses().len()), (1, 6));
    for (cosigners, holds) in [
        (&[11, 12, 14][..], true),
        (&[12, 13, 16], true),
        (&[11, 14], false),
        (&[11, 12, 13], false),
        (&[14, 15, 16], false),
        (&[], false),
        (&[11, 11, 14], false),
    ] {
        assert_eq!(policy.open(&note(cosigners)).is_ok(), holds, "{cosigners:?}");
    }
    // X is split by one liar, Y by none; both are needed.
    assert_eq!((policy.split_needs(), policy.may_be_away()), (1, 1));
    assert_eq!(TrustPolicy::parse(&policy.to_bytes()), Ok(policy));
}

#[rstest]
#[case(3, "group g 2 w11 w12 w13\nquorum g\n", 1, 1)]
#[case(3, "group g all w11 w12 w13\nquorum g\n", 3, 0)]
#[case(3, "group g any w11 w12 w13\nquorum g\n", 0, 2)]
#[case(5, "group g 4 w11 w12 w13 w14 w15\nquorum g\n", 3, 1)]
#[case(1, "quorum w11\n", 1, 0)]
#[case(2, "quorum none\n", 0, 2)]
#[case(
    4,
    "group a all w11 w12\ngroup b all w13 w14\ngroup g any a b\nquorum g\n",
    0,
    1
)]
fn what_a_quorum_is_worth(#[case] n: u8, #[case] rest: &str, #[case] split: usize, #[case] away: usize) {
    let policy = policy(n, rest).unwrap();
    assert_eq!((policy.split_needs(), policy.may_be_away()), (split, away));
}

#[rstest]
#[case("", PolicyProblem::Quorum)]
#[case("quorum none\nquorum none\n", PolicyProblem::Quorum)]
#[case("quorum w99\n", PolicyProblem::Unknown("w99".to_owned()))]
#[case("quorum g\ngroup g any w11\n", PolicyProblem::Unknown("g".to_owned()))]
#[case("group g any g\nquorum g\n", PolicyProblem::Unknown("g".to_owned()))]
#[case("group g any none\nquorum g\n", PolicyProblem::Unknown("none".to_owned()))]
#[case("group none any w11\nquorum none\n", PolicyProblem::NameTaken("none".to_owned()))]
#[case("group w11 any w12\nquorum w11\n", PolicyProblem::NameTaken("w11".to_owned()))]
#[case("group g any w11 w11\nquorum g\n", PolicyProblem::MemberAgain("w11".to_owned()))]
#[case(
    "group g any w11\ngroup h any w11\nquorum g\n",
    PolicyProblem::MemberAgain("w11".to_owned())
)]
#[case("group g any\nquorum g\n", PolicyProblem::Threshold)]
#[case("group g all\nquorum g\n", PolicyProblem::Threshold)]
#[case("group g 0 w11\nquorum g\n", PolicyProblem::Threshold)]
#[case("group g 2 w11\nquorum g\n", PolicyProblem::Threshold)]
#[case("group g 01 w11\nquorum g\n", PolicyProblem::Threshold)]
#[case("group g most w11\nquorum g\n", PolicyProblem::Threshold)]
#[case("group g\nquorum none\n", PolicyProblem::Shape)]
#[case("quorum\n", PolicyProblem::Shape)]
#[case("quorum none none\n", PolicyProblem::Shape)]
#[case("Quorum none\n", PolicyProblem::Shape)]
#[case("log\nquorum none\n", PolicyProblem::Shape)]
#[case("log x\nquorum none\n", PolicyProblem::Key(KeyError::Shape))]
#[case("log \u{e9}\u{0}\nquorum none\n", PolicyProblem::Characters)]
#[case("quorum none\r\n", PolicyProblem::Characters)]
#[case("quorum none\u{b}\n", PolicyProblem::Characters)]
fn any_other_policy_is_refused(#[case] rest: &str, #[case] problem: PolicyProblem) {
    assert_eq!(policy(3, rest).unwrap_err().problem, problem, "{rest:?}");
}

#[test]
fn a_key_stands_once_whatever_it_is_called() {
    let again = Cosigner::from_seed("other.example".parse().unwrap(), &[11; 32]).unwrap();
    let rest = format!("witness again {}\nquorum none\n", again.verifier());
    let error = policy(1, &rest).unwrap_err();
    assert_eq!((error.line, error.problem), (3, PolicyProblem::KeyAgain));
    let rest = format!("log {}\nquorum none\n", log(1).verifier());
    assert_eq!(policy(1, &rest).unwrap_err().problem, PolicyProblem::KeyAgain);
}

#[test]
fn names_are_bytes_and_addresses_are_kept() {
    let mut text = format!("witness w\u{e9} {} https://w.example/\n", vkey(11)).into_bytes();
    text.extend(b"group \xff any w\xc3\xa9\nquorum \xff");
    let policy = TrustPolicy::parse(&text).unwrap();
    let witness = &policy.witnesses()[0];
    assert_eq!(
        (witness.name().as_ref(), witness.url()),
        ("w\u{e9}", Some("https://w.example/"))
    );
    assert_eq!(TrustPolicy::parse(&policy.to_bytes()), Ok(policy));
}

#[test]
fn one_of_several_logs_must_have_signed_under_its_own_name() {
    let text = format!(
        "log {}\nlog {}\nquorum none\n",
        log(2).verifier(),
        log(1).verifier()
    );
    let policy = TrustPolicy::parse(text.as_bytes()).unwrap();
    let believed = policy.open(&note(&[])).unwrap();
    assert_eq!((believed.checkpoint.size(), believed.log), (7, log(1).verifier()));
    let other = Checkpoint::new("other.example", 7, Hash::of(b"root")).unwrap();
    let mut note = Note::new(other.to_string()).unwrap();
    log(1).sign(&mut note).unwrap();
    assert_eq!(
        policy.open(&note),
        Err(TrustError::UnknownLog("other.example".to_owned()))
    );
    let stranger = Checkpoint::new("log.example", 7, Hash::of(b"root"))
        .unwrap()
        .sign(&log(3))
        .unwrap();
    assert_eq!(
        policy.open(&stranger),
        Err(TrustError::Checkpoint(CheckpointError::Note(
            NoteError::NoKnownKey
        )))
    );
}

#[test]
fn a_cosignature_that_does_not_hold_is_refused_whatever_the_quorum() {
    let policy = policy(2, "quorum none\n").unwrap();
    let mut note = note(&[11]);
    let other = Checkpoint::new("log.example", 8, Hash::of(b"root")).unwrap();
    note.add(cosigner(12).cosign(&other, 100).unwrap()).unwrap();
    assert!(matches!(policy.open(&note), Err(TrustError::Cosignature(_))));
    assert!(matches!(
        policy.open_without_quorum(&note),
        Err(TrustError::Cosignature(_))
    ));
}

#[test]
fn who_vouched_is_told_in_the_order_of_the_policy() {
    let policy = policy(3, "group g 2 w11 w12 w13\nquorum g\n").unwrap();
    let (full, few) = (note(&[13, 99, 11]), note(&[12]));
    let believed = policy.open(&full).unwrap();
    let names: Vec<_> = believed
        .witnesses
        .iter()
        .map(|(one, time)| (one.name(), *time))
        .collect();
    assert_eq!(names, [("w11".into(), 100), ("w13".into(), 100)]);
    assert_eq!(
        policy.open(&few),
        Err(TrustError::NoQuorum(vec!["w12".to_owned()]))
    );
    assert_eq!(policy.open_without_quorum(&few).unwrap().witnesses.len(), 1);
}
