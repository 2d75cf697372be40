//! What the bytes of an event may be: vectors for any implementation (`tests/vectors/events`), and properties.
//!
//! `DAYBOOK_GENERATE=1` writes the vectors anew; otherwise they are compared with what would be written, byte for byte.

mod craft;
mod invalid;
mod properties;
mod tokens;
mod valid;

use std::fs;
use std::path::{Path, PathBuf};

use daybook_core::access::{AccessError, Presented};
use daybook_core::event::{Event, FormError};
use daybook_core::id::Actor;
use daybook_core::jws::JwsError;
use daybook_core::key::{KeyUse, PublicKey, possession_bytes};
use daybook_core::sealed::{Opening, OpeningError};
use daybook_core::{Hash, base64url};
use serde_json::{Value, json};

/// Bytes of all vectors together, so that nobody minds copying them.
const MOST: usize = 400_000;

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/events")
}

/// Every file: its path below the folder, what it is about, its vectors.
fn files() -> Vec<(&'static str, &'static str, Vec<Value>)> {
    [valid::files(), invalid::files(), tokens::files()].concat()
}

/// The vectors of a file as they stand on disk.
pub(crate) fn read(path: &str) -> Vec<Value> {
    let text = fs::read_to_string(folder().join(path)).unwrap();
    let mut file: Value = serde_json::from_str(&text).unwrap();
    serde_json::from_value(file["vectors"].take()).unwrap()
}

pub(crate) fn text<'a>(vector: &'a Value, name: &str) -> &'a str {
    vector[name]
        .as_str()
        .unwrap_or_else(|| panic!("no {name:?} in {vector}"))
}

/// A text of a vector: a string, or parts that are repeated and joined; `None` where it has neither.
pub(crate) fn long_text(vector: &Value, name: &str) -> Option<String> {
    if let Some(text) = vector[name].as_str() {
        return Some(text.to_owned());
    }
    let parts = vector.get(format!("{name}_parts"))?.clone();
    let parts: Vec<(String, usize)> = serde_json::from_value(parts).unwrap();
    Some(parts.iter().map(|(part, times)| part.repeat(*times)).collect())
}

/// The name of an error's variant.
fn variant(error: &impl std::fmt::Debug) -> String {
    format!("{error:?}")
        .split(|c: char| !c.is_ascii_alphanumeric())
        .next()
        .unwrap()
        .to_owned()
}

fn jws_reason(error: &JwsError) -> String {
    match error {
        JwsError::Payload(error) => variant(error),
        other => variant(other),
    }
}

/// The reason in the words of the vectors: the innermost variant, and the claim where one is meant.
fn reason(error: &FormError) -> String {
    match error {
        FormError::Jws(error) => jws_reason(error),
        FormError::Missing(name) => format!("Missing {name}"),
        FormError::Claim { name, .. } => format!("Claim {name}"),
        FormError::Id { name, .. } => format!("Id {name}"),
        other => variant(other),
    }
}

/// Judges an event under a key, as a verifier would that knows nothing else.
pub(crate) fn judge(event: &str, x: &str) -> Result<Event, String> {
    let event = Event::parse(event).map_err(|error| reason(&error))?;
    let key = PublicKey::from_x(x).map_err(|error| variant(&error))?;
    event.verify(&key).map_err(|_| "signature".to_owned())?;
    Ok(event)
}

fn judge_opening(opening: &str) -> Result<Opening, String> {
    Opening::parse(opening).map_err(|error| match error {
        OpeningError::Json(error) => variant(&error),
        other => variant(&other),
    })
}

fn judge_possession(vector: &Value) -> Result<(), String> {
    let key = PublicKey::from_x(text(vector, "x")).map_err(|error| variant(&error))?;
    let actor: Actor = text(vector, "actor").parse().unwrap();
    let usage = [KeyUse::Event, KeyUse::Access]
        .into_iter()
        .find(|usage| usage.as_str() == text(vector, "use"));
    let signed = possession_bytes(text(vector, "aud"), &actor, usage.unwrap(), &key);
    let proof: [u8; 64] = base64url::decode(text(vector, "proof"))
        .unwrap()
        .try_into()
        .unwrap();
    key.verify(&signed, &proof).map_err(|_| "signature".to_owned())
}

fn judge_access(vector: &Value) -> Result<Actor, String> {
    let judged = || {
        let token = Presented::parse(text(vector, "token"))?;
        let key = PublicKey::from_x(text(vector, "x"))?;
        let (origin, method, path) = (
            text(vector, "origin"),
            text(vector, "method"),
            text(vector, "path"),
        );
        token
            .verify(&key, origin, method, path, vector["now"].as_i64().unwrap())
            .cloned()
    };
    judged().map_err(|error| match error {
        AccessError::Form(error) => jws_reason(&error),
        AccessError::Claim(name) => format!("Claim {name}"),
        AccessError::Signature(_) => "signature".to_owned(),
        other => variant(&other),
    })
}

#[test]
fn the_files_are_what_this_code_would_write() {
    let generate = std::env::var_os("DAYBOOK_GENERATE").is_some();
    let mut bytes = 0;
    for (path, about, vectors) in files() {
        let lines: Vec<String> = vectors.iter().map(Value::to_string).collect();
        let written = format!(
            "{{\"about\":{},\"vectors\":[\n{}\n]}}\n",
            json!(about),
            lines.join(",\n")
        );
        bytes += written.len();
        let path = folder().join(path);
        if generate {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &written).unwrap();
        }
        let found = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            found == written,
            "{} differs; a frozen form has changed",
            path.display()
        );
    }
    assert!(bytes < MOST, "{bytes} bytes of vectors");
}

#[test]
fn every_file_on_disk_is_one_of_ours() {
    let listed: Vec<PathBuf> = files().iter().map(|(path, ..)| folder().join(path)).collect();
    for kind in ["valid", "invalid", "possession", "access"] {
        for entry in fs::read_dir(folder().join(kind)).unwrap() {
            let path = entry.unwrap().path();
            assert!(
                listed.contains(&path),
                "{} is not generated any more",
                path.display()
            );
        }
    }
}

#[test]
fn valid_events_hold() {
    for (path, ..) in valid::files() {
        for vector in read(path) {
            let (name, event) = (text(&vector, "name"), long_text(&vector, "event").unwrap());
            let event = judge(&event, text(&vector["key"], "x"))
                .unwrap_or_else(|why| panic!("{path}: {name}: {why}"));
            assert_eq!(event.leaf().to_base64url(), text(&vector, "leaf"), "{name}");
            assert_eq!(event.kid().to_base64url(), text(&vector, "kid"), "{name}");
            let digests: Vec<&str> = event.claims().digests().collect();
            let openings = vector["openings"].as_array().cloned().unwrap_or_default();
            let decoys = vector["decoys"].as_array().cloned().unwrap_or_default();
            for expected in &openings {
                let opening = judge_opening(text(expected, "opening")).unwrap();
                assert_eq!(opening.name(), text(expected, "name"), "{name}");
                assert_eq!(opening.value(), &expected["value"], "{name}");
                assert_eq!(
                    opening.digest().to_base64url(),
                    text(expected, "digest"),
                    "{name}"
                );
                assert!(digests.contains(&text(expected, "digest")), "{name}");
            }
            for decoy in &decoys {
                let digest = Hash::of(&base64url::decode(decoy.as_str().unwrap()).unwrap()).to_base64url();
                assert!(digests.contains(&digest.as_str()), "{name}");
            }
            assert_eq!(digests.len(), openings.len() + decoys.len(), "{name}");
        }
    }
}

#[test]
fn invalid_events_are_refused_for_the_reason_given() {
    let mut count = 0;
    for (path, ..) in invalid::files() {
        for vector in read(path) {
            count += 1;
            let judged = match long_text(&vector, "opening") {
                Some(opening) => judge_opening(&opening).map(drop),
                None => judge(&long_text(&vector, "event").unwrap(), text(&vector, "x")).and_then(|event| {
                    let leaf = event.leaf().to_base64url();
                    if vector["leaf"].as_str().is_none_or(|claimed| claimed == leaf) {
                        Ok(())
                    } else {
                        Err("leaf".to_owned())
                    }
                }),
            };
            assert_eq!(
                judged,
                Err(text(&vector, "reason").to_owned()),
                "{path}: {}",
                text(&vector, "name")
            );
        }
    }
    assert!(count > 200, "{count} vectors");
}

#[test]
fn proofs_of_possession_fit_one_log_actor_key_and_use() {
    for vector in read("possession/valid.json") {
        assert_eq!(judge_possession(&vector), Ok(()), "{vector}");
    }
    for vector in read("possession/invalid.json") {
        assert_eq!(
            judge_possession(&vector),
            Err(text(&vector, "reason").to_owned()),
            "{vector}"
        );
    }
}

#[test]
fn access_tokens_fit_one_log_request_key_and_time() {
    for vector in read("access/valid.json") {
        assert_eq!(
            judge_access(&vector),
            Ok(text(&vector, "actor").parse().unwrap()),
            "{vector}"
        );
    }
    for vector in read("access/invalid.json") {
        assert_eq!(
            judge_access(&vector),
            Err(text(&vector, "reason").to_owned()),
            "{vector}"
        );
    }
}
