//! Events that differ from a good one in one thing, and openings likewise.

mod claims;
mod form;
mod json;
mod keys;
mod openings;

use daybook_core::Hash;
use daybook_core::event::{MAX_EVENT, MAX_POLICY_EVENT, POLICY_ADOPTED};
use serde_json::{Value, json};

use super::craft::{self, event, key, payload, respelt};

pub(super) fn files() -> Vec<(&'static str, &'static str, Vec<Value>)> {
    vec![
        (
            "invalid/spelling.json",
            "Other spellings of the three parts of a good event.",
            form::spelling(),
        ),
        (
            "invalid/header.json",
            "Other headers, each signed.",
            form::headers(),
        ),
        (
            "invalid/json.json",
            "Payloads that are not the one canonical form of an object within the limits.",
            json::vectors(),
        ),
        (
            "invalid/claims.json",
            "Claims that are missing, unknown, or of another form.",
            claims::claims(),
        ),
        (
            "invalid/digests.json",
            "Lists of digests and reserved names.",
            claims::digests(),
        ),
        ("invalid/sizes.json", "Too long.", sizes()),
        (
            "invalid/keys.json",
            "Keys that are no keys; under most a lax verifier accepts the signature.",
            keys::keys(),
        ),
        (
            "invalid/signatures.json",
            "Signatures that do not hold; some only a strict verifier refuses.",
            keys::signatures(),
        ),
        (
            "invalid/leaf.json",
            "Good events with a leaf hash that is not theirs.",
            leaves(),
        ),
        (
            "invalid/openings.json",
            "Openings that are not of the one form.",
            openings::vectors(),
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

/// A filled text as parts: before, the repeated group of base64, after.
pub(super) fn parts(text: &str) -> Value {
    let start = text.find("eXl5eXl5").unwrap();
    let times = text.as_bytes()[start..]
        .chunks(4)
        .take_while(|group| *group == b"eXl5")
        .count();
    json!([
        [text[..start], 1],
        ["eXl5", times],
        [text[start + 4 * times..], 1]
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
