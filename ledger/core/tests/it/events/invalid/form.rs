//! Other spellings of the three parts, and other headers.

use daybook_core::{Hash, base64url};
use serde_json::{Value, json};

use super::craft::{self, event, header, key, payload, respelt, signed};
use super::vector;

pub(super) fn spelling() -> Vec<Value> {
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

pub(super) fn headers() -> Vec<Value> {
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
        ("a kid in hexadecimal", other_kid(&"5a".repeat(32))),
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
