//! The two other things that keys sign: proofs of possession and access tokens.

use daybook_core::access::AccessToken;
use daybook_core::base64url;
use daybook_core::key::{KeyUse, possession_bytes};
use serde_json::{Value, json};

use super::craft::{JOB, ORIGIN, OTHER, event, jwk, key, payload};

pub(super) fn files() -> Vec<(&'static str, &'static str, Vec<Value>)> {
    vec![
        (
            "possession/valid.json",
            "Proofs of possession that hold; `signed` is what `proof` signs.",
            proofs(),
        ),
        (
            "possession/invalid.json",
            "Proofs of possession that fit something else.",
            no_proofs(),
        ),
        (
            "access/valid.json",
            "Access tokens that hold for one request at one time.",
            tokens(),
        ),
        ("access/invalid.json", "Access tokens that do not.", no_tokens()),
    ]
}

fn proof(actor: &str, usage: KeyUse) -> Value {
    let signed = possession_bytes(ORIGIN, &actor.parse().unwrap(), usage, &key(1).public());
    json!({
        "name": format!("{actor} for {}", usage.as_str()),
        "actor": actor, "aud": ORIGIN, "key": jwk(1), "proof": base64url::encode(&key(1).sign(&signed)),
        "signed": String::from_utf8(signed).unwrap(), "use": usage.as_str(), "x": key(1).public().to_x(),
    })
}

fn proofs() -> Vec<Value> {
    vec![
        proof("operator", KeyUse::Event),
        proof("tre/wessex/root", KeyUse::Event),
        proof("tre/wessex/relay", KeyUse::Access),
        proof(&format!("project/{JOB}/member/{OTHER}"), KeyUse::Event),
    ]
}

fn no_proofs() -> Vec<Value> {
    let other_signature = event(payload().as_bytes()).rsplit('.').next().unwrap().to_owned();
    [
        ("for another actor", "actor", "tre/wessex/runner".to_owned()),
        ("for another TRE", "actor", "tre/mercia/relay".to_owned()),
        ("for another log", "aud", "log.example/other".to_owned()),
        ("for another use", "use", "event".to_owned()),
        ("for another key", "x", key(2).public().to_x()),
        ("a signature over an event", "proof", other_signature),
    ]
    .into_iter()
    .map(|(name, member, other)| {
        let mut vector = proof("tre/wessex/relay", KeyUse::Access);
        assert_ne!(vector[member], other.as_str(), "{name}");
        vector[member] = other.into();
        vector["name"] = name.into();
        vector["reason"] = "signature".into();
        let members = vector.as_object_mut().unwrap();
        members.remove("signed");
        members.remove("key");
        vector
    })
    .collect()
}

fn token() -> AccessToken {
    AccessToken {
        aud: ORIGIN.to_owned(),
        iat: 1_795_300_000,
        exp: 1_795_300_300,
        iss: "tre/wessex/relay".parse().unwrap(),
        method: "PUT".to_owned(),
        path: format!("/v1/packets/{JOB}"),
    }
}

fn presented(name: &str, token: &str, now: i64) -> Value {
    json!({
        "name": name, "token": token, "x": key(1).public().to_x(), "origin": ORIGIN, "method": "PUT",
        "path": format!("/v1/packets/{JOB}"), "now": now,
    })
}

fn tokens() -> Vec<Value> {
    [
        ("at once", token(), 1_795_300_000),
        ("in its last second", token(), 1_795_300_299),
        ("made by a clock that is a minute ahead", token(), 1_795_299_940),
        (
            "for one second",
            AccessToken {
                exp: 1_795_300_001,
                ..token()
            },
            1_795_300_000,
        ),
    ]
    .into_iter()
    .map(|(name, token, now)| {
        let mut vector = presented(name, &token.sign(&key(1)), now);
        vector["actor"] = token.iss.to_string().into();
        vector
    })
    .collect()
}

fn no_tokens() -> Vec<Value> {
    let (now, good) = (1_795_300_000, token().sign(&key(1)));
    let mut vectors = Vec::new();
    let mut add = |mut vector: Value, reason: &str| {
        vector["reason"] = reason.into();
        vectors.push(vector);
    };
    add(presented("at its end", &good, 1_795_300_300), "Time");
    add(presented("too early", &good, 1_795_299_939), "Time");
    for (name, exp) in [
        ("a second too long", 301),
        ("no life", 0),
        ("an end before the beginning", -1),
    ] {
        let token = AccessToken {
            exp: 1_795_300_000 + exp,
            ..token()
        };
        add(presented(name, &token.sign(&key(1)), now), "Time");
    }
    for (name, member, other, reason) in [
        (
            "for another log",
            "origin",
            "log.example/other".to_owned(),
            "OtherLog",
        ),
        ("for another method", "method", "GET".to_owned(), "OtherRequest"),
        (
            "for another path",
            "path",
            format!("/v1/packets/{OTHER}"),
            "OtherRequest",
        ),
        ("by another key", "x", key(2).public().to_x(), "signature"),
    ] {
        let mut vector = presented(name, &good, now);
        vector[member] = other.into();
        add(vector, reason);
    }
    add(presented("an event", &event(payload().as_bytes()), now), "Header");
    let (input, _) = good.rsplit_once('.').unwrap();
    add(
        presented(
            "signed by another key under this one's name",
            &format!("{input}.{}", base64url::encode(&key(2).sign(input.as_bytes()))),
            now,
        ),
        "signature",
    );
    let (header, rest) = good.split_once('.').unwrap();
    let claims = String::from_utf8(base64url::decode(rest.split('.').next().unwrap()).unwrap()).unwrap();
    for (name, from, to, reason) in [
        ("an unknown claim", r#""iss":"#, r#""ips":"x","iss":"#, "Unknown"),
        ("no end", r#""exp":1795300300,"#, "", "Claim exp"),
        ("an end in a string", "1795300300", r#""1795300300""#, "Claim exp"),
        ("no author", r#","iss":"tre/wessex/relay""#, "", "Claim iss"),
        (
            "an author that nobody is",
            "tre/wessex/relay",
            "tre/wessex/boss",
            "Actor",
        ),
        ("with a space", r#","exp""#, r#", "exp""#, "Spelling"),
    ] {
        assert!(claims.contains(from), "{name}");
        let input = format!(
            "{header}.{}",
            base64url::encode(claims.replace(from, to).as_bytes())
        );
        let token = format!("{input}.{}", base64url::encode(&key(1).sign(input.as_bytes())));
        add(presented(name, &token, now), reason);
    }
    let long = AccessToken {
        path: "/x".repeat(2000),
        ..token()
    };
    add(presented("too long", &long.sign(&key(1)), now), "TooLong");
    vectors
}
