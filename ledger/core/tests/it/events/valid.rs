//! Events that hold.

use daybook_core::canonical::{MAX_INTEGER, MAX_NAME};
use daybook_core::event::{Claims, Event, MAX_EVENT, MAX_POLICY_EVENT, POLICY_ADOPTED, Seen};
use daybook_core::key::{KeyUse, possession_bytes};
use daybook_core::sealed::{Opening, digest_list};
use daybook_core::{Hash, base64url};
use serde_json::{Value, json};

use super::craft::{JOB, ORIGIN, OTHER, jwk, key, payload};

pub(super) fn files() -> Vec<(&'static str, &'static str, Vec<Value>)> {
    vec![
        (
            "valid/first.json",
            "The first event of a log, with keys and their proofs of possession.",
            vec![first()],
        ),
        (
            "valid/usual.json",
            "Events within a stream, with and without `seen`.",
            usual(),
        ),
        (
            "valid/sealed.json",
            "Sealed fields, decoys, and openings in all of Unicode.",
            sealed(),
        ),
        (
            "valid/limits.json",
            "The largest and the smallest of everything.",
            limits(),
        ),
        ("valid/actors.json", "Every kind of actor.", actors()),
        ("valid/streams.json", "Every kind of stream.", streams()),
    ]
}

fn claims() -> Claims {
    let event = Event::parse(&super::craft::event(payload().as_bytes())).unwrap();
    let root = Hash::of(b"root");
    Claims {
        seen: Some(Seen { root, size: 812 }),
        ..event.claims().clone()
    }
}

fn with_data(data: Value) -> Claims {
    Claims {
        data: serde_json::from_value(data).unwrap(),
        ..claims()
    }
}

fn vector(name: &str, claims: &Claims) -> Value {
    let event = Event::sign(claims, &key(1)).unwrap();
    let payload = base64url::decode(event.as_str().split('.').nth(1).unwrap()).unwrap();
    json!({
        "name": name,
        "claims": serde_json::from_slice::<Value>(&payload).unwrap(),
        "event": event.as_str(),
        "key": jwk(1),
        "kid": event.kid().to_base64url(),
        "leaf": event.leaf().to_base64url(),
    })
}

fn first() -> Value {
    let entry = |n: u8, actor: &str, usage: KeyUse| {
        let bytes = possession_bytes(ORIGIN, &actor.parse().unwrap(), usage, &key(n).public());
        json!({"proof": base64url::encode(&key(n).sign(&bytes)), "use": usage.as_str(), "x": key(n).public().to_x()})
    };
    let mut claims = with_data(json!({
        "clerk": [entry(2, "hub/clerk", KeyUse::Event)],
        "operator": [entry(1, "operator", KeyUse::Event), entry(3, "operator", KeyUse::Access)],
    }));
    claims.iss = "operator".parse().unwrap();
    claims.sub = "federation".parse().unwrap();
    "log-opened".clone_into(&mut claims.kind);
    (claims.seq, claims.prev, claims.seen) = (1, None, None);
    vector("the first event of a log", &claims)
}

fn usual() -> Vec<Value> {
    let with_both = claims();
    let no_seen = Claims {
        seen: None,
        ..claims()
    };
    let first_of_stream = Claims {
        seq: 1,
        prev: None,
        ..claims()
    };
    let no_data = with_data(json!({}));
    let second_version = Claims {
        version: 2,
        ..claims()
    };
    vec![
        vector("with prev and seen", &with_both),
        vector("without seen", &no_seen),
        vector("the first of its stream", &first_of_stream),
        vector("without data", &no_data),
        vector("version 2 of its type", &second_version),
        vector(
            "every kind of value",
            &with_data(json!({
                "array": [1, "two", [3], {"four": 4}], "empty": [[], {}, ""], "false": false, "null": null, "true": true,
                "name with space, \"quote\" and \\": 1, "~": 1,
            })),
        ),
        vector(
            "strings that must be escaped, and such that must not",
            &with_data(json!({
                "c0": "\u{1}\u{8}\t\n\u{b}\u{c}\r\u{1f}", "plain": "\u{7f}\u{80}\u{2028}\u{2029}/<>&'", "quoted": "\"\\",
                "unicode": "é e\u{301} ﬁ 𝄞 🧬 \u{e000} \u{fffd} \u{feff}",
            })),
        ),
    ]
}

fn with_openings(name: &str, clear: Value, openings: &[Opening], decoys: &[[u8; 32]]) -> Value {
    let mut claims = with_data(clear);
    claims
        .data
        .insert("_sd".to_owned(), digest_list(openings, decoys));
    let mut vector = vector(name, &claims);
    vector["openings"] = openings.iter().map(|opening| {
        json!({
            "digest": opening.digest().to_base64url(), "name": opening.name(), "opening": opening.as_str(),
            "value": opening.value(),
        })
    }).collect();
    vector["decoys"] = decoys.iter().map(|decoy| base64url::encode(decoy)).collect();
    vector
}

fn sealed() -> Vec<Value> {
    let opening = |n: u8, name: &str, value: Value| Opening::new([n; 16], name, value).unwrap();
    let texts = [
        "Prifysgol Bryn Terfel, Ŵyl, ẅ",
        "دراسة الصحة",
        "健康研究 の 記録",
        "Zusammenfassung: „klein“ – größer ≥ 5 %",
        "combining e\u{301}, precomposed \u{e9}",
        "🧬🏥👩🏽\u{200d}🔬 𝄞 \u{10fffd}",
        "tab\t newline\n quote\" backslash\\ bell\u{7}",
        "\u{2028}\u{2029}\u{7f}\u{85}\u{a0}\u{feff}",
        "\u{202e}right to left",
    ];
    let unicode: Vec<Opening> = (1..)
        .zip(texts)
        .map(|(n, text)| opening(n, &format!("text-{n}"), Value::from(text)))
        .collect();
    vec![
        with_openings(
            "two sealed fields and two decoys beside a clear one",
            json!({"code": "small-cells"}),
            &[
                opening(7, "reason", "a cell of row 3 counts two people".into()),
                opening(8, "count", 2.into()),
            ],
            &[[1; 32], [2; 32]],
        ),
        with_openings("decoys alone", json!({}), &[], &[[1; 32], [2; 32], [3; 32]]),
        with_openings(
            "every kind of value",
            json!({}),
            &[
                opening(1, "array", json!([1, [true, null], {"a": "b"}])),
                opening(2, "false", false.into()),
                opening(3, "null", Value::Null),
                opening(4, "object", json!({"a": {"b": []}, "z": ""})),
                opening(5, "integer", (-MAX_INTEGER).into()),
                opening(6, "empty", "".into()),
            ],
            &[],
        ),
        with_openings("all of Unicode", json!({}), &unicode, &[[9; 32]]),
        with_openings(
            "one value under two salts has two digests",
            json!({}),
            &[opening(1, "one", "same".into()), opening(2, "two", "same".into())],
            &[],
        ),
    ]
}

/// A long event in parts. Behind a header of this length no payload makes exactly 16 or 48 KiB; a byte less can be had.
fn long(name: &str, kind: &str, length: usize) -> Value {
    let event = super::invalid::filled(kind, length);
    assert_eq!(event.len(), length, "{name}");
    let read = Event::parse(&event).unwrap();
    json!({
        "name": name,
        "event_parts": super::invalid::parts(&event),
        "key": jwk(1),
        "kid": read.kid().to_base64url(),
        "leaf": read.leaf().to_base64url(),
    })
}

fn limits() -> Vec<Value> {
    let longest_name = "n".repeat(MAX_NAME);
    let far = Claims {
        aud: "a".repeat(128),
        iat: MAX_INTEGER,
        seen: Some(Seen {
            root: Hash([0xff; 32]),
            size: MAX_INTEGER.unsigned_abs(),
        }),
        seq: MAX_INTEGER.unsigned_abs(),
        kind: "a".repeat(40),
        version: 999,
        ..claims()
    };
    let near = Claims {
        aud: "a".to_owned(),
        iat: 0,
        seen: Some(Seen {
            root: Hash([0; 32]),
            size: 1,
        }),
        seq: 2,
        kind: "abc".to_owned(),
        ..claims()
    };
    vec![
        long("the longest event", "job-checked", MAX_EVENT - 1),
        long(
            "the longest event that adopts a rule table",
            POLICY_ADOPTED,
            MAX_POLICY_EVENT - 1,
        ),
        vector("the largest claims", &far),
        vector("the smallest claims", &near),
        vector(
            "the largest integers",
            &with_data(json!({"a": MAX_INTEGER, "b": -MAX_INTEGER, "c": 0})),
        ),
        vector("eight levels", &with_data(json!({"a": [[[[[[]]]]]]}))),
        vector(
            "the longest name of a member",
            &with_data(json!({longest_name: 1})),
        ),
    ]
}

fn actors() -> Vec<Value> {
    [
        "operator".to_owned(),
        "hub/clerk".to_owned(),
        "hub/editor".to_owned(),
        "registrar/main".to_owned(),
        "auditor/ico-2".to_owned(),
        "tre/wessex/root".to_owned(),
        "tre/wessex/relay".to_owned(),
        "tre/wessex/runner".to_owned(),
        "tre/wessex/review".to_owned(),
        "tre/ab/relay".to_owned(),
        format!("tre/a{}/relay", "b".repeat(31)),
        format!("project/{JOB}/member/{OTHER}"),
    ]
    .iter()
    .map(|actor| {
        vector(
            actor,
            &Claims {
                iss: actor.parse().unwrap(),
                ..claims()
            },
        )
    })
    .collect()
}

fn streams() -> Vec<Value> {
    let mut names = vec!["federation".to_owned(), "log".to_owned(), "tre/wessex".to_owned()];
    for kind in [
        "dataset",
        "workflow",
        "project",
        "submission",
        "job",
        "register",
        "erasure",
    ] {
        names.push(format!("{kind}/{JOB}"));
    }
    for subject in ["project", "workflow", "member"] {
        names.push(format!("approval/wessex/{subject}/{JOB}"));
    }
    names
        .iter()
        .map(|stream| {
            vector(
                stream,
                &Claims {
                    sub: stream.parse().unwrap(),
                    ..claims()
                },
            )
        })
        .collect()
}
