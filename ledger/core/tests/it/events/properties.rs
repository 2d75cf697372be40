//! What holds for any values, not only for those that somebody thought of.

use daybook_core::Hash;
use daybook_core::canonical::{self, CanonicalError, MAX_DEPTH, MAX_INTEGER};
use daybook_core::event::{Claims, Event, Seen};
use daybook_core::id::{Actor, Stream};
use daybook_core::sealed::{Opening, digest_list};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::craft::{JOB, OTHER, key};

fn string() -> impl Strategy<Value = String> {
    let noncharacter =
        |c: &char| ('\u{fdd0}'..='\u{fdef}').contains(c) || matches!(u32::from(*c) & 0xffff, 0xfffe | 0xffff);
    any::<String>().prop_map(move |text| text.chars().filter(|c| *c != '\0' && !noncharacter(c)).collect())
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-MAX_INTEGER..=MAX_INTEGER).prop_map(Value::from),
        (-300_i64..300).prop_map(Value::from),
        string().prop_map(Value::from),
    ]
}

fn object(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::btree_map("[ -~]{1,64}|[a-c]", value, 0..5).prop_map(Map::from_iter)
}

/// Any value within the narrowing, of at most `levels` levels.
fn value(levels: u32) -> impl Strategy<Value = Value> {
    leaf().prop_recursive(levels, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            object(inner).prop_map(Value::Object),
        ]
    })
}

/// A value outside the narrowing, and why.
fn stranger() -> impl Strategy<Value = (Value, &'static str)> {
    prop_oneof![
        any::<f64>()
            .prop_filter("JSON has no such number", |n| n.is_finite())
            .prop_map(|n| (json!(n), "Number")),
        (MAX_INTEGER.unsigned_abs() + 1..).prop_map(|n| (json!(n), "Number")),
        (i64::MIN..-MAX_INTEGER).prop_map(|n| (json!(n), "Number")),
        (string(), string()).prop_map(|(a, b)| (json!(format!("{a}\0{b}")), "Nul")),
        (string(), 0_u32..17, 0xfffe_u32..=0xffff).prop_map(|(text, plane, last)| {
            (
                json!(format!("{text}{}", char::from_u32(plane << 16 | last).unwrap())),
                "Noncharacter",
            )
        }),
        "[ -~]{0,30}[^ -~][ -~]{0,30}|[a-z]{65,70}|".prop_map(|name| (json!({ name: 1 }), "Name")),
    ]
}

/// Puts a value somewhere into another.
fn plant(host: &mut Value, guest: Value, at: usize) {
    let stops = at.is_multiple_of(5);
    match host {
        Value::Array(items) if !stops && !items.is_empty() => {
            let count = items.len();
            plant(&mut items[at % count], guest, at / 5);
        }
        Value::Object(members) if !stops && !members.is_empty() => {
            let count = members.len();
            plant(members.values_mut().nth(at % count).unwrap(), guest, at / 5);
        }
        _ => *host = guest,
    }
}

fn name_of(error: &CanonicalError) -> String {
    format!("{error:?}").split('(').next().unwrap().to_owned()
}

fn actor() -> impl Strategy<Value = Actor> {
    prop_oneof![
        Just("operator".to_owned()),
        Just("hub/clerk".to_owned()),
        "registrar/[a-z][a-z0-9]{1,31}",
        "tre/[a-z](-?[a-z0-9]){1,15}/(root|relay|runner|review)",
        Just(format!("project/{JOB}/member/{OTHER}")),
    ]
    .prop_map(|text| text.parse().unwrap())
}

fn stream() -> impl Strategy<Value = Stream> {
    prop_oneof![
        Just("log".to_owned()),
        "tre/[a-z](-?[a-z0-9]){1,15}",
        "(job|dataset|erasure)/[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
    ]
    .prop_map(|text| text.parse().unwrap())
}

prop_compose! {
    fn claims()(
        data in object(value(3)), iat in 0..=MAX_INTEGER, iss in actor(), jti in any::<[u8; 16]>(),
        hashes in any::<([u8; 32], [u8; 32])>(), seen in prop::option::of(1..=MAX_INTEGER.unsigned_abs()),
        seq in prop_oneof![Just(1), 1..=MAX_INTEGER.unsigned_abs()], sub in stream(), version in 1_u16..1000,
        kind in "[a-z]{3,20}(-[a-z]{1,9}){0,2}", sealed in prop::collection::vec(any::<[u8; 32]>(), 0..4),
    ) -> Claims {
        let mut data: Map<String, Value> = data;
        if !sealed.is_empty() {
            let mut decoys = sealed;
            decoys.sort_unstable();
            decoys.dedup();
            data.insert("_sd".to_owned(), digest_list(&[], &decoys));
        }
        Claims {
            aud: "log.example/daybook".to_owned(), data, iat, iss, jti: uuid::Builder::from_random_bytes(jti).into_uuid(),
            prev: (seq > 1).then_some(Hash(hashes.0)), seen: seen.map(|size| Seen { root: Hash(hashes.1), size }),
            seq, sub, kind, version,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn what_is_within_the_narrowing_is_read_as_it_was_written(value in value(6)) {
        let text = canonical::text(&value);
        prop_assert_eq!(canonical::parse(text.as_bytes()), Ok(value.clone()));
        // Another writer of JSON agrees, since names and numbers leave nothing to differ in.
        prop_assert_eq!(serde_json::to_string(&value).unwrap(), text);
    }

    #[test]
    fn what_is_outside_the_narrowing_is_refused(host in value(5), (guest, why) in stranger(), at in any::<usize>()) {
        let mut host = host;
        plant(&mut host, guest, at);
        let error = canonical::parse(serde_json::to_string(&host).unwrap().as_bytes()).unwrap_err();
        prop_assert_eq!(name_of(&error), why);
        prop_assert_eq!(canonical::check(&host, 1), Err(error));
    }

    #[test]
    fn what_is_too_deep_is_refused(value in value(3), levels in 1..40_usize) {
        let deep = (0..levels).fold(value, |inner, n| if n % 2 == 0 { json!([inner]) } else { json!({ "a": inner }) });
        let parsed = canonical::parse(canonical::text(&deep).as_bytes());
        match parsed {
            Ok(read) => prop_assert_eq!(&read, &deep),
            Err(error) => {
                prop_assert_eq!(error, CanonicalError::Depth);
                prop_assert!(levels + 4 > MAX_DEPTH);
            }
        }
        if levels > MAX_DEPTH {
            prop_assert!(canonical::check(&deep, 1).is_err());
        }
    }

    #[test]
    fn every_other_spelling_is_refused(value in value(4)) {
        let (text, pretty) = (canonical::text(&value), serde_json::to_string_pretty(&value).unwrap());
        if pretty != text {
            prop_assert_eq!(canonical::parse(pretty.as_bytes()), Err(CanonicalError::Spelling));
        }
        for other in [format!(" {text}"), format!("{text}\n")] {
            prop_assert_eq!(canonical::parse(other.as_bytes()), Err(CanonicalError::Spelling));
        }
    }

    #[test]
    fn any_bytes_are_refused_or_are_their_own_form(bytes in any::<Vec<u8>>()) {
        if let Ok(value) = canonical::parse(&bytes) {
            prop_assert_eq!(canonical::text(&value).into_bytes(), bytes);
        }
    }

    #[test]
    fn any_claims_are_signed_read_and_verified(claims in claims(), n in 1_u8..9) {
        let event = Event::sign(&claims, &key(n)).unwrap();
        let read = Event::parse(event.as_str()).unwrap();
        prop_assert_eq!(read.claims(), &claims);
        prop_assert_eq!(read.verify(&key(n).public()), Ok(()));
        prop_assert!(read.verify(&key(n + 1).public()).is_err());
        prop_assert_eq!(*read.leaf(), Hash::leaf(event.as_str().as_bytes()));
        prop_assert_eq!(Event::sign(read.claims(), &key(n)).unwrap(), event);
    }

    #[test]
    fn no_other_text_is_that_event(claims in claims(), at in any::<prop::sample::Index>(), other in "[A-Za-z0-9_.=~-]") {
        let event = Event::sign(&claims, &key(1)).unwrap();
        let mut text = event.as_str().to_owned();
        let at = at.index(text.len());
        text.replace_range(at..=at, &other);
        let accepted = Event::parse(&text).is_ok_and(|read| read.verify(&key(1).public()).is_ok());
        prop_assert_eq!(accepted, text == event.as_str());
    }

    #[test]
    fn claims_outside_the_narrowing_are_not_signed(claims in claims(), (guest, _) in stranger()) {
        let mut claims = claims;
        claims.data.insert("guest".to_owned(), guest);
        prop_assert!(Event::sign(&claims, &key(1)).is_err());
    }

    #[test]
    fn any_field_is_sealed_and_opened(salt in any::<[u8; 16]>(), name in "[a-z]{1,64}", value in value(5)) {
        let opening = Opening::new(salt, &name, value.clone()).unwrap();
        let read = Opening::parse(opening.as_str()).unwrap();
        prop_assert_eq!((read.name(), read.value()), (name.as_str(), &value));
        prop_assert_eq!(read.digest(), opening.digest());
    }

    #[test]
    fn no_field_outside_the_narrowing_is_sealed(salt in any::<[u8; 16]>(), (guest, _) in stranger()) {
        prop_assert!(Opening::new(salt, "n", guest).is_err());
    }
}
