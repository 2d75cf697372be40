//! Conditional reading (RFC 9110, section 13): who has an answer already is told so, and not sent it again.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use daybook_core::Hash;
use serde_json::Value;

/// May be kept, and is asked for again each time.
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");

/// An answer in JSON whose tag is made from what it says.
///
/// A state may be changed by events of several streams, so that no single event could name its version.
pub(crate) fn json(headers: &HeaderMap, body: &Value) -> Response {
    let text = body.to_string();
    let tag = Hash::of(text.as_bytes()).to_base64url();
    let kind = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CACHE_CONTROL, ASK_AGAIN),
        // The same address may answer with a stream of events.
        (header::VARY, HeaderValue::from_static("accept")),
    ];
    tagged(headers, &tag, (kind, text).into_response())
}

/// Any answer under a tag, which names these very bytes; 304 without them where the asker has them.
pub(crate) fn tagged(headers: &HeaderMap, tag: &str, mut answer: Response) -> Response {
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{tag}\"")) {
        answer.headers_mut().insert(header::ETAG, tag);
    }
    if !knows(headers, tag) {
        return answer;
    }
    let mut bare = StatusCode::NOT_MODIFIED.into_response();
    for name in [header::ETAG, header::CACHE_CONTROL, header::VARY] {
        if let Some(value) = answer.headers().get(&name) {
            bare.headers_mut().insert(name, value.clone());
        }
    }
    bare
}

/// Whether `If-None-Match` names the tag, by the weak comparison that the header is read with.
fn knows(headers: &HeaderMap, tag: &str) -> bool {
    let listed = headers.get_all(header::IF_NONE_MATCH).iter();
    let mut listed = listed
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    listed.any(|one| {
        let one = one.trim();
        let one = one.strip_prefix("W/").unwrap_or(one);
        one == "*" || one.strip_prefix('"').and_then(|one| one.strip_suffix('"')) == Some(tag)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn if_none_match_is_read_as_a_list_of_tags() {
        for (value, expected) in [
            ("\"a\"", true),
            ("W/\"a\"", true),
            ("\"b\", \"a\"", true),
            ("\"b\",W/\"a\" ", true),
            ("*", true),
            ("\"b\"", false),
            ("a", false),
            ("\"a", false),
            ("\"A\"", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(header::IF_NONE_MATCH, HeaderValue::from_static(value))]);
            assert_eq!(knows(&headers, "a"), expected, "{value}");
        }
        assert!(!knows(&HeaderMap::new(), "a"));
    }
}
