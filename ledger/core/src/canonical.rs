//! Canonical JSON (RFC 8785), narrowed to what an event may hold.
//!
//! Narrowed so that every reader in every language sees the same value: integers within ±(2^53 − 1), no floats, no
//! U+0000, no noncharacters (RFC 7493 §2.1), member names of printable ASCII, at most [`MAX_DEPTH`] levels. Bytes that are not their own canonical form
//! are refused, which also rules out duplicate names, other escapes, spaces and another order of members.

use serde_json::{Map, Value};
use thiserror::Error;

/// Levels of objects and arrays, the outermost being the first.
pub const MAX_DEPTH: usize = 8;
/// The largest integer that every JSON reader keeps exactly (RFC 7493 §2.2).
pub const MAX_INTEGER: i64 = (1 << 53) - 1;
/// Characters of a member's name.
pub const MAX_NAME: usize = 64;

/// Some JSON is not in the one form that is allowed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CanonicalError {
    /// Not JSON at all.
    #[error("not JSON")]
    Syntax,
    /// JSON, but not spelt as RFC 8785 spells it.
    #[error(
        "not in canonical form (RFC 8785): sort the members, drop spaces and duplicates, escape only what must be"
    )]
    Spelling,
    /// A number with a fraction, an exponent, or beyond the limit.
    #[error("{0} is not an integer within ±(2^53 − 1)")]
    Number(String),
    /// U+0000 in a string, which PostgreSQL and many libraries cannot hold.
    #[error("a string holds U+0000")]
    Nul,
    /// A code point that I-JSON keeps out, so that a strict reader would refuse what a lax one takes.
    #[error("a string holds a noncharacter such as U+FFFE (RFC 7493 §2.1)")]
    Noncharacter,
    /// Another JSON value where an object must stand.
    #[error("not a JSON object")]
    NotObject,
    /// A member's name.
    #[error("the member name {0:?} is not 1 to {MAX_NAME} characters of printable ASCII")]
    Name(String),
    /// Too many levels.
    #[error("more than {MAX_DEPTH} levels of objects and arrays")]
    Depth,
}

/// Reads bytes that must already be canonical.
pub fn parse(bytes: &[u8]) -> Result<Value, CanonicalError> {
    let value: Value = serde_json::from_slice(bytes).map_err(|_| CanonicalError::Syntax)?;
    check(&value, 1)?;
    if spells(&value, bytes).is_some_and(<[u8]>::is_empty) {
        Ok(value)
    } else {
        Err(CanonicalError::Spelling)
    }
}

/// Like [`parse`], for a value that must be an object.
pub fn parse_object(bytes: &[u8]) -> Result<Map<String, Value>, CanonicalError> {
    match parse(bytes)? {
        Value::Object(members) => Ok(members),
        _ => Err(CanonicalError::NotObject),
    }
}

/// Writes the canonical form.
///
/// The value must satisfy [`check`], or the result does not read back, or as another value: RFC 8785 writes 1.0 as 1.
pub fn text(value: &Value) -> String {
    // Serialising a `Value` into memory fails only for numbers that are no JSON, which a `Value` cannot hold.
    serde_json_canonicalizer::to_string(value).unwrap_or_default()
}

/// The same for the members of an object.
pub fn object_text(members: &Map<String, Value>) -> String {
    serde_json_canonicalizer::to_string(members).unwrap_or_default()
}

/// Checks the narrowing, but not the spelling, of a value `depth` levels down.
pub fn check(value: &Value, depth: usize) -> Result<(), CanonicalError> {
    match value {
        Value::Null | Value::Bool(_) => Ok(()),
        Value::Number(number) => match number.as_i64() {
            Some(n) if n.unsigned_abs() <= MAX_INTEGER.unsigned_abs() => Ok(()),
            _ => Err(CanonicalError::Number(number.to_string())),
        },
        Value::String(string) => check_string(string),
        Value::Array(items) => {
            level(depth)?;
            items.iter().try_for_each(|item| check(item, depth + 1))
        }
        Value::Object(members) => {
            level(depth)?;
            members.iter().try_for_each(|(name, member)| {
                check_name(name)?;
                check(member, depth + 1)
            })
        }
    }
}

/// Checks the name of a member.
pub fn check_name(name: &str) -> Result<(), CanonicalError> {
    if (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(|b| (0x20..0x7f).contains(&b)) {
        Ok(())
    } else {
        Err(CanonicalError::Name(name.chars().take(MAX_NAME).collect()))
    }
}

/// What follows the canonical form of a value that passed [`check`] at the beginning of some bytes; `None` where they begin
/// with something else.
///
/// Reading along instead of writing the form anew and comparing: every event comes through
/// here. Names are printable ASCII, so that the order of their bytes is RFC 8785's order of UTF-16 units.
fn spells<'a>(value: &Value, bytes: &'a [u8]) -> Option<&'a [u8]> {
    match value {
        Value::Null => bytes.strip_prefix(b"null"),
        Value::Bool(true) => bytes.strip_prefix(b"true"),
        Value::Bool(false) => bytes.strip_prefix(b"false"),
        Value::Number(number) => bytes.strip_prefix(number.as_i64()?.to_string().as_bytes()),
        Value::String(string) => spells_string(string, bytes),
        Value::Array(items) => {
            let mut rest = bytes.strip_prefix(b"[")?;
            for (n, item) in items.iter().enumerate() {
                if n > 0 {
                    rest = rest.strip_prefix(b",")?;
                }
                rest = spells(item, rest)?;
            }
            rest.strip_prefix(b"]")
        }
        Value::Object(members) => {
            let mut rest = bytes.strip_prefix(b"{")?;
            let mut before: Option<&str> = None;
            for (name, member) in members {
                if let Some(before) = before {
                    rest = rest.strip_prefix(b",").filter(|_| before < name.as_str())?;
                }
                before = Some(name);
                rest = spells_string(name, rest)?.strip_prefix(b":")?;
                rest = spells(member, rest)?;
            }
            rest.strip_prefix(b"}")
        }
    }
}

/// The same for a string (RFC 8785 §3.2.2.2): only quotation mark, reverse solidus and control characters are escaped.
fn spells_string<'a>(string: &str, bytes: &'a [u8]) -> Option<&'a [u8]> {
    let mut rest = bytes.strip_prefix(b"\"")?;
    let mut left = string.as_bytes();
    loop {
        let plain = left
            .iter()
            .position(|byte| *byte < 0x20 || matches!(byte, b'"' | b'\\'))
            .unwrap_or(left.len());
        let (run, after) = left.split_at(plain);
        rest = rest.strip_prefix(run)?;
        let Some((escaped, after)) = after.split_first() else {
            return rest.strip_prefix(b"\"");
        };
        rest = match escaped {
            b'"' => rest.strip_prefix(br#"\""#),
            b'\\' => rest.strip_prefix(br"\\"),
            0x08 => rest.strip_prefix(br"\b"),
            0x09 => rest.strip_prefix(br"\t"),
            0x0a => rest.strip_prefix(br"\n"),
            0x0c => rest.strip_prefix(br"\f"),
            0x0d => rest.strip_prefix(br"\r"),
            other => rest.strip_prefix(format!("\\u{other:04x}").as_bytes()),
        }?;
        left = after;
    }
}

fn check_string(string: &str) -> Result<(), CanonicalError> {
    if string.contains('\0') {
        Err(CanonicalError::Nul)
    } else if !string.is_ascii() && string.chars().any(is_noncharacter) {
        Err(CanonicalError::Noncharacter)
    } else {
        Ok(())
    }
}

/// The 66 code points that Unicode keeps for no character: U+FDD0 to U+FDEF and the last two of every plane.
fn is_noncharacter(c: char) -> bool {
    ('\u{fdd0}'..='\u{fdef}').contains(&c) || u32::from(c) & 0xfffe == 0xfffe
}

fn level(depth: usize) -> Result<(), CanonicalError> {
    if depth > MAX_DEPTH {
        Err(CanonicalError::Depth)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_bytes_are_read_and_written_alike() {
        for text_in in [
            r#"{"a":1,"b":[true,null,-9007199254740991],"c":"é\n\u001f\""}"#,
            "[]",
            r#""x""#,
        ] {
            assert_eq!(text(&parse(text_in.as_bytes()).unwrap()), text_in);
        }
    }

    #[test]
    fn every_character_is_read_as_rfc_8785_writes_it() {
        for c in (1..=0x2100).filter_map(char::from_u32) {
            let value = serde_json::json!({ "a": format!("x{c}y"), "b": [c.to_string()] });
            let written = text(&value);
            assert_eq!(parse(written.as_bytes()), Ok(value), "{written}");
            for other in [
                format!("{written} "),
                written.replace("y\"", "y"),
                written.replace('[', "[["),
            ] {
                assert!(parse(other.as_bytes()).is_err(), "{other}");
            }
            let escaped = written.replace(&format!("x{c}y"), &format!("x\\u{:04X}y", u32::from(c)));
            if escaped != written {
                assert_eq!(
                    parse(escaped.as_bytes()),
                    Err(CanonicalError::Spelling),
                    "{escaped}"
                );
            }
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(2_000))]
        #[test]
        fn reading_along_agrees_with_writing_anew(
            seed in r#"(\{"a":("|\\u00[01][0-9a-fA-F]|\\[bfnrt"/\\]|[ -~é\u{7f}\u{2028}]){0,12}"?,?"(a|b|\\u0062)": ?-?(0|1|1.0|1e1|9007199254740991)\}|\[(null|true|false|-0|01|"x",|\{\}|[\[\],]){0,8}\])"#,
            at in 0_usize..64,
            with in proptest::option::of(0x01_u8..0x80),
        ) {
            let mut bytes = seed.into_bytes();
            let at = at % bytes.len();
            match with {
                Some(with) => bytes[at] = with,
                None => drop(bytes.remove(at)),
            }
            if let Ok(value) = serde_json::from_slice::<Value>(&bytes) && check(&value, 1).is_ok() {
                let is_same = text(&value).as_bytes() == bytes;
                proptest::prop_assert_eq!(parse(&bytes).is_ok(), is_same);
            }
        }
    }

    #[test]
    fn every_other_spelling_is_refused() {
        for (bytes, error) in [
            (r#"{"b":1,"a":2}"#, CanonicalError::Spelling),
            (r#"{"a":1,"a":1}"#, CanonicalError::Spelling),
            (r#"{"a": 1}"#, CanonicalError::Spelling),
            (r#"{"a":"\u0061"}"#, CanonicalError::Spelling),
            (r#"{"a":"\/"}"#, CanonicalError::Spelling),
            ("[1] ", CanonicalError::Spelling),
            ("[1.0]", CanonicalError::Number("1.0".into())),
            ("[1e2]", CanonicalError::Number("100.0".into())),
            ("[-0]", CanonicalError::Number("-0.0".into())),
            (
                "[9007199254740992]",
                CanonicalError::Number("9007199254740992".into()),
            ),
            (
                "[18446744073709551615]",
                CanonicalError::Number("18446744073709551615".into()),
            ),
            (r#"["\u0000"]"#, CanonicalError::Nul),
            ("[\"\u{fffe}\"]", CanonicalError::Noncharacter),
            ("[\"\u{10ffff}\"]", CanonicalError::Noncharacter),
            ("[\"\u{fdd0}\"]", CanonicalError::Noncharacter),
            (r#"{"é":1}"#, CanonicalError::Name("é".into())),
            (r#"{"":1}"#, CanonicalError::Name(String::new())),
            (r#"["\ud800"]"#, CanonicalError::Syntax),
            ("\u{feff}[]", CanonicalError::Syntax),
            ("", CanonicalError::Syntax),
        ] {
            assert_eq!(parse(bytes.as_bytes()), Err(error), "{bytes}");
        }
        assert_eq!(parse(b"\"\xff\""), Err(CanonicalError::Syntax));
        assert_eq!(parse_object(b"[]"), Err(CanonicalError::NotObject));
    }

    #[test]
    fn depth_is_bounded() {
        let nest = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(parse(nest(MAX_DEPTH).as_bytes()).is_ok());
        assert_eq!(parse(nest(MAX_DEPTH + 1).as_bytes()), Err(CanonicalError::Depth));
        assert_eq!(parse(nest(100_000).as_bytes()), Err(CanonicalError::Syntax));
    }
}
