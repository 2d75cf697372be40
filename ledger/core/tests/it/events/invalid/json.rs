//! Payloads that are not in the one form of JSON.

use serde_json::Value;

use super::{change, event, payload, vector};
use daybook_core::Hash;

/// What stands in place of `data`, and why it is refused.
#[rustfmt::skip]
const DATA: &[(&str, &str, &str)] = &[
    ("a member of data twice", r#"{"n":1,"n":1}"#, "Spelling"),
    ("a member of data twice, once escaped", r#"{"n":1,"\u006e":1}"#, "Spelling"),
    ("a member twice in an array", r#"{"n":[{"a":1,"a":2}]}"#, "Spelling"),
    ("a member twice five levels down", r#"{"n":{"a":{"b":{"c":1,"c":1}}}}"#, "Spelling"),
    ("members of data in another order", r#"{"n":1,"a":1}"#, "Spelling"),
    ("upper case after lower case", r#"{"a":1,"B":1}"#, "Spelling"),
    ("a space after a colon", r#"{"n": 1}"#, "Spelling"),
    ("a tab before a comma", "{\"n\":1\t}", "Spelling"),
    ("a letter escaped", r#"{"n":"\u0061"}"#, "Spelling"),
    ("a name escaped", r#"{"\u006e":1}"#, "Spelling"),
    ("U+000A as a number", r#"{"n":"\u000a"}"#, "Spelling"),
    ("an escape in upper case", r#"{"n":"\u001F"}"#, "Spelling"),
    ("DEL escaped", r#"{"n":"\u007f"}"#, "Spelling"),
    ("a letter beyond ASCII escaped", r#"{"n":"\u00e9"}"#, "Spelling"),
    ("a line separator escaped", r#"{"n":"\u2028"}"#, "Spelling"),
    ("a surrogate pair escaped", r#"{"n":"\ud83e\uddec"}"#, "Spelling"),
    ("a fraction of nothing", r#"{"n":1.0}"#, "Number"),
    ("a fraction", r#"{"n":1.5}"#, "Number"),
    ("an exponent", r#"{"n":1e2}"#, "Number"),
    ("an exponent in upper case", r#"{"n":1E2}"#, "Number"),
    ("minus zero", r#"{"n":-0}"#, "Number"),
    ("minus zero with a fraction", r#"{"n":-0.0}"#, "Number"),
    ("2^53", r#"{"n":9007199254740992}"#, "Number"),
    ("2^53 + 1", r#"{"n":9007199254740993}"#, "Number"),
    ("−2^53", r#"{"n":-9007199254740992}"#, "Number"),
    ("2^64", r#"{"n":18446744073709551616}"#, "Number"),
    ("a leading zero", r#"{"n":01}"#, "Syntax"),
    ("a plus sign", r#"{"n":+1}"#, "Syntax"),
    ("no digit before the point", r#"{"n":.5}"#, "Syntax"),
    ("hexadecimal", r#"{"n":0x1}"#, "Syntax"),
    ("not a number", r#"{"n":NaN}"#, "Syntax"),
    ("infinity", r#"{"n":-Infinity}"#, "Syntax"),
    ("U+0000", r#"{"n":"\u0000"}"#, "Nul"),
    ("U+0000 within an array", r#"{"n":["a\u0000b"]}"#, "Nul"),
    ("U+FFFE", "{\"n\":\"\u{fffe}\"}", "Noncharacter"),
    ("U+FDD0", "{\"n\":\"\u{fdd0}\"}", "Noncharacter"),
    ("U+10FFFF", "{\"n\":\"a\u{10ffff}\"}", "Noncharacter"),
    ("a lone high surrogate", r#"{"n":"\ud83e"}"#, "Syntax"),
    ("a lone low surrogate", r#"{"n":"\uddec"}"#, "Syntax"),
    ("surrogates the wrong way round", r#"{"n":"\uddec\ud83e"}"#, "Syntax"),
    ("a raw control character", "{\"n\":\"\u{1f}\"}", "Syntax"),
    ("a raw line end in a string", "{\"n\":\"\n\"}", "Syntax"),
    ("a comma too many", r#"{"n":1,}"#, "Syntax"),
    ("a comment", r#"{"n":1/**/}"#, "Syntax"),
    ("single quotes", "{'n':1}", "Syntax"),
    ("nine levels", r#"{"n":[[[[[[[]]]]]]]}"#, "Depth"),
    ("nine levels of objects", r#"{"n":{"a":{"a":{"a":{"a":{"a":{"a":{}}}}}}}}"#, "Depth"),
    ("an empty name", r#"{"":1}"#, "Name"),
    ("a name beyond ASCII", r#"{"é":1}"#, "Name"),
    ("a name with DEL", "{\"\u{7f}\":1}", "Name"),
    ("a name with a line end", r#"{"\n":1}"#, "Name"),
    ("a name within an array", r#"{"n":[{"é":1}]}"#, "Name"),
];

/// What is replaced elsewhere, by what, and why it is refused.
#[rustfmt::skip]
const ELSEWHERE: &[(&str, &str, &str, &str)] = &[
    ("the last member twice", r#""v":1}"#, r#""v":1,"v":1}"#, "Spelling"),
    ("iss twice, the other first", r#""iss":"#, r#""iss":"operator","iss":"#, "Spelling"),
    ("iss twice, the other last", r#""tre/wessex/relay""#, r#""tre/wessex/relay","iss":"operator""#, "Spelling"),
    ("members at the top in another order", r#""seq":3,"sub":"job/7d444840-9dc0-41d1-b245-5ffdce74fad2""#, r#""sub":"job/7d444840-9dc0-41d1-b245-5ffdce74fad2","seq":3"#, "Spelling"),
    ("a line end after a comma", r#""seq":3,"#, "\"seq\":3,\n", "Spelling"),
    ("a slash escaped", "job/", r"job\/", "Spelling"),
    ("an instant with a fraction", "1795300000", "1795300000.0", "Number"),
    ("a position as an exponent", r#""seq":3"#, r#""seq":3e0"#, "Number"),
];

pub(super) fn vectors() -> Vec<Value> {
    let in_data = DATA
        .iter()
        .map(|(name, to, reason)| change(name, r#"{"n":1}"#, to, reason));
    let elsewhere = ELSEWHERE
        .iter()
        .map(|(name, from, to, reason)| change(name, from, to, reason));
    let mut vectors: Vec<Value> = in_data.chain(elsewhere).collect();
    let seen = format!(
        r#""seen":{{"root":"{}","size":812,"size":812}},"seq":3"#,
        Hash::of(b"root")
    );
    vectors.push(change("a member of seen twice", r#""seq":3"#, &seen, "Spelling"));
    let long = format!(r#"{{"{}":1}}"#, "n".repeat(65));
    vectors.push(change("a name of 65 characters", r#"{"n":1}"#, &long, "Name"));
    let whole = payload();
    for (name, payload, reason) in [
        ("a space before it", format!(" {whole}"), "Spelling"),
        ("a line end after it", format!("{whole}\n"), "Spelling"),
        ("a byte order mark", format!("\u{feff}{whole}"), "Syntax"),
        ("cut short", whole[..whole.len() - 1].to_owned(), "Syntax"),
        ("two objects", format!("{whole}{{}}"), "Syntax"),
        ("an array", "[]".to_owned(), "NotObject"),
        ("a string", r#""x""#.to_owned(), "NotObject"),
        ("null", "null".to_owned(), "NotObject"),
    ] {
        vectors.push(vector(name, &event(payload.as_bytes()), reason));
    }
    for (name, bytes) in [
        ("a surrogate in UTF-8", &b"\xed\xa0\x80"[..]),
        ("U+0000 in two bytes", &b"\xc0\x80"[..]),
        ("a byte that UTF-8 does not have", &b"\xff"[..]),
        ("a code point beyond Unicode", &b"\xf4\x90\x80\x80"[..]),
    ] {
        let (before, after) = whole.split_once(r#"{"n":1}"#).unwrap();
        let payload = [before.as_bytes(), br#"{"n":""#, bytes, br#""}"#, after.as_bytes()].concat();
        vectors.push(vector(name, &event(&payload), "Syntax"));
    }
    vectors
}
