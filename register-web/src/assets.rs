//! Style, script and mark. Their paths hold their digests, so that they are kept for ever and never stale.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use daybook_core::Hash;

const STYLE: &str = include_str!("../assets/register.css");
const SCRIPT: &str = include_str!("../assets/genuine.js");
const MARK: &str = include_str!("../assets/mark.svg");

static STYLE_PATH: LazyLock<String> = LazyLock::new(|| path(STYLE, "css"));
static SCRIPT_PATH: LazyLock<String> = LazyLock::new(|| path(SCRIPT, "js"));

fn path(text: &str, kind: &str) -> String {
    let digest: String = Hash::of(text.as_bytes())
        .to_base64url()
        .chars()
        .take(12)
        .collect();
    format!("/assets/{digest}.{kind}")
}

/// Where the style sheet is.
pub(crate) fn style_path() -> &'static str {
    &STYLE_PATH
}

/// Where the script is.
pub(crate) fn script_path() -> &'static str {
    &SCRIPT_PATH
}

/// A file of the site's own.
pub(crate) async fn get(Path(name): Path<String>) -> Response {
    let path = format!("/assets/{name}");
    let (text, kind) = if path == *STYLE_PATH {
        (STYLE, "text/css; charset=utf-8")
    } else if path == *SCRIPT_PATH {
        (SCRIPT, "text/javascript; charset=utf-8")
    } else if name == "mark.svg" {
        (MARK, "image/svg+xml")
    } else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let keep = if name == "mark.svg" {
        "public, max-age=86400"
    } else {
        "public, max-age=31536000, immutable"
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CACHE_CONTROL, HeaderValue::from_static(keep)),
    ];
    (headers, text).into_response()
}

/// Names the build in tags of pages: other words or another style are another page.
pub(crate) fn build() -> &'static str {
    static BUILD: LazyLock<String> = LazyLock::new(|| {
        let all = [
            env!("CARGO_PKG_VERSION"),
            STYLE,
            SCRIPT,
            include_str!("../words/en.toml"),
            include_str!("../words/cy.toml"),
        ];
        Hash::of(all.concat().as_bytes())
            .to_base64url()
            .chars()
            .take(8)
            .collect()
    });
    &BUILD
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn style_and_script_stay_small() {
        assert!(STYLE.len() <= 15_000, "{} bytes of style", STYLE.len());
        assert!(
            SCRIPT.len() <= 60_000,
            "{} bytes of script, before it is packed",
            SCRIPT.len()
        );
        assert!(
            !STYLE.contains("url(") && !STYLE.contains("@import"),
            "asks another site"
        );
    }
}
