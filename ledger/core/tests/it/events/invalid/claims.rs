//! Claims that are missing, unknown, or of another form.

use daybook_core::{Hash, canonical};
use serde_json::{Map, Value, json};

use super::craft::{JOB, ORIGIN, event, payload, respelt};
use super::{change, vector};

/// Claims that no event has.
#[rustfmt::skip]
const UNKNOWN: &[&str] = &["x", "exp", "nbf", "kid", "_sd", "_sd_alg", "cnf", "vct", "Seq"];

/// Texts that a claim refuses; `{id}` stands for a good id, `{ID}` for the same in upper case.
#[rustfmt::skip]
const TEXTS: &[(&str, &[&str])] = &[
    ("Claim aud", &["", "Log.example", "log example", "log.example+x", "log.example/é", "https://log.example"]),
    ("Claim type", &["", "ab", "Job-checked", "job_checked", "-job", "job-", "job--checked", "job2", "job checked", "jób"]),
    ("Id iss", &[
        "", "Operator", "operator/", "/operator", " operator", "hub", "hub/other", "tre/wessex", "tre/wessex/boss",
        "tre/wessex/relay/x", "tre/wessex/Relay", "tre/Wessex/relay", "tre/w/relay", "tre//relay", "tre/1wessex/relay",
        "tre/wes--sex/relay", "tre/wessex-/relay", "tre/-wessex/relay", "tre/wes_sex/relay", "tre/wéssex/relay",
        "registrar", "auditor/", "project/{id}/member", "project/{id}/member/x", "project/{id}/member/{ID}",
        "project/{id}/members/{id}", "tre/wessex/relay\n",
    ]),
    ("Id jti", &[
        "", "x", "{ID}", "{{id}}", "urn:uuid:{id}", "{id} ", "7d4448409dc041d1b2455ffdce74fad2",
        "7d444840-9dc0-11d1-b245-5ffdce74fad2", "7d444840-9dc0-71d1-b245-5ffdce74fad2",
        "7d444840-9dc0-41d1-c245-5ffdce74fad2", "7d444840-9dc0-41d1-7245-5ffdce74fad2",
        "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff", "01890a5d-ac96-774b-bcce-b302099a8057",
    ]),
    ("Id sub", &[
        "", "Federation", "federation/", "log/", "job", "job/", "job/x", "jobs/x", "tre/wessex/relay", "tre/Wessex", "tre/w", "hub/clerk",
        "job/{ID}", "job/{{id}}", "job/{id}/", "approval/wessex/{id}", "approval/wessex/dataset/{id}", "approval/w/member/{id}", "actor/{id}", "log\n",
    ]),
];

fn whole() -> Map<String, Value> {
    serde_json::from_str(&payload()).unwrap()
}

fn signed(members: Map<String, Value>) -> String {
    event(canonical::text(&Value::Object(members)).as_bytes())
}

fn with(claim: &str, value: Value) -> String {
    let mut members = whole();
    members.insert(claim.to_owned(), value);
    signed(members)
}

fn without(claim: &str) -> String {
    let mut members = whole();
    members.remove(claim);
    signed(members)
}

/// Values that a claim refuses, by reason.
fn values() -> Vec<(&'static str, Vec<Value>)> {
    let digest = Hash::of(b"prev").to_base64url();
    let seen = |root: &Value, size: Value| json!({"root": root, "size": size});
    let mut no_seen = vec![
        Value::Null,
        json!([]),
        json!({}),
        json!({"root": digest}),
        json!({"size": 1}),
        json!([digest, 812]),
        json!({"root": digest, "size": 812, "x": 1}),
        json!({"root": digest, "sizes": 812}),
    ];
    let sizes = [json!(0), json!(-1), json!("812"), Value::Null, json!(true)];
    no_seen.extend(sizes.map(|size| seen(&json!(digest), size)));
    no_seen.extend(no_digests().iter().map(|root| seen(root, json!(812))));
    vec![
        (
            "Claim aud",
            vec![json!([ORIGIN]), Value::Null, json!(1), json!("a".repeat(129))],
        ),
        ("Claim data", vec![Value::Null, json!([]), json!("x"), json!(1)]),
        (
            "Claim iat",
            vec![json!(-1), json!("1795300000"), Value::Null, json!(true)],
        ),
        ("Claim iss", vec![Value::Null, json!(1), json!(["operator"])]),
        (
            "Id iss",
            vec![
                json!(format!("tre/{}/relay", "a".repeat(33))),
                json!("operator/".repeat(20)),
            ],
        ),
        ("Claim jti", vec![Value::Null, json!(1)]),
        ("Claim prev", no_digests()),
        ("Claim seen", no_seen),
        (
            "Claim seq",
            vec![json!(0), json!(-1), json!("3"), Value::Null, json!(true)],
        ),
        ("Claim sub", vec![Value::Null, json!(1)]),
        ("Claim type", vec![Value::Null, json!("a".repeat(41))]),
        (
            "Claim v",
            vec![
                json!(0),
                json!(1000),
                json!(-1),
                json!("1"),
                Value::Null,
                json!(true),
            ],
        ),
    ]
}

fn no_digests() -> Vec<Value> {
    let digest = Hash::of(b"prev").to_base64url();
    let standard = Hash([0xff; 32]).to_base64();
    vec![
        json!(digest[..42]),
        json!(format!("{digest}A")),
        json!(format!("{digest}=")),
        json!(respelt(&digest)[0]),
        json!(standard.trim_end_matches('=')),
        json!("aa".repeat(32)),
        json!(""),
        Value::Null,
        json!(1),
    ]
}

pub(super) fn claims() -> Vec<Value> {
    let mut vectors = Vec::new();
    for claim in ["aud", "data", "iat", "iss", "jti", "seq", "sub", "type", "v"] {
        vectors.push(vector(
            &format!("no {claim}"),
            &without(claim),
            &format!("Missing {claim}"),
        ));
    }
    for claim in UNKNOWN {
        vectors.push(vector(
            &format!("unknown claim {claim}"),
            &with(claim, json!(1)),
            "Unknown",
        ));
    }
    let texts = TEXTS.iter().map(|(reason, texts)| {
        let text = |text: &&str| json!(text.replace("{id}", JOB).replace("{ID}", &JOB.to_uppercase()));
        (*reason, texts.iter().map(text).collect::<Vec<_>>())
    });
    for (reason, values) in texts.chain(values()) {
        let (_, claim) = reason.split_once(' ').unwrap();
        for value in values {
            let name: String = format!("{claim} {value}").chars().take(60).collect();
            vectors.push(vector(&name, &with(claim, value), reason));
        }
    }
    let mut first = whole();
    first.insert("seq".to_owned(), json!(1));
    vectors.push(vector("prev in the first event", &signed(first.clone()), "Prev"));
    first.insert("prev".to_owned(), Value::Null);
    vectors.push(vector(
        "prev null in the first event",
        &signed(first),
        "Claim prev",
    ));
    vectors.push(vector("no prev in the third event", &without("prev"), "Prev"));
    vectors
}

pub(super) fn digests() -> Vec<Value> {
    let mut list: Vec<String> = (0_u8..3).map(|n| Hash::of(&[n]).to_base64url()).collect();
    list.sort();
    let [a, b, c] = &list[..] else { panic!("three") };
    let mut vectors = Vec::new();
    for (name, value) in [
        ("not sorted", json!([b, a])),
        ("not sorted at the end", json!([a, c, b])),
        ("one twice", json!([a, b, b])),
        ("empty", json!([])),
        ("a digest of 42 characters", json!([a[..42]])),
        ("with padding", json!([format!("{a}=")])),
        ("with spare bits", json!([respelt(a)[0]])),
        ("a number", json!([1])),
        ("an array within", json!([[a]])),
        ("null within", json!([null])),
        ("an object", json!({"0": a})),
        ("a string", json!(a)),
        ("null", Value::Null),
        ("an empty string", json!([""])),
    ] {
        vectors.push(change(
            &format!("_sd: {name}"),
            r#"{"n":1}"#,
            &json!({"_sd": value}).to_string(),
            "Digests",
        ));
    }
    for data in [
        json!({"_sd_alg": "sha-256"}),
        json!({"...": a}),
        json!({"a": {"_sd": [a]}}),
        json!({"a": {"_sd": 1}}),
        json!({"a": [{"...": a}]}),
        json!({"a": [[{"b": {"_sd_alg": 1}}]]}),
        json!({"a": {"...": null}}),
    ] {
        let data = data.to_string();
        vectors.push(change(
            &format!("reserved: {data}"),
            r#"{"n":1}"#,
            &data,
            "Reserved",
        ));
    }
    vectors
}
