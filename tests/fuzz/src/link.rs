//! A target for what passes between a TRE's zones.

use daybook_agent::link::token::{Call, Presented};
use daybook_core::{Hash, base64url, canonical};
use serde_json::Value;

use crate::events::{KEY, sign};

/// Reads the token of a call over the link.
///
/// # Panics
/// When a token is accepted that is not of its time, or that has another spelling.
pub fn link_call(data: &[u8]) {
    if let Ok(text) = str::from_utf8(data) {
        one_call(text);
    }
    one_call(&sign("daybook-link-call+jwt", data));
}

fn one_call(text: &str) {
    const NOW: i64 = 1_795_300_000;
    let Ok(token) = Presented::parse(text) else { return };
    let expected = Call {
        link: "link.wessex".to_owned(),
        caller: token.caller().clone(),
        method: "POST".to_owned(),
        target: "/link/v1/events".to_owned(),
        body: Hash::of(b"body"),
    };
    if token.verify(&KEY.public(), &expected, NOW).is_err() {
        return;
    }
    assert_eq!(*token.body(), expected.body);
    let payload = text
        .split('.')
        .nth(1)
        .and_then(base64url::decode)
        .unwrap_or_default();
    let claims = canonical::parse_object(&payload).unwrap_or_default();
    let time = |name: &str| claims.get(name).and_then(Value::as_i64).unwrap_or_default();
    let (iat, exp) = (time("iat"), time("exp"));
    assert!(
        iat < exp && exp - iat <= 300 && NOW < exp + 60 && iat <= NOW + 60,
        "from {iat} to {exp}"
    );
    // Only the nonce and the times are the caller's own: all else is what was expected.
    assert_eq!(claims.len(), 8);
}
