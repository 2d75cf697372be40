use serde_json::json;

use super::*;
use crate::id::Stream;
use crate::{base64url, canonical};

fn key() -> SecretKey {
    SecretKey::from_seed(&[1; 32])
}

fn claims() -> Claims {
    Claims {
        aud: "log.example/daybook".to_owned(),
        data: json!({"_sd": [Hash::of(b"a").to_base64url()], "n": 1})
            .as_object()
            .cloned()
            .unwrap(),
        iat: 1_795_300_000,
        iss: "tre/wessex/relay".parse().unwrap(),
        jti: "7d444840-9dc0-41d1-b245-5ffdce74fad2".parse().unwrap(),
        prev: Some(Hash::of(b"prev")),
        seen: Some(Seen {
            root: Hash::of(b"root"),
            size: 812,
        }),
        seq: 3,
        sub: Stream::Log,
        kind: "job-checked".to_owned(),
        version: 1,
    }
}

fn with_payload(payload: &str) -> String {
    let event = Event::sign(&claims(), &key()).unwrap();
    let header = event.as_str().split('.').next().unwrap().to_owned();
    let input = format!("{header}.{}", base64url::encode(payload.as_bytes()));
    format!("{input}.{}", base64url::encode(&key().sign(input.as_bytes())))
}

fn payload() -> String {
    canonical::text(&Value::Object(claims().to_members()))
}

#[test]
fn signed_claims_read_back_and_verify() {
    let event = Event::sign(&claims(), &key()).unwrap();
    let read = Event::parse(event.as_str()).unwrap();
    assert_eq!(read, event);
    assert_eq!(read.claims(), &claims());
    assert_eq!(read.verify(&key().public()), Ok(()));
    assert_eq!(
        read.verify(&SecretKey::from_seed(&[2; 32]).public()),
        Err(KeyError::Signature)
    );
    assert_eq!(*read.leaf(), Hash::leaf(event.as_str().as_bytes()));
}

#[test]
fn every_changed_byte_is_refused_or_does_not_verify() {
    let event = Event::sign(&claims(), &key()).unwrap();
    let public = key().public();
    for at in 0..event.as_str().len() {
        for other in [b'A', b'B', b'_', b'.', b'='] {
            let mut bytes = event.as_str().as_bytes().to_vec();
            if bytes[at] == other {
                continue;
            }
            bytes[at] = other;
            let text = String::from_utf8(bytes).unwrap();
            let accepted = Event::parse(&text).is_ok_and(|event| event.verify(&public).is_ok());
            assert!(!accepted, "byte {at} changed to {}", char::from(other));
        }
    }
}

#[test]
fn every_other_spelling_of_one_signature_is_refused() {
    // The last character of a 64-byte signature carries two bits of it and four spare ones: 15 other spellings.
    let event = Event::sign(&claims(), &key()).unwrap();
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (body, last) = event.as_str().split_at(event.as_str().len() - 1);
    let accepted: Vec<char> = alphabet
        .iter()
        .map(|b| char::from(*b))
        .filter(|c| {
            Event::parse(&format!("{body}{c}")).is_ok_and(|event| event.verify(&key().public()).is_ok())
        })
        .collect();
    assert_eq!(accepted, last.chars().collect::<Vec<_>>());
    for other in [
        format!("{}=", event.as_str()),
        format!("{} ", event.as_str()),
        format!("{}\n", event.as_str()),
    ] {
        assert_eq!(
            Event::parse(&other),
            Err(FormError::Jws(JwsError::Base64("signature")))
        );
    }
    assert_eq!(
        Event::parse(&format!("{}.", event.as_str())),
        Err(FormError::Jws(JwsError::Parts))
    );
    assert_eq!(Event::parse(""), Err(FormError::Jws(JwsError::Parts)));
}

#[test]
fn the_header_is_compared_and_not_parsed() {
    let event = Event::sign(&claims(), &key()).unwrap();
    let (_, rest) = event.as_str().split_once('.').unwrap();
    let kid = event.kid();
    for header in [
        format!(r#"{{"alg":"EdDSA","kid":"{kid}","typ":"daybook-event+jwt"}}"#),
        format!(r#"{{"alg":"none","kid":"{kid}","typ":"daybook-event+jwt"}}"#),
        format!(r#"{{"kid":"{kid}","alg":"Ed25519","typ":"daybook-event+jwt"}}"#),
        format!(r#"{{"alg":"Ed25519", "kid":"{kid}","typ":"daybook-event+jwt"}}"#),
        format!(r#"{{"alg":"Ed25519","kid":"{kid}","typ":"daybook-access+jwt"}}"#),
        format!(r#"{{"alg":"Ed25519","kid":"{kid}","typ":"daybook-event+jwt","crit":[]}}"#),
        r#"{"alg":"Ed25519","kid":"x","typ":"daybook-event+jwt"}"#.to_owned(),
        String::new(),
    ] {
        let text = format!("{}.{rest}", base64url::encode(header.as_bytes()));
        assert_eq!(
            Event::parse(&text),
            Err(FormError::Jws(JwsError::Header(TYP))),
            "{header}"
        );
    }
}

#[test]
fn claims_are_strict() {
    assert!(Event::parse(&with_payload(&payload())).is_ok());
    let claim = |name, expected| FormError::Claim { name, expected };
    let origin = "the log's origin: 1 to 128 characters of a-z, 0-9, full stop, hyphen and slash";
    let seen = "an object of exactly `root` (a digest) and `size` (an integer from 1)";
    for (from, to, error) in [
        (r#""v":1"#, r#""v":1,"x":1"#, FormError::Unknown("x".into())),
        (r#""v":1"#, r#""v":0"#, claim("v", "an integer from 1 to 999")),
        (r#""v":1"#, r#""v":"1""#, claim("v", "an integer from 1 to 999")),
        (r#""seq":3"#, r#""seq":0"#, claim("seq", "an integer from 1")),
        (r#""seq":3"#, r#""seq":1"#, FormError::Prev),
        (
            r#""iat":1795300000"#,
            r#""iat":-1"#,
            claim("iat", "seconds since 1970, from 0 to 2^53 − 1"),
        ),
        ("log.example/daybook", "Log.example", claim("aud", origin)),
        ("log.example/daybook", "", claim("aud", origin)),
        (r#""size":812"#, r#""size":0"#, claim("seen", seen)),
        (r#""size":812"#, r#""size":812,"x":1"#, claim("seen", seen)),
        (r#""n":1"#, r#""n":{"_sd":[]}"#, FormError::Reserved("_sd".into())),
        (
            r#""n":1"#,
            r#""n":[{"...":1}]"#,
            FormError::Reserved("...".into()),
        ),
        (r#""seq":3,"#, "", FormError::Missing("seq")),
        (
            "job-checked",
            "Job-Checked",
            claim("type", "an event type: 3 to 40 of a-z and single inner hyphens"),
        ),
    ] {
        let changed = payload().replace(from, to);
        assert_ne!(changed, payload(), "{from}");
        assert_eq!(Event::parse(&with_payload(&changed)), Err(error), "{to}");
    }
    for data in [
        r#""data":{"_sd":[]}"#,
        r#""data":{"_sd":["x"]}"#,
        r#""data":{"_sd":1}"#,
    ] {
        let mut other = claims();
        other.data = serde_json::from_str(data.strip_prefix(r#""data":"#).unwrap()).unwrap();
        assert_eq!(Event::sign(&other, &key()), Err(FormError::Digests), "{data}");
    }
}

#[test]
fn sizes_are_limited_by_type() {
    let mut long = claims();
    long.data = json!({"x": "y".repeat(MAX_EVENT)}).as_object().cloned().unwrap();
    assert!(matches!(
        Event::sign(&long, &key()),
        Err(FormError::TooLong { limit: MAX_EVENT, .. })
    ));
    long.kind = POLICY_ADOPTED.to_owned();
    assert!(Event::sign(&long, &key()).is_ok());
    long.data = json!({"x": "y".repeat(MAX_POLICY_EVENT)})
        .as_object()
        .cloned()
        .unwrap();
    assert!(matches!(
        Event::sign(&long, &key()),
        Err(FormError::TooLong {
            limit: MAX_POLICY_EVENT,
            ..
        })
    ));
}
