//! The page for people in a result: `ro-crate-preview.html`, made from what the metadata says and nothing else.

use std::fmt::Write as _;

use super::model::{InputKind, Named, Request};
use super::result::{Outcome, Review};

/// The preview page, relative to the crate's root.
pub(super) const PREVIEW_PATH: &str = "ro-crate-preview.html";
/// Files that belong to a preview page.
pub(super) const PREVIEW_FILES: &str = "ro-crate-preview_files/";

/// Writes the page: plain HTML without scripts, pictures or anything from elsewhere; every text is escaped.
pub(super) fn preview(request: &Request, review: &Review, outcome: &Outcome) -> Vec<u8> {
    let title = if request.name.is_empty() {
        &request.run.name
    } else {
        &request.name
    };
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n\
         <style>body{{font:1em/1.5 sans-serif;max-width:46em;margin:2em auto;padding:0 1em}}\
         th{{text-align:left;vertical-align:top;padding-right:1em}}</style>\n</head>\n<body>\n<h1>{title}</h1>\n<p>{}</p>\n",
        escape(&outcome.sentence()),
        title = escape(title),
    );
    let person = &request.requester;
    let asked_by = match &person.affiliation {
        Some(organisation) => format!("{}, {}", label(&person.person), label(organisation)),
        None => label(&person.person),
    };
    let inputs = request.inputs.iter().map(|input| {
        let name = input
            .parameter
            .as_ref()
            .map_or(&input.input.name, |named| &named.name);
        match &input.kind {
            InputKind::Value(value) => format!("{} = {}", escape(name), escape(value)),
            InputKind::File | InputKind::Dataset => format!("{}: {}", escape(name), label(&input.input)),
        }
    });
    let rows = [
        ("What it is", escape(&request.description)),
        ("Asked for by", asked_by),
        ("Project", label(&request.project.project)),
        ("Workflow", label(&request.workflow.workflow)),
        ("Inputs", inputs.collect::<Vec<_>>().join("<br>")),
        ("Decided and published by", label(&review.tre)),
        ("Published", escape(&review.publishing.ended.to_string())),
        ("Conditions of use", label(&review.licence)),
        ("Under the policy", label(&review.policy)),
    ];
    page.push_str("<table>\n");
    for (head, text) in rows.iter().filter(|(_, text)| !text.is_empty()) {
        // Writing to a String cannot fail.
        let _ = writeln!(page, "<tr><th scope=\"row\">{head}</th><td>{text}</td></tr>");
    }
    page.push_str("</table>\n");
    if let Outcome::Released { outputs, .. } = outcome {
        page.push_str("<h2>Outputs</h2>\n<ul>\n");
        for file in outputs {
            let path = super::request::path_id(&format!("outputs/{}", file.path));
            let _ = writeln!(
                page,
                "<li><a href=\"{}\">{}</a> ({}, {} bytes)</li>",
                escape(&path),
                escape(&file.name),
                escape(&file.media_type),
                file.bytes.len()
            );
        }
        page.push_str("</ul>\n");
    }
    page.push_str(
        "<p>The metadata is in <a href=\"ro-crate-metadata.json\">ro-crate-metadata.json</a>.</p>\n",
    );
    page.push_str("</body>\n</html>\n");
    page.into_bytes()
}

/// A thing's name with its id, which is no link: a client chose it.
fn label(named: &Named) -> String {
    if named.name.is_empty() {
        return escape(&named.id);
    }
    format!("{} ({})", escape(&named.name), escape(&named.id))
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}
