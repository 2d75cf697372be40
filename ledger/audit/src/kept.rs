//! What an audit must know to go on where it came to, as one JSON value beside the streams' states.

use std::collections::{BTreeMap, VecDeque};

use daybook_core::Hash;
use daybook_core::event::Event;
use daybook_core::id::Stream;
use serde::{Deserialize, Serialize};

use crate::finding::Report;
use crate::lookout::Lookout;

/// The version of this form; another is not read.
pub(crate) const VERSION: u32 = 1;
/// Entries of which it is remembered what stood before them, to go back to where heads were committed.
const MAX_RECENT: usize = 65_536;

/// The value.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) version: u32,
    /// The log.
    pub(crate) origin: String,
    /// The index after the last entry that was taken.
    pub(crate) next: u64,
    /// Roots of the largest full subtrees, from the left, base64url.
    pub(crate) peaks: Vec<String>,
    /// The rule table in force; none before one was adopted.
    pub(crate) rules: Option<serde_json::Value>,
    /// The newest checkpoint that was verified, whole.
    pub(crate) checkpoint: Option<String>,
    /// The root key of each TRE as it was first seen.
    pub(crate) pins: BTreeMap<String, String>,
    pub(crate) lookout: Lookout,
    pub(crate) recent: VecDeque<Before>,
    pub(crate) report: Report,
    /// Every key that the log has named as its own, base64url.
    #[serde(default)]
    pub(crate) log_keys: Vec<String>,
}

/// An entry's stream, and its head before it: position 0 and no leaf where it is the first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Before {
    pub(crate) stream: String,
    pub(crate) seq: u64,
    pub(crate) leaf: Option<String>,
}

impl Kept {
    /// Learns a key that the log names as its own, by an event that the rules allow.
    pub(crate) fn learn_log_key(&mut self, event: &Event) {
        let claims = event.claims();
        let name = match claims.kind.as_str() {
            "log-opened" => "log_key",
            "log-key-rotated" => "key",
            _ => return,
        };
        let key = claims.data.get(name).and_then(serde_json::Value::as_str);
        self.log_keys.extend(key.map(str::to_owned));
    }

    /// Remembers what stood before an entry.
    pub(crate) fn remember(&mut self, stream: &Stream, seq: u64, prev: Option<&Hash>) {
        if self.recent.len() == MAX_RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(Before {
            stream: stream.to_string(),
            seq: seq.saturating_sub(1),
            leaf: prev.map(Hash::to_base64url),
        });
    }

    /// The heads that streams had at a size, where they have others now; `None` where that is too long ago.
    pub(crate) fn back_to(&self, size: u64) -> Option<BTreeMap<String, Before>> {
        let back = usize::try_from(self.next.checked_sub(size)?).ok()?;
        let from = self.recent.len().checked_sub(back)?;
        let mut heads = BTreeMap::new();
        for before in self.recent.iter().skip(from) {
            heads
                .entry(before.stream.clone())
                .or_insert_with(|| before.clone());
        }
        Some(heads)
    }
}
