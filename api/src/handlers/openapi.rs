//! `GET /openapi.json`: the description of this API for programs.

use std::sync::LazyLock;

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use daybook_core::Hash;

use crate::{conditional, openapi};

static TEXT: LazyLock<(String, String)> = LazyLock::new(|| {
    let text = openapi::text();
    let tag = Hash::of(text.as_bytes()).to_base64url();
    (text, tag)
});

/// The description, as `docs/openapi.json` has it.
pub(crate) async fn get_openapi(headers: HeaderMap) -> Response {
    let (text, tag) = &*TEXT;
    let kind = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    conditional::tagged(&headers, tag, (kind, text.as_str()).into_response())
}
