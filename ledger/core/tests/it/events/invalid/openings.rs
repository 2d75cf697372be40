//! Openings that are not of the one form.

use daybook_core::base64url;
use daybook_core::sealed::MAX_OPENING;
use serde_json::{Value, json};

use super::{parts, respelt};

/// The array, with `{salt}` for a good salt, and why it is refused.
#[rustfmt::skip]
const ARRAYS: &[(&str, &str, &str)] = &[
    ("with spaces, as RFC 9901 prints them", r#"["{salt}", "n", "v"]"#, "Spelling"),
    ("escaped beyond ASCII", r#"["{salt}","n","\u00e9"]"#, "Spelling"),
    ("a member twice in the value", r#"["{salt}","n",{"a":1,"a":1}]"#, "Spelling"),
    ("a fraction", r#"["{salt}","n",1.0]"#, "Number"),
    ("2^53", r#"["{salt}","n",9007199254740992]"#, "Number"),
    ("U+0000", r#"["{salt}","n","\u0000"]"#, "Nul"),
    ("U+FFFF", "[\"{salt}\",\"n\",\"\u{ffff}\"]", "Noncharacter"),
    ("a lone surrogate", r#"["{salt}","n","\ud800"]"#, "Syntax"),
    ("nine levels", r#"["{salt}","n",[[[[[[[[]]]]]]]]]"#, "Depth"),
    ("an array element, of two parts", r#"["{salt}","v"]"#, "Shape"),
    ("four parts", r#"["{salt}","n","v",1]"#, "Shape"),
    ("an object", r#"{"name":"n","salt":"{salt}","value":"v"}"#, "Shape"),
    ("a name that is no string", r#"["{salt}",1,"v"]"#, "Shape"),
    ("a salt that is no string", r#"[1,"n","v"]"#, "Shape"),
    ("a salt with padding", r#"["{salt}==","n","v"]"#, "Salt"),
    ("no salt", r#"["","n","v"]"#, "Salt"),
    ("an empty name", r#"["{salt}","","v"]"#, "Name"),
    ("a name beyond ASCII", r#"["{salt}","é","v"]"#, "Name"),
    ("the name _sd", r#"["{salt}","_sd","v"]"#, "Name"),
    ("the name _sd_alg", r#"["{salt}","_sd_alg","v"]"#, "Name"),
    ("the name ...", r#"["{salt}","...","v"]"#, "Name"),
    ("digests within the value", r#"["{salt}","n",{"_sd":[]}]"#, "Name"),
    ("an element's digest within the value", r#"["{salt}","n",[{"...":"x"}]]"#, "Name"),
];

pub(super) fn vectors() -> Vec<Value> {
    let salt = base64url::encode(&[7; 16]);
    let good = base64url::encode(format!(r#"["{salt}","n","v"]"#).as_bytes());
    let mut vectors = vec![
        json!({"name": "padded", "opening": format!("{good}="), "reason": "Base64"}),
        json!({"name": "a line end after it", "opening": format!("{good}\n"), "reason": "Base64"}),
        json!({"name": "with SD-JWT's tilde", "opening": format!("{good}~"), "reason": "Base64"}),
        json!({"name": "nothing", "opening": "", "reason": "Syntax"}),
    ];
    // A value of this length leaves spare bits.
    let spare = base64url::encode(format!(r#"["{salt}","n","vv"]"#).as_bytes());
    vectors.extend(respelt(&spare).into_iter().enumerate().map(
        |(n, other)| json!({"name": format!("spare bits {}", n + 1), "opening": other, "reason": "Base64"}),
    ));
    for (name, array, reason) in ARRAYS {
        let array = array.replace("{salt}", &salt);
        vectors.push(json!({"name": name, "opening": base64url::encode(array.as_bytes()), "reason": reason}));
    }
    for (name, array, reason) in [
        (
            "a salt of 15 bytes",
            format!(r#"["{}","n","v"]"#, base64url::encode(&[7; 15])),
            "Salt",
        ),
        (
            "a salt of 17 bytes",
            format!(r#"["{}","n","v"]"#, base64url::encode(&[7; 17])),
            "Salt",
        ),
        (
            "a salt with spare bits",
            format!(r#"["{}","n","v"]"#, respelt(&salt)[0]),
            "Salt",
        ),
        (
            "a name of 65 characters",
            format!(r#"["{salt}","{}","v"]"#, "n".repeat(65)),
            "Name",
        ),
    ] {
        vectors.push(json!({"name": name, "opening": base64url::encode(array.as_bytes()), "reason": reason}));
    }
    let long = format!(r#"["{salt}","n","{}"]"#, "y".repeat(MAX_OPENING * 3 / 4));
    let long = parts(&base64url::encode(long.as_bytes()));
    vectors.push(json!({"name": "too long", "opening_parts": long, "reason": "TooLong"}));
    vectors
}
