//! What leaves the TRE, byte for byte and in words: for whoever has to answer for that.

use std::path::Path;

use anyhow::Result;
use daybook_core::id::random_id;
use daybook_core::sealed::Opening;
use daybook_rules::{Table, document};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::{Config, Notes};
use crate::outbox::{Item, look, look_aside, look_at_stream};
use crate::spool::names;

/// What a relay asks for, whether in the shadow or not; nothing about people's data is in it.
const QUESTIONS: &str = "Besides, the relay asks the hub, over HTTPS and signed with its own key where that is needed: which jobs wait \
for this TRE (every 25 seconds at most), for checkpoints, tiles, proofs and entries of the log, for the streams of projects, \
workflows, datasets, approvals and submissions that open jobs rest on, for openings that the TRE may read, and for the packets \
of its jobs. Where it is a witness it asks what other witnesses have cosigned, and brings its own cosignatures: a name, a time and \
a signature. Such a question holds the names of the things that it is about, the relay's own name, and the time.";

/// One thing that has left, or would have.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Leaving {
    /// `event` or `packet`.
    pub kind: &'static str,
    /// What it is, in words.
    pub words: String,
    /// Exactly what is sent: the body of an event's request; of a packet the SHA-256, for its bytes lie in a file.
    pub bytes: String,
    /// Whether the log is proved to hold the event, or the hub has taken the packet.
    pub has_left: bool,
    /// The file that holds it.
    pub file: String,
}

/// Everything in a relay's spool that has left or would have, the events in their order, and what is asked besides.
pub fn outbound(config: &Config) -> Result<(Vec<Leaving>, &'static str)> {
    let folder = config.folder();
    let mut leaving = Vec::new();
    for name in names(&folder.join("ended"))? {
        let ended = folder.join("ended").join(name);
        leaving.extend(
            look_at_stream(&ended.join("outbox"))?
                .iter()
                .map(|item| event(item, &ended.join("outbox"))),
        );
        leaving.extend(packet(&ended)?);
    }
    for name in names(&folder.join("refused"))? {
        let aside = folder.join("refused").join(name);
        let refused = look_aside(&aside)?;
        leaving.extend(refused.iter().map(|item| Leaving {
            words: format!(
                "{}\n  the hub has refused this, or what it built on; it is not in the log",
                words(item)
            ),
            has_left: true,
            ..event(item, &aside)
        }));
    }
    let outbox = folder.join("outbox");
    leaving.extend(look(&outbox)?.iter().map(|item| event(item, &outbox)));
    for name in names(&folder.join("jobs"))?
        .iter()
        .filter(|name| random_id(name).is_ok())
    {
        leaving.extend(packet(&folder.join("jobs").join(name))?);
    }
    Ok((leaving, QUESTIONS))
}

fn event(item: &Item, folder: &Path) -> Leaving {
    let openings: Vec<&str> = item.openings.iter().map(Opening::as_str).collect();
    let body = serde_json::json!({ "event": item.event.as_str(), "openings": openings });
    Leaving {
        kind: "event",
        words: words(item),
        bytes: body.to_string(),
        has_left: item.is_proved,
        file: folder.display().to_string(),
    }
}

/// An event in words: what it is for, what stands in clear, and what is sealed for whom.
fn words(item: &Item) -> String {
    let claims = item.event.claims();
    let at = Timestamp::from_second(claims.iat).map_or_else(|_| claims.iat.to_string(), |at| at.to_string());
    let mut first = format!(
        "{} of {}, signed by {} at {at}.",
        claims.kind, claims.sub, claims.iss
    );
    if let Some(about) = document::about_event(&claims.kind) {
        first.push(' ');
        first.push_str(&about);
    }
    let mut lines = vec![first];
    if let Some(seen) = claims.seen {
        lines.push(format!(
            "  says that the author has seen {} entries of the log",
            seen.size
        ));
    }
    for (name, value) in claims.data.iter().filter(|(name, _)| *name != "_sd") {
        lines.push(format!(
            "  in clear, for everybody and for ever: {name} = {}",
            plain(value)
        ));
    }
    let rule = Table::v1().rule(&claims.kind);
    for opening in &item.openings {
        let field = rule.and_then(|rule| rule.sealed.get(opening.name()));
        let readers = field.map_or("nobody", |field| field.class.as_str());
        lines.push(format!(
            "  sealed, for {readers}: {} = {}",
            opening.name(),
            plain(opening.value())
        ));
    }
    let closed = claims.digests().count().saturating_sub(item.openings.len());
    if closed > 0 {
        lines.push(format!(
            "  {closed} digests of random salts, with nothing behind them that leaves"
        ));
    }
    lines.join("\n")
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The packet that a job sends back, if it is made.
fn packet(job: &Path) -> Result<Option<Leaving>> {
    let path = job.join("notes.json");
    let Ok(bytes) = std::fs::read(&path) else {
        return Ok(None);
    };
    let notes: Notes = serde_json::from_slice(&bytes)?;
    let Some(result) = notes.result else {
        return Ok(None);
    };
    let outputs = notes.outputs.map(|outputs| outputs.files).unwrap_or_default();
    let mut words = format!(
        "A packet of {} bytes, for the project's members, under the id {}.",
        result.file.size, result.packet
    );
    if outputs.is_empty() {
        words.push_str(" It holds no outputs.");
    }
    let files = outputs.iter();
    words.extend(files.map(|file| {
        format!(
            "\n  an output that was cleared: {} ({} bytes)",
            file.path, file.size
        )
    }));
    Ok(Some(Leaving {
        kind: "packet",
        words,
        bytes: format!("sha256 {}", result.file.sha256),
        has_left: result.is_uploaded,
        file: job.join("result.zip").display().to_string(),
    }))
}
