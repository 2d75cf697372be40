//! Events that differ from a good one in one thing, and openings likewise.

use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::Identity as _;
use daybook_core::event::{Event, MAX_EVENT, MAX_POLICY_EVENT, POLICY_ADOPTED};
use daybook_core::key::PublicKey;
use daybook_core::sealed::MAX_OPENING;
use daybook_core::{Hash, base64url};
use serde_json::{Value, json};

use super::craft::{
    self, ORIGIN, challenge, event, header, input, join, key, payload, plus_order, respelt, scalar, signed,
    thumbprint, under_weak_key, with_r,
};

pub(super) fn files() -> Vec<(&'static str, &'static str, Vec<Value>)> {
    vec![
        (
            "invalid/spelling.json",
            "Other spellings of the three parts of a good event.",
            spelling(),
        ),
        ("invalid/header.json", "Other headers, each signed.", headers()),
        (
            "invalid/json.json",
            "Payloads that are not the one canonical form of an object within the limits.",
            json_forms(),
        ),
        (
            "invalid/claims.json",
            "Claims that are missing, unknown, or of another form.",
            claims(),
        ),
        (
            "invalid/digests.json",
            "Lists of digests and reserved names.",
            digests(),
        ),
        ("invalid/sizes.json", "Too long.", sizes()),
        (
            "invalid/keys.json",
            "Keys that are no keys; under most a lax verifier accepts the signature.",
            keys(),
        ),
        (
            "invalid/signatures.json",
            "Signatures that do not hold; some only a strict verifier refuses.",
            signatures(),
        ),
        (
            "invalid/leaf.json",
            "Good events with a leaf hash that is not theirs.",
            leaves(),
        ),
        (
            "invalid/openings.json",
            "Openings that are not of the one form.",
            openings(),
        ),
    ]
}

fn under(name: &str, event: &str, x: &str, reason: &str) -> Value {
    json!({"name": name, "event": event, "x": x, "reason": reason})
}

fn vector(name: &str, event: &str, reason: &str) -> Value {
    under(name, event, &key(1).public().to_x(), reason)
}

/// The payload with one change, which must be one.
fn changed(from: &str, to: &str) -> String {
    assert_eq!(payload().matches(from).count(), 1, "{from}");
    payload().replace(from, to)
}

fn change(name: &str, from: &str, to: &str, reason: &str) -> Value {
    vector(name, &event(changed(from, to).as_bytes()), reason)
}

fn spelling() -> Vec<Value> {
    let good = event(payload().as_bytes());
    let parts: Vec<&str> = good.split('.').collect();
    let [header, payload, signature] = parts[..] else {
        panic!("three parts")
    };
    let mut vectors = Vec::new();
    for (at, part) in ["header", "payload", "signature"].into_iter().enumerate() {
        let mut add = |name: String, other: String| {
            let mut parts = parts.clone();
            parts[at] = &other;
            vectors.push(vector(&format!("{part}: {name}"), &parts.join("."), "Base64"));
        };
        for (n, other) in respelt(parts[at]).into_iter().enumerate() {
            add(format!("spare bits {}", n + 1), other);
        }
        let (first, rest) = parts[at].split_at(8);
        add(
            "padded".into(),
            format!("{}{}", parts[at], "=".repeat(4 - parts[at].len() % 4)),
        );
        add("a space at the end".into(), format!("{} ", parts[at]));
        add("a line end within".into(), format!("{first}\n{rest}"));
        add(
            "a length that no bytes have".into(),
            format!("{}A", &parts[at][..parts[at].len() / 4 * 4]),
        );
        add("percent-encoded".into(), format!("{first}%41{rest}"));
    }
    let standard = signature.replace('-', "+").replace('_', "/");
    assert_ne!(standard, signature);
    vectors.push(vector(
        "signature: standard alphabet",
        &format!("{header}.{payload}.{standard}"),
        "Base64",
    ));
    for (name, text, reason) in [
        ("nothing", String::new(), "Parts"),
        ("two parts", format!("{header}.{payload}"), "Parts"),
        ("four parts", format!("{good}."), "Parts"),
        ("five parts, as JWE", format!("{good}.AA.AA"), "Parts"),
        (
            "JSON serialisation",
            json!({"payload": payload, "protected": header, "signature": signature}).to_string(),
            "Parts",
        ),
        ("with SD-JWT's tilde", format!("{good}~"), "Base64"),
        ("a line end after it", format!("{good}\n"), "Base64"),
        ("a space before it", format!(" {good}"), "Base64"),
        ("no header", format!(".{payload}.{signature}"), "Header"),
        (
            "no payload",
            signed(
                craft::header(&key(1).public().thumbprint().to_base64url()).as_bytes(),
                b"",
            ),
            "Syntax",
        ),
        ("no signature", format!("{header}.{payload}."), "SignatureLength"),
        (
            "a signature of 63 bytes",
            format!("{header}.{payload}.{}", base64url::encode(&[1; 63])),
            "SignatureLength",
        ),
        (
            "a signature of 65 bytes",
            format!("{header}.{payload}.{}", base64url::encode(&[1; 65])),
            "SignatureLength",
        ),
    ] {
        vectors.push(vector(name, &text, reason));
    }
    vectors
}

fn headers() -> Vec<Value> {
    let kid = key(1).public().thumbprint().to_base64url();
    let good = header(&kid);
    let typ = "daybook-event+jwt";
    let other_kid = |kid: &str| header(kid);
    let standard = other_kid(&Hash([0xff; 32]).to_base64().replace('=', ""));
    let mut vectors: Vec<Value> = [
        ("alg EdDSA", good.replace("Ed25519", "EdDSA")),
        ("alg none", good.replace("Ed25519", "none")),
        ("alg HS256", good.replace("Ed25519", "HS256")),
        ("alg in lower case", good.replace("Ed25519", "ed25519")),
        ("no alg", good.replace(r#""alg":"Ed25519","#, "")),
        ("no kid", good.replace(&format!(r#""kid":"{kid}","#), "")),
        ("no typ", good.replace(&format!(r#","typ":"{typ}""#), "")),
        ("typ of an access token", good.replace("event", "access")),
        ("typ of a proof of possession", good.replace("event", "key-pop")),
        ("typ of SD-JWT", good.replace(typ, "sd+jwt")),
        (
            "typ with application/",
            good.replace(typ, &format!("application/{typ}")),
        ),
        ("typ in upper case", good.replace(typ, "DAYBOOK-EVENT+JWT")),
        ("typ escaped", good.replace("+jwt", "\\u002bjwt")),
        (
            "kid first",
            format!(r#"{{"kid":"{kid}","alg":"Ed25519","typ":"{typ}"}}"#),
        ),
        (
            "typ first",
            format!(r#"{{"typ":"{typ}","alg":"Ed25519","kid":"{kid}"}}"#),
        ),
        ("with crit", good.replace('}', r#","crit":["exp"],"exp":1}"#)),
        (
            "with an empty crit",
            good.replace(r#","kid""#, r#","crit":[],"kid""#),
        ),
        ("with b64", good.replace(r#","kid""#, r#","b64":true,"kid""#)),
        (
            "with a key",
            good.replace('}', &format!(r#","jwk":{}}}"#, craft::jwk(1))),
        ),
        (
            "alg twice",
            good.replace(r#","kid""#, r#","alg":"Ed25519","kid""#),
        ),
        ("a space after a colon", good.replacen(':', ": ", 1)),
        ("a space after a comma", good.replacen(',', ", ", 1)),
        ("a space at the end", format!("{good} ")),
        ("a line end at the end", format!("{good}\n")),
        ("a byte order mark", format!("\u{feff}{good}")),
        ("a kid of 42 characters", other_kid(&kid[..42])),
        ("a kid of 44 characters", other_kid(&format!("{kid}A"))),
        ("a kid with padding", other_kid(&format!("{kid}="))),
        ("a kid with spare bits", other_kid(&respelt(&kid)[0])),
        ("a kid in the standard alphabet", standard),
        (
            "a kid in hexadecimal",
            other_kid(&kid.bytes().map(|b| format!("{b:02x}")).collect::<String>()),
        ),
        ("an empty kid", other_kid("")),
        ("an empty object", "{}".to_owned()),
        ("an array", "[]".to_owned()),
        ("not JSON", "x".to_owned()),
    ]
    .into_iter()
    .map(|(name, other)| {
        assert_ne!(other, good, "{name}");
        vector(name, &signed(other.as_bytes(), payload().as_bytes()), "Header")
    })
    .collect();
    vectors.push(vector(
        "not UTF-8",
        &signed(b"\xff", payload().as_bytes()),
        "Header",
    ));
    vectors
}


fn claims() -> Vec<Value> {
    let whole: Value = serde_json::from_str(&payload()).unwrap();
    let with = |claim: &str, value: Option<Value>| {
        let mut members = whole.as_object().unwrap().clone();
        match value {
            Some(value) => members.insert(claim.to_owned(), value),
            None => members.remove(claim),
        };
        event(daybook_core::canonical::text(&Value::Object(members)).as_bytes())
    };
    let mut vectors = Vec::new();
    for claim in ["aud", "data", "iat", "iss", "jti", "seq", "sub", "type", "v"] {
        vectors.push(vector(
            &format!("no {claim}"),
            &with(claim, None),
            &format!("Missing {claim}"),
        ));
    }
    for (claim, value) in [
        ("x", json!(1)),
        ("exp", json!(1_795_300_300)),
        ("nbf", json!(1)),
        ("kid", json!("x")),
        ("_sd", json!([])),
        ("_sd_alg", json!("sha-256")),
        ("cnf", json!({})),
        ("vct", json!("x")),
        ("Seq", json!(3)),
    ] {
        vectors.push(vector(
            &format!("unknown claim {claim}"),
            &with(claim, Some(value)),
            "Unknown",
        ));
    }
    vectors.push(vector("no prev in the third event", &with("prev", None), "Prev"));
    vectors.push(vector(
        "prev in the first event",
        &with("seq", Some(json!(1))),
        "Prev",
    ));
    let digest = Hash::of(b"prev").to_base64url();
    let id = "7d444840-9dc0-41d1-b245-5ffdce74fad2";
    let standard = Hash([0xff; 32]).to_base64();
    let no_digests = [
        json!(digest[..42]),
        json!(format!("{digest}A")),
        json!(format!("{digest}=")),
        json!(respelt(&digest)[0]),
        json!(standard.trim_end_matches('=')),
        json!("aa".repeat(32)),
        json!(""),
        Value::Null,
        json!(1),
    ];
    let seen = |root: Value, size: Value| json!({"root": root, "size": size});
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
    no_seen.extend(
        [json!(0), json!(-1), json!("812"), Value::Null, json!(true)].map(|size| seen(json!(digest), size)),
    );
    no_seen.extend(no_digests.clone().map(|root| seen(root, json!(812))));
    let texts = |texts: &[&str]| texts.iter().map(|text| json!(text)).collect::<Vec<_>>();
    for (claim, reason, values) in [
        (
            "aud",
            "Claim",
            [
                texts(&[
                    "",
                    "Log.example",
                    "log example",
                    "log.example+x",
                    "log.example/é",
                    "https://log.example",
                    &"a".repeat(129),
                ]),
                vec![json!([ORIGIN]), Value::Null, json!(1)],
            ]
            .concat(),
        ),
        (
            "data",
            "Claim",
            vec![Value::Null, json!([]), json!("x"), json!(1)],
        ),
        (
            "iat",
            "Claim",
            vec![json!(-1), json!("1795300000"), Value::Null, json!(true)],
        ),
        (
            "iss",
            "Id",
            texts(&[
                "",
                "Operator",
                "operator/",
                "/operator",
                " operator",
                "hub",
                "hub/other",
                "tre/wessex",
                "tre/wessex/boss",
                "tre/wessex/relay/x",
                "tre/wessex/Relay",
                "tre/Wessex/relay",
                "tre/w/relay",
                "tre//relay",
                "tre/1wessex/relay",
                "tre/wes--sex/relay",
                "tre/wessex-/relay",
                "tre/-wessex/relay",
                "tre/wes_sex/relay",
                "tre/wéssex/relay",
                "registrar",
                "auditor/",
                &format!("tre/{}/relay", "a".repeat(33)),
                &format!("project/{id}/member"),
                &format!("project/{id}/member/x"),
                &format!("project/{id}/member/{}", id.to_uppercase()),
                &format!("project/{id}/members/{id}"),
                &"operator/".repeat(200),
            ]),
        ),
        ("iss", "Claim", vec![Value::Null, json!(1), json!(["operator"])]),
        (
            "jti",
            "Id",
            texts(&[
                "",
                "x",
                &id.to_uppercase(),
                &id.replace('-', ""),
                &format!("{{{id}}}"),
                &format!("urn:uuid:{id}"),
                &id.replace("-41d1-", "-11d1-"),
                &id.replace("-41d1-", "-71d1-"),
                &id.replace("-b245-", "-c245-"),
                &id.replace("-b245-", "-7245-"),
                "00000000-0000-0000-0000-000000000000",
                "ffffffff-ffff-ffff-ffff-ffffffffffff",
                "01890a5d-ac96-774b-bcce-b302099a8057",
                &format!("{id} "),
            ]),
        ),
        ("jti", "Claim", vec![Value::Null, json!(1)]),
        ("prev", "Claim", no_digests.to_vec()),
        ("seen", "Claim", no_seen),
        ("seq", "Claim", vec![json!(0), json!(-1), json!("3"), Value::Null]),
        (
            "sub",
            "Id",
            texts(&[
                "",
                "Federation",
                "federation/",
                "log/",
                "job",
                "job/",
                "job/x",
                "jobs/x",
                "tre/wessex/relay",
                "tre/Wessex",
                "hub/clerk",
                &format!("job/{}", id.to_uppercase()),
                &format!("job/{{{id}}}"),
                &format!("job/{id}/"),
                &format!("approval/wessex/{id}"),
                &format!("approval/wessex/dataset/{id}"),
                &format!("actor/{id}"),
            ]),
        ),
        ("sub", "Claim", vec![Value::Null, json!(1)]),
        (
            "type",
            "Claim",
            [
                texts(&[
                    "",
                    "ab",
                    "Job-checked",
                    "job_checked",
                    "-job",
                    "job-",
                    "job--checked",
                    "job2",
                    "job checked",
                    "jób",
                    &"a".repeat(41),
                ]),
                vec![Value::Null],
            ]
            .concat(),
        ),
        (
            "v",
            "Claim",
            vec![
                json!(0),
                json!(1000),
                json!(-1),
                json!("1"),
                Value::Null,
                json!(true),
            ],
        ),
    ] {
        for value in values {
            let name = format!("{claim} {value}").chars().take(60).collect::<String>();
            vectors.push(vector(
                &name,
                &with(claim, Some(value)),
                &format!("{reason} {claim}"),
            ));
        }
    }
    vectors.push(vector(
        "prev null in the first event",
        &event(
            changed(&format!(r#""prev":"{digest}""#), r#""prev":null"#)
                .replace(r#""seq":3"#, r#""seq":1"#)
                .as_bytes(),
        ),
        "Claim prev",
    ));
    vectors
}

fn digests() -> Vec<Value> {
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

/// An event of that type and length, filled up with `y`.
pub(super) fn filled(kind: &str, length: usize) -> String {
    let fixed = event(
        changed("job-checked", kind)
            .replace(r#""n":1"#, r#""fill":"""#)
            .as_bytes(),
    )
    .len();
    let least = (length - fixed) * 3 / 4 - 3;
    (least..least + 6)
        .map(|n| {
            event(
                changed("job-checked", kind)
                    .replace(r#""n":1"#, &format!(r#""fill":"{}""#, "y".repeat(n)))
                    .as_bytes(),
            )
        })
        .find(|event| event.len() == length)
        .unwrap()
}

/// A filled event as parts: before, the repeated group of base64, after.
pub(super) fn parts(event: &str) -> Value {
    let start = event.find("eXl5eXl5").unwrap();
    let times = event[start..]
        .as_bytes()
        .chunks(4)
        .take_while(|group| *group == b"eXl5")
        .count();
    json!([
        [event[..start], 1],
        ["eXl5", times],
        [event[start + 4 * times..], 1]
    ])
}

fn sizes() -> Vec<Value> {
    [
        ("an event of 16 KiB and a byte", "job-checked", MAX_EVENT + 1),
        ("a type almost that of a rule table", "policy-adopter", MAX_EVENT + 1),
        ("a rule table of 48 KiB and a byte", POLICY_ADOPTED, MAX_POLICY_EVENT + 1),
    ]
    .into_iter()
    .map(|(name, kind, length)| {
        json!({"name": name, "event_parts": parts(&filled(kind, length)), "x": key(1).public().to_x(), "reason": "TooLong"})
    })
    .collect()
}

fn keys() -> Vec<Value> {
    let good = event(payload().as_bytes());
    let x = key(1).public().to_x();
    let mut vectors = Vec::new();
    for (name, other) in [
        ("42 characters", x[..42].to_owned()),
        ("44 characters", format!("{x}A")),
        ("padded", format!("{x}=")),
        ("spare bits", respelt(&x)[0].clone()),
        ("hexadecimal", "aa".repeat(32)),
        ("nothing", String::new()),
    ] {
        vectors.push(under(name, &good, &other, "Length"));
    }
    for (n, point) in EIGHT_TORSION.iter().enumerate() {
        let bytes = point.compress().0;
        let name = format!("small order, number {n}");
        vectors.push(under(
            &name,
            &under_weak_key(&bytes, Scalar::ZERO),
            &base64url::encode(&bytes),
            "Order",
        ));
    }
    let public = CompressedEdwardsY(*key(1).public().as_bytes())
        .decompress()
        .unwrap();
    for at in [4, 2, 1] {
        let bytes = (public + EIGHT_TORSION[at]).compress().0;
        let name = format!("mixed order, a good key plus a point of order {}", 8 / at);
        vectors.push(under(
            &name,
            &under_weak_key(&bytes, scalar()),
            &base64url::encode(&bytes),
            "Order",
        ));
    }
    let over = |last: u8, sign: bool| {
        let mut bytes = [0xff; 32];
        (bytes[0], bytes[31]) = (last, if sign { 0xff } else { 0x7f });
        bytes
    };
    let (mut one, mut minus_one) = ([0; 32], over(0xec, true));
    (one[0], one[31]) = (1, 0x80);
    minus_one[31] = 0xff;
    for (name, bytes) in [
        ("y = p, which is 0", over(0xed, false)),
        ("y = p, which is 0, with the sign", over(0xed, true)),
        ("y = p + 1, which is 1", over(0xee, false)),
        ("y = p + 1, which is 1, with the sign of zero", over(0xee, true)),
        ("y = 1 with the sign of zero", one),
        ("y = −1 with the sign of zero", minus_one),
    ] {
        let weak = CompressedEdwardsY(bytes)
            .decompress()
            .is_none_or(|point| point.is_small_order());
        assert!(weak, "{name}");
        vectors.push(under(
            name,
            &under_weak_key(&bytes, Scalar::ZERO),
            &base64url::encode(&bytes),
            "Encoding",
        ));
    }
    let no_point = (2_u8..)
        .map(|y| {
            let mut bytes = [0; 32];
            bytes[0] = y;
            bytes
        })
        .find(|bytes| CompressedEdwardsY(*bytes).decompress().is_none())
        .unwrap();
    let event = signed(header(&thumbprint(&no_point)).as_bytes(), payload().as_bytes());
    vectors.push(under(
        "not on the curve",
        &event,
        &base64url::encode(&no_point),
        "Encoding",
    ));
    vectors
}

fn signatures() -> Vec<Value> {
    let good = event(payload().as_bytes());
    let (input_good, signature) = good.rsplit_once('.').unwrap();
    let bytes: [u8; 64] = base64url::decode(signature).unwrap().try_into().unwrap();
    let (r, s): ([u8; 32], [u8; 32]) = (bytes[..32].try_into().unwrap(), bytes[32..].try_into().unwrap());
    let mut vectors = Vec::new();
    let mut add = |name: &str, event: &str| vectors.push(vector(name, event, "signature"));
    for times in [1, 2, 7, 14] {
        add(
            &format!("S plus {times} times the order of the group"),
            &join(input_good, &r, &plus_order(&s, times)),
        );
    }
    let nonce = Scalar::from(7_u8);
    let point = EdwardsPoint::mul_base(&nonce);
    let (mut signed_identity, mut long_identity) = ([0; 32], [0xff; 32]);
    (signed_identity[0], signed_identity[31]) = (1, 0x80);
    (long_identity[0], long_identity[31]) = (0xee, 0x7f);
    add(
        "R of small order: the identity, which plain verifiers accept",
        &with_r(&EdwardsPoint::identity().compress().0, Scalar::ZERO),
    );
    add(
        "R not canonical: the identity with the sign of zero",
        &with_r(&signed_identity, Scalar::ZERO),
    );
    add(
        "R not canonical: the identity as y = p + 1",
        &with_r(&long_identity, Scalar::ZERO),
    );
    for at in [4, 2, 1] {
        let r = (point + EIGHT_TORSION[at]).compress().0;
        add(
            &format!(
                "R of mixed order {}, which verifiers with the cofactor accept",
                8 / at
            ),
            &with_r(&r, nonce),
        );
    }
    assert!(
        Event::parse(&with_r(&point.compress().0, nonce))
            .unwrap()
            .verify(&key(1).public())
            .is_ok(),
        "a good R is good"
    );
    let mut flipped = bytes;
    flipped[0] ^= 1;
    for (name, bytes) in [
        ("all zero", [0; 64]),
        ("all ones", [0xff; 64]),
        ("a bit of R flipped", flipped),
        ("S first", [s, r].concat().try_into().unwrap()),
        ("S of zero", [r, [0; 32]].concat().try_into().unwrap()),
    ] {
        add(name, &format!("{input_good}.{}", base64url::encode(&bytes)));
    }
    let kid = key(1).public().thumbprint().to_base64url();
    let other_input = input(
        header(&kid).as_bytes(),
        changed(r#""n":1"#, r#""n":2"#).as_bytes(),
    );
    add("of another payload", &format!("{other_input}.{signature}"));
    let (_, only_payload) = input_good.split_once('.').unwrap();
    add(
        "of the payload without the header",
        &format!(
            "{input_good}.{}",
            base64url::encode(&key(1).sign(only_payload.as_bytes()))
        ),
    );
    add(
        "of the decoded payload",
        &format!(
            "{input_good}.{}",
            base64url::encode(&key(1).sign(payload().as_bytes()))
        ),
    );
    add(
        "of the bytes with a line end",
        &format!(
            "{input_good}.{}",
            base64url::encode(&key(1).sign(format!("{input_good}\n").as_bytes()))
        ),
    );
    add(
        "by another key under this one's name",
        &format!(
            "{input_good}.{}",
            base64url::encode(&key(2).sign(input_good.as_bytes()))
        ),
    );
    let other_kid = key(2).public().thumbprint().to_base64url();
    add(
        "by this key under another one's name",
        &signed(header(&other_kid).as_bytes(), payload().as_bytes()),
    );
    vectors.push(under(
        "good, under another key",
        &good,
        &key(2).public().to_x(),
        "signature",
    ));
    // The equation of the malleable ones holds but for the rule: S − L gives the good one back.
    let k = challenge(&r, key(1).public().as_bytes(), input_good);
    let scalar_s = Scalar::from_canonical_bytes(s).unwrap();
    assert_eq!(EdwardsPoint::mul_base(&(scalar_s - k * scalar())).compress().0, r);
    assert!(PublicKey::from_x(&key(1).public().to_x()).is_ok());
    vectors
}

fn leaves() -> Vec<Value> {
    let good = event(payload().as_bytes());
    let with_byte = |byte: u8| Hash::of(&[&[byte], good.as_bytes()].concat());
    [
        ("without the byte 0x00", Hash::of(good.as_bytes())),
        ("with 0x01, as for a node", with_byte(1)),
        ("of the payload", Hash::leaf(payload().as_bytes())),
        (
            "of what is signed",
            Hash::leaf(good.rsplit_once('.').unwrap().0.as_bytes()),
        ),
        (
            "of the event and a line end",
            Hash::leaf(format!("{good}\n").as_bytes()),
        ),
        (
            "of the event and SD-JWT's tilde",
            Hash::leaf(format!("{good}~").as_bytes()),
        ),
        ("of another spelling of the signature", {
            let (input, signature) = good.rsplit_once('.').unwrap();
            Hash::leaf(format!("{input}.{}", respelt(signature)[0]).as_bytes())
        }),
    ]
    .into_iter()
    .map(|(name, leaf)| {
        let mut vector = vector(name, &good, "leaf");
        vector["leaf"] = leaf.to_base64url().into();
        vector
    })
    .collect()
}

