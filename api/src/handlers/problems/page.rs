//! The pages, complete without scripts and without anything from elsewhere.

use std::fmt::Write as _;

use daybook_core::Hash;

use super::example;
use crate::problem::ProblemKind;

/// The only style of these pages. Colours are the reader's own.
const STYLE: &str = ":root{color-scheme:light dark;font:1.125rem/1.5 system-ui,sans-serif}\
body{max-width:42rem;margin:0 auto;padding:1rem}\
pre{white-space:pre-wrap;overflow-wrap:anywhere;border:1px solid;padding:.75rem}\
code,pre{font-size:1rem}\
li{margin:.25rem 0}";

/// What a browser may load for a page: its own style, and nothing else.
pub(super) fn policy() -> String {
    let digest = Hash::of(STYLE.as_bytes()).to_base64url();
    let digest = digest.replace('-', "+").replace('_', "/");
    format!(
        "default-src 'none'; style-src 'sha256-{digest}='; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    )
}

/// The page of one type.
pub(super) fn one(kind: ProblemKind) -> String {
    let example = serde_json::to_string_pretty(&example(kind)).unwrap_or_default();
    let status = kind.status();
    let body = format!(
        "<h1>{title}</h1>\n\
         <p><code>{slug}</code>, HTTP status {status}</p>\n\
         <h2>What it means</h2>\n<p>{meaning}</p>\n\
         <h2>What to do</h2>\n<p>{remedy}</p>\n\
         <h2>Example</h2>\n<pre tabindex=\"0\" role=\"region\" aria-label=\"Example of a problem document\">{example}</pre>\n\
         <p><a href=\"/problems\">All problems</a></p>",
        title = marked(kind.title()),
        slug = kind.slug(),
        meaning = marked(kind.text().meaning),
        remedy = marked(kind.remedy()),
        example = escaped(&example),
    );
    page(kind.title(), &body)
}

/// The page that lists them all.
pub(super) fn all() -> String {
    let mut body = String::from(
        "<h1>Problems</h1>\n\
         <p>Every answer of this hub that is not a success is a problem document (RFC 9457) of one of these types.</p>\n<ul>\n",
    );
    for kind in ProblemKind::ALL {
        // Writing to a string cannot fail.
        _ = writeln!(
            body,
            "<li><a href=\"{}\">{}</a> (<code>{}</code>, {})</li>",
            kind.type_uri(),
            marked(kind.title()),
            kind.slug(),
            kind.status().as_u16()
        );
    }
    body.push_str("</ul>");
    page("Problems", &body)
}

/// The page for a name that no problem has.
pub(super) fn unknown() -> String {
    page(
        "No such problem",
        "<h1>No such problem</h1>\n<p>No problem has this name.</p>\n<p><a href=\"/problems\">All problems</a></p>",
    )
}

fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{} – Daybook</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n",
        escaped(title)
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// Escaped, with what stands between backticks as code.
fn marked(text: &str) -> String {
    let mut marked = String::new();
    for (n, part) in escaped(text).split('`').enumerate() {
        if n % 2 == 1 {
            _ = write!(marked, "<code>{part}</code>");
        } else {
            marked.push_str(part);
        }
    }
    marked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped_and_code_is_marked() {
        assert_eq!(marked("a `<b>` & c"), "a <code>&lt;b&gt;</code> &amp; c");
        assert_eq!(marked("plain"), "plain");
    }
}
