//! A version of a register entry with all that it shows.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::document::{self, Shown};
use super::table::{Opened, RegisterVersion, Rested};

/// A version with the entries on which it rests.
#[derive(Clone, Debug, PartialEq)]
pub struct Edition {
    /// The version.
    pub version: RegisterVersion,
    /// The entries on which it rests, in its order.
    pub parts: Vec<Part>,
    /// Whether a value that it showed has been erased since.
    pub has_lost: bool,
}

/// An entry on which a version rests, and what of it is shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// Its leaf hash, base64url.
    pub leaf: String,
    /// Its index.
    pub entry: u64,
    /// Its type.
    pub kind: String,
    /// Its stream.
    pub stream: String,
    /// When that was by its author's clock, in seconds since 1970.
    pub at: i64,
    /// Its clear fields.
    pub clear: Map<String, Value>,
    /// Its published fields.
    pub fields: BTreeMap<String, Value>,
}

impl Edition {
    /// Joins a version with what was read about it; what was published only later is not of it.
    pub(super) fn of(version: RegisterVersion, rested: Vec<Rested>, opened: Vec<Opened>) -> Self {
        let mut rested: BTreeMap<String, Rested> =
            rested.into_iter().map(|rest| (rest.leaf.clone(), rest)).collect();
        let mut fields: BTreeMap<String, BTreeMap<String, Value>> = BTreeMap::new();
        let mut has_lost = false;
        for one in opened.into_iter().filter(|one| one.entry <= version.entry) {
            let value = one
                .value
                .as_deref()
                .and_then(|text| serde_json::from_str(text).ok());
            match value {
                Some(value) => drop(fields.entry(one.leaf).or_default().insert(one.name, value)),
                None => has_lost = true,
            }
        }
        let parts = version.rests_on.iter().filter_map(|leaf| {
            let rest = rested.remove(leaf)?;
            Some(Part {
                fields: fields.remove(leaf).unwrap_or_default(),
                entry: rest.entry,
                kind: rest.kind,
                stream: rest.stream,
                at: rest.at,
                clear: serde_json::from_str(&rest.clear).unwrap_or_default(),
                leaf: rest.leaf,
            })
        });
        Self {
            parts: parts.collect(),
            version,
            has_lost,
        }
    }

    /// The document whose digest the version carries; another one where something has been erased.
    pub fn document(&self) -> Value {
        let shown: Vec<Shown> = self
            .parts
            .iter()
            .map(|part| Shown {
                leaf: part.leaf.clone(),
                kind: part.kind.clone(),
                fields: part.fields.clone(),
            })
            .collect();
        let version = &self.version;
        document::document(version.project, version.version, &version.cause, &shown)
    }

    /// What the project says about itself.
    pub fn details(&self) -> Option<&Part> {
        let is_it = |part: &&Part| matches!(part.kind.as_str(), "project-registered" | "project-amended");
        self.parts.iter().rev().find(is_it)
    }

    /// The part about a stream.
    pub fn of_stream(&self, stream: &str) -> Option<&Part> {
        self.parts.iter().rev().find(|part| part.stream == stream)
    }

    /// The parts of a type.
    pub fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Part> {
        self.parts.iter().filter(move |part| part.kind == kind)
    }
}

impl Part {
    /// A published text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.fields.get(name).and_then(Value::as_str)
    }

    /// Published texts; none where there are none.
    pub fn texts(&self, name: &str) -> Vec<&str> {
        let list = self.fields.get(name).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// A clear text.
    pub fn clear_text(&self, name: &str) -> Option<&str> {
        self.clear.get(name).and_then(Value::as_str)
    }

    /// A clear integer.
    pub fn clear_integer(&self, name: &str) -> Option<i64> {
        self.clear.get(name).and_then(Value::as_i64)
    }
}
