//! An entry as every route tells it.

use daybook_core::base64url;
use daybook_store::read::Entry;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// An entry, with what its event says of its place. What is signed stands in `event` alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct EntryBody {
    index: u64,
    leaf_hash: String,
    stream: String,
    seq: u64,
    #[serde(rename = "type")]
    kind: String,
    author: String,
    /// When its author says that it was, in RFC 3339; none beyond the years that it can write.
    at: Option<String>,
    event: String,
}

impl From<Entry> for EntryBody {
    fn from(entry: Entry) -> Self {
        Self {
            index: entry.index,
            leaf_hash: entry.leaf.to_base64url(),
            at: time_of(&entry.event),
            stream: entry.stream,
            seq: entry.seq,
            kind: entry.kind,
            author: entry.author,
            event: entry.event,
        }
    }
}

/// The author's time of an event that was parsed when it was appended.
fn time_of(event: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Dated {
        iat: i64,
    }
    let payload = base64url::decode(event.split('.').nth(1)?)?;
    let dated: Dated = serde_json::from_slice(&payload).ok()?;
    Some(Timestamp::from_second(dated.iat).ok()?.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_universal_time() {
        let told = |payload: &str| time_of(&format!("x.{}.y", base64url::encode(payload.as_bytes())));
        assert_eq!(told(r#"{"iat":0}"#).unwrap(), "1970-01-01T00:00:00Z");
        assert_eq!(
            told(r#"{"iat":1795300000,"seq":1}"#).unwrap(),
            "2026-11-21T22:26:40Z"
        );
        for unreadable in [r#"{"iat":9007199254740991}"#, "{}", "x"] {
            assert_eq!(told(unreadable), None);
        }
        assert_eq!(time_of("SELECT secret"), None);
    }
}
