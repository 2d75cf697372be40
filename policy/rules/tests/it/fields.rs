//! What stands in clear, what is sealed, and what may come with an event.

use std::collections::BTreeSet;

use daybook_core::canonical;
use daybook_core::sealed::{Opening, ReaderClass};
use daybook_rules::{ClearKind, Refusal, SealedKind, Table, check_openings, judge, reads};
use daybook_world::{ORIGIN, World, sample};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Texts that somebody might type where a schema is careless.
const TYPED: [&str; 8] = [
    "free text",
    "NHS 943 476 5919",
    "Ann Smith",
    "output.csv",
    "https://example.org/x",
    "ann@example.org",
    "",
    "Diabetes",
];

fn kinds() -> impl Iterator<Item = (String, ClearKind)> {
    Table::v1().events().flat_map(|(kind, rule)| {
        let fields = rule.clear.iter();
        fields.map(move |(name, field)| (format!("{kind}.{name}"), field.kind.clone()))
    })
}

#[test]
fn no_clear_field_takes_what_a_person_types() {
    for (place, kind) in kinds() {
        for text in TYPED {
            for value in [
                json!(text),
                json!([text]),
                json!({ text: text }),
                json!({ "x": text }),
                json!([{ "use": text }]),
            ] {
                assert!(!kind.fits(&value), "{place} takes {value}");
            }
        }
    }
}

#[test]
fn every_string_in_clear_is_an_id_a_code_or_bytes_of_a_fixed_length() {
    // The whole list of kinds: one more must be weighed here before it can be used.
    for (place, kind) in kinds() {
        let constrained = match &kind {
            ClearKind::Code(_, codes) => codes.iter().all(|code| code.len() <= 40),
            ClearKind::List(_, _, item) => {
                matches!(**item, ClearKind::Uuid | ClearKind::Slug | ClearKind::Digest(_))
            }
            ClearKind::Uuid
            | ClearKind::Slug
            | ClearKind::Digest(_)
            | ClearKind::Key
            | ClearKind::Signature
            | ClearKind::Int(..)
            | ClearKind::Bool
            | ClearKind::Yes
            | ClearKind::Time
            | ClearKind::Keys
            | ClearKind::Jobs(..)
            | ClearKind::Cosignatures(_)
            | ClearKind::Erasures(..)
            | ClearKind::Table => true,
        };
        assert!(constrained, "{place}");
    }
}

#[test]
fn digests_in_clear_are_of_public_or_salted_things() {
    let clear: BTreeSet<String> = kinds()
        .filter(|(_, kind)| *kind == ClearKind::Digest("digest".to_owned()))
        .map(|(place, _)| place)
        .collect();
    // A workflow and a rule set are public documents; `images` is checked below as a list.
    let expected = [
        "outputs-assessed.ruleset",
        "workflow-registered.digest",
        "workflow-retrieved.digest",
    ];
    assert_eq!(clear, expected.map(str::to_owned).into());
}

#[test]
fn why_a_job_was_refused_or_withheld_is_never_in_clear() {
    for kind in ["job-refused", "disclosure-refused"] {
        let rule = Table::v1().rule(kind).unwrap();
        assert!(
            !rule.clear.contains_key("reason") && !rule.clear.contains_key("code"),
            "{kind}"
        );
        assert_eq!(rule.sealed["reason"].class, ReaderClass::Parties, "{kind}");
    }
}

/// The sealed fields of a type, each with a canary of its kind.
fn canaries(kind: &str) -> Vec<(String, Value)> {
    let rule = Table::v1().rule(kind).unwrap();
    rule.sealed
        .iter()
        .map(|(name, field)| (name.clone(), sample(&field.kind, &format!("canary {name}"))))
        .collect()
}

#[test]
fn a_canary_in_every_sealed_field_is_in_no_entry_and_no_state() {
    for (kind, rule) in Table::v1().events() {
        let mut world = World::ready_for(kind);
        let mut draft = world.usual(kind);
        for (name, value) in canaries(kind) {
            draft = draft.seal(&name, value);
        }
        let event = world.say(&draft);
        assert_eq!(event.claims().digests().count(), rule.digests, "{kind}");
        let payload = daybook_core::base64url::decode(event.as_str().split('.').nth(1).unwrap()).unwrap();
        let payload = String::from_utf8(payload).unwrap();
        let states = format!("{:?}", world.states());
        for (name, field) in &rule.sealed {
            let value = sample(&field.kind, &format!("canary {name}"));
            if matches!(field.kind, SealedKind::Int(..) | SealedKind::Code(..)) {
                continue;
            }
            let text = value.as_array().map_or(&value, |list| &list[0]).as_str().unwrap();
            assert!(!payload.contains(text) && !states.contains(text), "{kind}.{name}");
        }
        let travelling: BTreeSet<String> = world
            .admitted(&event)
            .unwrap()
            .iter()
            .map(|admitted| admitted.opening.name().to_owned())
            .collect();
        let expected = rule
            .sealed
            .iter()
            .filter(|(_, field)| field.class != ReaderClass::IssuerOnly);
        assert_eq!(
            travelling,
            expected.map(|(name, _)| name.clone()).collect(),
            "{kind}"
        );
    }
}

#[test]
fn openings_are_checked_one_by_one() {
    let mut world = World::ready_for("approval-granted");
    let draft = world
        .usual("approval-granted")
        .seal("credential", "by post".into());
    let event = world.sign(&draft);
    let table = Table::v1();
    let code =
        |openings: &[Opening]| check_openings(table, &event, openings).map_err(|refusal| refusal.code());
    let all = world.openings(&event);
    let of = |name: &str| all.iter().find(|opening| opening.name() == name).unwrap().clone();
    let decided_by = of("decided_by");
    let admitted = code(std::slice::from_ref(&decided_by)).unwrap();
    assert_eq!(
        (admitted[0].class, admitted[0].retain_days),
        (ReaderClass::Public, None)
    );
    assert_eq!(code(&[]), Err("opening-missing"));
    assert_eq!(
        code(&[decided_by.clone(), decided_by.clone()]),
        Err("opening-twice")
    );
    assert_eq!(
        code(&[decided_by.clone(), of("credential")]),
        Err("opening-issuer-only")
    );
    let other = |name: &str, value: Value| Opening::new([1; 16], name, value).unwrap();
    assert_eq!(
        code(&[other("decided_by", "x".into())]),
        Err("opening-not-in-event")
    );
    assert_eq!(
        code(&[decided_by, other("friend", "x".into())]),
        Err("opening-unknown")
    );
    let long = world
        .usual("approval-granted")
        .seal("decided_by", "x".repeat(201).into());
    let event = world.sign(&long);
    assert_eq!(world.judge(&event).unwrap_err().code(), "opening-invalid");
}

#[test]
fn refusals_have_codes_of_a_closed_list() {
    assert!(Refusal::CODES.is_sorted());
    let codes: BTreeSet<&str> = Refusal::CODES.iter().copied().collect();
    assert_eq!(codes.len(), Refusal::CODES.len());
    let sources = include_str!("../../src/refusal.rs");
    let answers = sources
        .split("=> \"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next());
    assert_eq!(answers.collect::<BTreeSet<_>>(), codes);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is said in whatever order, by whomever: nothing panics, and what is accepted leaves canonical states.
    #[test]
    fn any_events_in_any_order_leave_canonical_states(steps in prop::collection::vec((0usize..66, 0usize..16, 0usize..40), 1..60)) {
        let kinds: Vec<&str> = Table::v1().events().map(|(kind, _)| kind).filter(|kind| *kind != "log-closed").collect();
        let mut world = World::founded();
        world.submit(&["wessex"]);
        let actors = crate::authorisation::actors(&world);
        let fields: Vec<Value> = TYPED.iter().map(|text| json!(text)).chain([json!({}), json!([]), json!(-1), json!(7)]).collect();
        for (kind, actor, odd) in steps {
            let mut draft = world.usual(kinds[kind % kinds.len()]);
            if actor > 12 {
                draft = draft.by(&actors[actor % actors.len()].1);
            }
            if let Some(value) = fields.get(odd) {
                let field = draft.data.keys().nth(odd % draft.data.len().max(1)).cloned();
                draft = draft.with(field.as_deref().unwrap_or("extra"), value.clone());
            }
            let event = world.sign(&draft);
            let known = reads(world.table(), &event);
            prop_assert!(known.contains(&draft.stream));
            if let Ok(verdict) = world.append(&event) {
                for (stream, state) in &verdict.states {
                    let value = Value::Object(state.clone());
                    prop_assert_eq!(canonical::check(&value, 1), Ok(()));
                    let outside = !known.contains(stream);
                    prop_assert!(!outside, "{stream} is not among the streams read");
                }
            }
        }
        let event = world.entries().last().unwrap().clone();
        prop_assert!(judge(world.table(), ORIGIN, &world, &event).is_err());
    }
}
