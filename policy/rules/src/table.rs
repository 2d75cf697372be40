//! The rule table: roles, types, transitions, limits and schemas as one canonical JSON document.
//!
//! The document's members are `rules` (the version of what its words mean, 1), `limits`, `classes` (days for which an
//! opening of each reader class is kept), `codes` (closed lists), `streams` (their states) and `events`. It is written as TOML in
//! `v1/`, where groups and comments are allowed; see [`Table::v1`]. Loading is strict: every name that is used must be defined.

mod author;
mod load;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use daybook_core::Hash;
use daybook_core::canonical::CanonicalError;
use daybook_core::sealed::ReaderClass;
use serde_json::Value;
use thiserror::Error;

pub(crate) use self::author::about;
use crate::judge::{Condition, Effect};
use crate::kind::{ClearKind, SealedKind};
use crate::source::Template;

/// The version of the words that a table may use.
pub(crate) const RULES: i64 = 1;
/// The state of a stream before its first event, in `from`.
pub(crate) const NONE: &str = "-";
/// Bytes of a table, so that it fits into a `policy-adopted` event in base64url.
pub(crate) const MAX_TABLE: usize = 34_000;

static V1: LazyLock<Table> = LazyLock::new(|| {
    author::v1()
        .and_then(|value| Table::from_value(&value))
        .unwrap_or_else(|_| Table::empty())
});

/// A document is not a rule table.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TableError {
    /// Not in the one form that a log may hold.
    #[error("the table is not canonical JSON")]
    Canonical(#[from] CanonicalError),
    /// Too long for an event.
    #[error("the table has {0} bytes; at most {MAX_TABLE} fit into an event")]
    TooLong(usize),
    /// Members missing, unknown or of another type.
    #[error("{at}: {problem}")]
    Shape {
        /// Where, as a path.
        at: String,
        /// What the reader said.
        problem: String,
    },
    /// A name that nothing defines.
    #[error("{at}: there is no {what} called {name:?}")]
    Name {
        /// Where, as a path.
        at: String,
        /// What kind of thing was looked for.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// Words that do not make a kind, condition, effect or stream.
    #[error("{at}: {text:?} is not {expected}")]
    Text {
        /// Where, as a path.
        at: String,
        /// What stands there.
        text: String,
        /// What should.
        expected: &'static str,
    },
}

/// A clear field of an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Clear {
    /// Whether it must be there.
    pub required: bool,
    /// What it may hold.
    pub kind: ClearKind,
}

/// A sealed field of an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Sealed {
    /// Whether its opening must come with the event (issuer-only ones never come).
    pub required: bool,
    /// Who may read it.
    pub class: ReaderClass,
    /// What it may hold.
    pub kind: SealedKind,
}

/// The state after an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// This one.
    State(String),
    /// The one before.
    Same,
    /// The one that `job-held` remembered.
    Resume,
    /// By the state before.
    By(BTreeMap<String, String>),
}

/// What the table says about one event type.
#[derive(Clone, Debug, PartialEq)]
pub struct EventRule {
    /// The kind of stream.
    pub stream: String,
    /// The version of the type.
    pub version: u16,
    /// The roles that may sign it.
    pub by: Vec<String>,
    /// The states of the stream in which it may come; `-` is a stream without state.
    pub from: Vec<String>,
    /// The state after it.
    pub to: Target,
    /// Clear fields.
    pub clear: BTreeMap<String, Clear>,
    /// Sealed fields.
    pub sealed: BTreeMap<String, Sealed>,
    /// Digests in `_sd`, decoys included.
    pub digests: usize,
    pub(crate) reads: BTreeMap<String, Template>,
    pub(crate) when: Vec<Condition>,
    pub(crate) sets: Vec<Effect>,
}

/// A rule table that was loaded and found whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    canonical: String,
    hash: Hash,
    limits: BTreeMap<String, i64>,
    classes: BTreeMap<ReaderClass, i64>,
    codes: BTreeMap<String, BTreeSet<String>>,
    streams: BTreeMap<String, Streams>,
    events: BTreeMap<String, EventRule>,
}

#[derive(Clone, Debug, PartialEq)]
struct Streams {
    states: Vec<String>,
    ends: Vec<String>,
}

impl Table {
    /// The first table, which this program brings along, and under which a log's first two events are judged.
    pub fn v1() -> &'static Self {
        &V1
    }

    /// The canonical JSON: the bytes of `data.table` in `policy-adopted`.
    pub fn canonical(&self) -> &str {
        &self.canonical
    }

    /// SHA-256 of [`Self::canonical`], by which a table is named.
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// The document as a value, for `data.table`.
    pub fn to_value(&self) -> Value {
        serde_json::from_str(&self.canonical).unwrap_or_default()
    }

    /// What it says about an event type.
    pub fn rule(&self, kind: &str) -> Option<&EventRule> {
        self.events.get(kind)
    }

    /// Every event type by name, in the order of the alphabet.
    pub fn events(&self) -> impl Iterator<Item = (&str, &EventRule)> {
        self.events.iter().map(|(kind, rule)| (kind.as_str(), rule))
    }

    /// A limit by name.
    pub fn limit(&self, name: &str) -> Option<i64> {
        self.limits.get(name).copied()
    }

    /// All limits.
    pub fn limits(&self) -> impl Iterator<Item = (&str, i64)> {
        self.limits.iter().map(|(name, limit)| (name.as_str(), *limit))
    }

    /// All closed lists of codes.
    pub fn codes(&self) -> impl Iterator<Item = (&str, &BTreeSet<String>)> {
        self.codes.iter().map(|(name, codes)| (name.as_str(), codes))
    }

    /// Days for which an opening of this class is kept; `None` is for as long as the log.
    pub fn retain_days(&self, class: ReaderClass) -> Option<u32> {
        let days = self.classes.get(&class).copied().unwrap_or(0);
        u32::try_from(days).ok().filter(|days| *days > 0)
    }

    /// The states of a kind of stream, in the order of the source.
    pub fn states(&self, stream: &str) -> &[String] {
        self.streams
            .get(stream)
            .map_or(&[], |streams| streams.states.as_slice())
    }

    /// Whether a thing in that state is at its end.
    pub fn is_end(&self, stream: &str, state: &str) -> bool {
        self.streams
            .get(stream)
            .is_some_and(|streams| streams.ends.iter().any(|end| end == state))
    }

    /// A table that allows nothing.
    fn empty() -> Self {
        Self {
            canonical: "{}".to_owned(),
            hash: Hash::of(b"{}"),
            limits: BTreeMap::new(),
            classes: BTreeMap::new(),
            codes: BTreeMap::new(),
            streams: BTreeMap::new(),
            events: BTreeMap::new(),
        }
    }
}

#[cfg(test)]
mod tests;
