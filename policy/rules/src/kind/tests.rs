use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::*;

fn codes() -> BTreeMap<String, BTreeSet<String>> {
    BTreeMap::from([(
        "colour".to_owned(),
        BTreeSet::from(["red".to_owned(), "green".to_owned()]),
    )])
}

fn clear(text: &str) -> ClearKind {
    ClearKind::parse(text, &codes()).unwrap()
}

fn sealed(text: &str) -> SealedKind {
    SealedKind::parse(text, &codes()).unwrap()
}

const UUID: &str = "7d444840-9dc0-41d1-b245-5ffdce74fad2";

#[test]
fn clear_kinds_take_one_spelling_of_each_value() {
    let digest = "A".repeat(43);
    for (kind, good, bad) in [
        ("uuid", json!(UUID), json!(UUID.to_uppercase())),
        ("uuid", json!(UUID), json!("7d444840-9dc0-11d1-b245-5ffdce74fad2")),
        ("slug", json!("wessex"), json!("Wessex")),
        ("leaf", json!(digest), json!(format!("{}B", "A".repeat(42)))),
        ("signature", json!("A".repeat(86)), json!("A".repeat(85))),
        ("int 1 5", json!(5), json!(6)),
        ("int 1 5", json!(1), json!("1")),
        ("bool", json!(false), json!(0)),
        ("yes", json!(true), json!(false)),
        ("time", json!(0), json!(-1)),
        ("time", json!(253_402_300_799_i64), json!(253_402_300_800_i64)),
        ("code colour", json!("red"), json!("blue")),
        ("list 1 2 uuid", json!([UUID]), json!([])),
        ("list 1 2 uuid", json!([UUID]), json!([UUID, UUID])),
        ("list 0 1 slug", json!([]), json!(["aa", "bb"])),
        (
            "cosignatures 1",
            json!([]),
            json!([{ "key": digest, "signature": "A".repeat(86), "time": 1, "note": 1 }]),
        ),
        (
            "erasures 1 1",
            json!([{ "digests": [digest], "event": digest }]),
            json!([{ "digests": [], "event": digest }]),
        ),
        (
            "jobs 1 1",
            json!({ "wessex": { "datasets": [UUID], "job": UUID } }),
            json!({ "wessex": { "job": UUID } }),
        ),
        (
            "jobs 1 1",
            json!({ "wessex": { "datasets": [UUID], "job": UUID } }),
            json!({}),
        ),
    ] {
        assert!(clear(kind).fits(&good), "{kind} {good}");
        assert!(!clear(kind).fits(&bad), "{kind} {bad}");
    }
    let twice = json!({ "mercia": { "datasets": [UUID], "job": UUID }, "wessex": { "datasets": [UUID], "job": UUID } });
    assert!(!clear("jobs 2 2").fits(&twice), "one job id at two TREs");
}

#[test]
fn a_key_entry_has_no_room_for_words() {
    let entry = |usage: &str| json!([{ "proof": "A".repeat(86), "use": usage, "x": "A".repeat(43) }]);
    assert!(clear("keys").fits(&entry("event")) && clear("keys").fits(&entry("access")));
    assert!(!clear("keys").fits(&entry("Ann's laptop")));
    let mut wordy = entry("event");
    wordy[0]["note"] = "Ann's laptop".into();
    assert!(!clear("keys").fits(&wordy));
}

#[test]
fn sealed_kinds_hold_what_they_say() {
    let fits = |kind: &str, value: Value| sealed(kind).fits(&value);
    assert!(fits("text 3", json!("añb")) && !fits("text 3", json!("abcd")) && !fits("text 3", json!(" \n ")));
    assert!(fits("text 9", json!("a\nb")) && !fits("text 9", json!("a\tb")) && !fits("text 9", json!("")));
    assert!(fits("texts 2 3", json!(["a", "b"])) && !fits("texts 2 3", json!(["a", "b", "c"])));
    for (date, good) in [
        ("2024-02-29", true),
        ("2023-02-29", false),
        ("1900-02-28", true),
        ("2026-13-01", false),
        ("2026-04-31", false),
        ("2026-4-30", false),
        ("26-04-30", false),
        ("2026-04-30T", false),
    ] {
        assert_eq!(fits("date", json!(date)), good, "{date}");
    }
    for (url, good) in [
        ("https://example.org/a?b#c", true),
        ("http://example.org", false),
        ("https://", false),
        ("https://a b", false),
        ("https://a/\"onclick", false),
        ("javascript:alert(1)", false),
    ] {
        assert_eq!(fits("url 100", json!(url)), good, "{url}");
    }
    assert!(fits("code colour", json!("red")) && !fits("code colour", json!("blue")));
    assert!(fits("int 0 9", json!(9)) && !fits("int 0 9", json!(10)));
    assert!(fits("digest", json!("A".repeat(43))) && !fits("digest", json!("A")));
}

#[test]
fn words_that_are_no_kind_are_refused() {
    for text in [
        "",
        "string",
        "text 5",
        "int 1",
        "int 01 5",
        "int 5 1",
        "code shape",
        "list 1 0 uuid",
        "list 1 2 jobs 1 1",
        "uuid 4",
        "jobs 1",
    ] {
        assert_eq!(ClearKind::parse(text, &codes()), None, "{text}");
    }
    for text in [
        "",
        "uuid",
        "text",
        "text 0",
        "text x",
        "texts 1",
        "url",
        "date 1",
        "code shape",
    ] {
        assert_eq!(SealedKind::parse(text, &codes()), None, "{text}");
    }
}
