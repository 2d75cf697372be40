//! The page of a pack, for people: one file, no scripts, nothing that is loaded from elsewhere.

use std::fmt::Write as _;

use daybook_core::checkpoint::Checkpoint;
use daybook_core::id::Stream;
use daybook_rules::document;
use serde_json::Value;

use super::replay::Replayed;
use super::{Entry, Evidence};

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#111;background:#fff}\
table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid #bbb;padding:.4rem .6rem;text-align:left;vertical-align:top}\
code{overflow-wrap:anywhere}dl{margin:.3rem 0}dt{font-weight:600}dd{margin:0 0 .3rem 1rem}";

/// The page.
pub(super) fn html(evidence: &Evidence, replayed: &Replayed) -> String {
    let mut page = String::new();
    let subject = evidence.subject;
    // Writing into a text cannot fail.
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>Evidence: {subject}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>Evidence: {subject}</h1>\n"
    );
    head(&mut page, evidence);
    events(&mut page, evidence);
    states(&mut page, evidence, replayed);
    packets(&mut page, evidence);
    keys(&mut page, replayed);
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

fn head(page: &mut String, evidence: &Evidence) {
    let (log, size, root) = match Checkpoint::parse(evidence.checkpoint.text()) {
        Ok(checkpoint) => (
            escape(checkpoint.origin()),
            checkpoint.size(),
            checkpoint.root().to_base64(),
        ),
        Err(_) => (String::new(), 0, String::new()),
    };
    let signers: Vec<String> = evidence
        .checkpoint
        .signatures()
        .iter()
        .map(|line| format!("<code>{}</code>", escape(line.name().as_str())))
        .collect();
    let whole = match &evidence.committed {
        Some(committed) => format!(
            "Entry {} says where each stream ended: so nothing is left out up to there.",
            committed.entry
        ),
        None => "Nothing shows yet that no later event was left out: the log's clerk had committed no heads of streams. Make the pack again a day later.".to_owned(),
    };
    let _ = write!(
        page,
        "<p>What the log <code>{log}</code> says, as far as its first {size} entries go.</p>\n\
         <p>This page proves nothing by itself. It is what the files beside it give, and <code>README.txt</code> says how to check \
         both without a network.</p>\n\
         <dl><dt>Root of the tree</dt><dd><code>{root}</code></dd><dt>Lines on the checkpoint, by name</dt><dd>{}</dd>\
         <dt>Entries here</dt><dd>{}</dd><dt>Left out</dt><dd>{whole}</dd></dl>\n",
        signers.join(", "),
        evidence.entries.len(),
    );
}

/// What happened: the entries of the subject's own streams.
fn events(page: &mut String, evidence: &Evidence) {
    page.push_str("<h2>What happened</h2>\n<table>\n<tr><th>Entry</th><th>Time, by its author</th><th>Who</th><th>What</th></tr>\n");
    let abouts = document::abouts();
    for (index, entry) in &evidence.entries {
        let claims = entry.event.claims();
        if matches!(
            claims.sub,
            Stream::Federation | Stream::Log | Stream::Tre(_) | Stream::Workflow(_) | Stream::Dataset(_)
        ) {
            continue;
        }
        let about = abouts.get(&claims.kind).map_or("", String::as_str);
        let _ = writeln!(
            page,
            "<tr><td>{index}</td><td>{}</td><td>{}</td><td><strong>{}</strong> in {}<br>{}{}</td></tr>",
            time(claims.iat.unsigned_abs()),
            escape(&claims.iss.to_string()),
            escape(&claims.kind),
            escape(&claims.sub.to_string()),
            escape(about),
            openings(entry),
        );
    }
    page.push_str("</table>\n");
}

fn openings(entry: &Entry) -> String {
    if entry.openings.is_empty() {
        return String::new();
    }
    let one = |opening: &daybook_core::sealed::Opening| {
        let value = match opening.value() {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        format!("<dt>{}</dt><dd>{}</dd>", escape(opening.name()), escape(&value))
    };
    let all: Vec<String> = entry.openings.iter().map(one).collect();
    format!("<dl>{}</dl>", all.concat())
}

/// How it stands at the end.
fn states(page: &mut String, evidence: &Evidence, replayed: &Replayed) {
    page.push_str("<h2>How it stands after these entries</h2>\n<ul>\n");
    let own = replayed
        .states
        .iter()
        .filter(|(stream, _)| matches!(stream, Stream::Job(_)) || **stream == evidence.subject.stream());
    for (stream, state) in own {
        let words = if matches!(stream, Stream::Job(_)) {
            daybook_rules::words::of(state).sentence
        } else {
            state
                .get("state")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let _ = writeln!(
            page,
            "<li>{}: {}</li>",
            escape(&stream.to_string()),
            escape(&words)
        );
    }
    page.push_str("</ul>\n");
}

fn packets(page: &mut String, evidence: &Evidence) {
    let packets = evidence.packets();
    if packets.is_empty() {
        return;
    }
    page.push_str(
        "<h2>Packets</h2>\n<table>\n<tr><th>Entry</th><th>Packet</th><th>SHA-256, base64url</th></tr>\n",
    );
    for packet in packets {
        let digest = packet.digest.map_or("not shown here".to_owned(), |digest| {
            format!("<code>{}</code>", escape(&digest))
        });
        let _ = writeln!(
            page,
            "<tr><td>{}</td><td>{}</td><td>{digest}</td></tr>",
            packet.entry,
            escape(&packet.id)
        );
    }
    page.push_str("</table>\n");
}

fn keys(page: &mut String, replayed: &Replayed) {
    page.push_str("<h2>Keys</h2>\n<table>\n<tr><th>Whose</th><th>For</th><th>Registered by entry</th><th>Ended by entry</th><th>Thumbprint</th></tr>\n");
    for key in &replayed.keys {
        let until = key.until.map_or(String::new(), |until| until.to_string());
        let doubt = key
            .doubted_from
            .map_or(String::new(), |from| format!(", in doubt from {from} entries on"));
        let _ = writeln!(
            page,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{until}{doubt}</td><td><code>{}</code></td></tr>",
            escape(&key.actor.to_string()),
            key.usage.as_str(),
            key.from,
            key.kid.to_base64url()
        );
    }
    page.push_str("</table>\n");
}

/// A time as people write it; the number where it is none.
pub(super) fn time(seconds: u64) -> String {
    let time = i64::try_from(seconds)
        .ok()
        .and_then(|time| jiff::Timestamp::from_second(time).ok());
    time.map_or_else(
        || seconds.to_string(),
        |time| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
    )
}

/// A text that stays a text wherever it stands in a page.
fn escape(text: &str) -> String {
    // What turns the direction of a line could make it read otherwise.
    let turns =
        |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}');
    let mut safe = String::with_capacity(text.len());
    for c in text
        .chars()
        .filter(|c| *c == '\n' || !c.is_control() && !turns(*c))
    {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\n' => safe.push_str("<br>"),
            c => safe.push(c),
        }
    }
    safe
}
