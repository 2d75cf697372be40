//! An entry as folds read it.
//!
//! What stands in the log was checked when it was appended, so its form is not checked again: the payload is decoded and
//! read once for all views, without its digests, in about a quarter of the time of a whole parse.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use daybook_core::base64url;
use daybook_core::id::{Actor, Slug, Stream, random_id};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};
use thiserror::Error;
use uuid::Uuid;

use super::rests::Rest;

/// An entry cannot be folded.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FoldError {
    /// Not an event.
    #[error("entry {index} is no event that this program can read")]
    Form {
        /// The entry.
        index: u64,
    },
    /// A gap in the log.
    #[error("entry {index} is missing in the log")]
    Gap {
        /// The index that should come next.
        index: u64,
    },
    /// A type, or a version of a type, that this program does not know.
    #[error(
        "entry {index} has the type {kind} in version {version}, which this program does not know; update it"
    )]
    Unknown {
        /// The entry.
        index: u64,
        /// Its type.
        kind: String,
        /// The version of the type.
        version: u16,
    },
    /// A rule table that gives known types other effects.
    #[error(
        "entry {index} adopts a rule table in which {kind} has effects that this program does not know; update it"
    )]
    Effects {
        /// The entry.
        index: u64,
        /// The type.
        kind: String,
    },
    /// A field that is missing or of another form.
    #[error("entry {index} has no readable field {name}")]
    Field {
        /// The entry.
        index: u64,
        /// The field.
        name: &'static str,
    },
    /// A row that an earlier entry must have made.
    #[error("entry {index} speaks of a row of {table} that no earlier entry has made")]
    Missing {
        /// The entry.
        index: u64,
        /// The table.
        table: &'static str,
    },
}

impl FoldError {
    /// The entry that cannot be folded.
    pub fn index(&self) -> u64 {
        match self {
            Self::Form { index }
            | Self::Gap { index }
            | Self::Unknown { index, .. }
            | Self::Effects { index, .. }
            | Self::Field { index, .. }
            | Self::Missing { index, .. } => *index,
        }
    }
}

/// An entry of the log, decoded for folds.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its index.
    pub index: u64,
    /// Its leaf hash, base64url, as states and events spell it.
    pub leaf: String,
    /// The event's type.
    pub kind: String,
    /// The version of the type.
    pub version: u16,
    /// The stream.
    pub stream: Stream,
    /// The author.
    pub author: Actor,
    /// The author's statement of the time, in seconds since 1970.
    pub at: i64,
    /// The clear fields.
    pub data: Data,
    /// The entries on which it rests, for a view that reads openings; else none.
    pub rests: Vec<Arc<Rest>>,
}

/// The clear fields of an event; digests of sealed ones are left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Data(pub Map<String, Value>);

#[derive(Deserialize)]
struct Payload<'a> {
    data: Data,
    iat: i64,
    #[serde(borrow)]
    iss: Cow<'a, str>,
    #[serde(borrow)]
    sub: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    v: u16,
}

impl Entry {
    /// Reads an entry of the log.
    pub fn read(index: u64, leaf: &[u8], event: &str) -> Result<Self, FoldError> {
        let read = || {
            let payload = base64url::decode(event.split('.').nth(1)?)?;
            let payload: Payload<'_> = serde_json::from_slice(&payload).ok()?;
            Some(Self {
                index,
                leaf: base64url::encode(leaf),
                stream: payload.sub.parse().ok()?,
                author: payload.iss.parse().ok()?,
                kind: payload.kind.into_owned(),
                version: payload.v,
                at: payload.iat,
                data: payload.data,
                rests: Vec::new(),
            })
        };
        read().ok_or(FoldError::Form { index })
    }

    /// A field that is not a text, an integer or the like.
    pub fn field(&self, name: &'static str) -> Result<&Value, FoldError> {
        self.data.0.get(name).ok_or_else(|| self.no(name))
    }

    /// A text.
    pub fn text(&self, name: &'static str) -> Result<&str, FoldError> {
        self.field(name)?.as_str().ok_or_else(|| self.no(name))
    }

    /// A text that may be missing.
    pub fn maybe_text(&self, name: &'static str) -> Option<String> {
        self.data.0.get(name)?.as_str().map(str::to_owned)
    }

    /// A random id.
    pub fn id(&self, name: &'static str) -> Result<Uuid, FoldError> {
        random_id(self.text(name)?).map_err(|_| self.no(name))
    }

    /// A random id that may be missing.
    pub fn maybe_id(&self, name: &'static str) -> Result<Option<Uuid>, FoldError> {
        self.data.0.get(name).map(|_| self.id(name)).transpose()
    }

    /// An integer.
    pub fn integer(&self, name: &'static str) -> Result<i64, FoldError> {
        self.field(name)?.as_i64().ok_or_else(|| self.no(name))
    }

    /// An integer that may be missing.
    pub fn maybe_integer(&self, name: &'static str) -> Option<i64> {
        self.data.0.get(name)?.as_i64()
    }

    /// True or false.
    pub fn truth(&self, name: &'static str) -> Result<bool, FoldError> {
        self.field(name)?.as_bool().ok_or_else(|| self.no(name))
    }

    /// A list of texts; empty where it is missing.
    pub fn texts(&self, name: &'static str) -> Vec<String> {
        let list = self.data.0.get(name).and_then(Value::as_array);
        let texts = list.into_iter().flatten().filter_map(Value::as_str);
        texts.map(str::to_owned).collect()
    }

    /// A list of random ids; empty where it is missing.
    pub fn ids(&self, name: &'static str) -> Result<Vec<Uuid>, FoldError> {
        let id = |text: &String| random_id(text).map_err(|_| self.no(name));
        self.texts(name).iter().map(id).collect()
    }

    /// The TRE of an author that is one.
    pub fn tre(&self) -> Result<&Slug, FoldError> {
        match &self.author {
            Actor::Tre(tre, _) => Ok(tre),
            _ => Err(self.no("iss")),
        }
    }

    /// Says that a field is not as it must be.
    pub fn no(&self, name: &'static str) -> FoldError {
        FoldError::Field {
            index: self.index,
            name,
        }
    }

    /// Says that a row is not there.
    pub fn missing(&self, table: &'static str) -> FoldError {
        FoldError::Missing {
            index: self.index,
            table,
        }
    }
}

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Data;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Data, A::Error> {
                let mut data = Map::new();
                while let Some(name) = members.next_key::<Cow<'de, str>>()? {
                    if name == "_sd" {
                        members.next_value::<IgnoredAny>()?;
                    } else {
                        data.insert(name.into_owned(), members.next_value()?);
                    }
                }
                Ok(Data(data))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(payload: &str) -> String {
        format!("h.{}.s", base64url::encode(payload.as_bytes()))
    }

    #[test]
    fn entry_is_read_without_its_digests() {
        let text = event(
            r#"{"aud":"o","data":{"_sd":["a"],"n":1,"tre":"wessex"},"iat":5,"iss":"operator","jti":"j","seq":1,"sub":"federation","type":"tre-invited","v":1}"#,
        );
        let entry = Entry::read(7, &[0; 32], &text).unwrap();
        assert_eq!(
            (entry.index, entry.kind.as_str(), entry.at, entry.version),
            (7, "tre-invited", 5, 1)
        );
        assert_eq!(entry.text("tre"), Ok("wessex"));
        assert_eq!(entry.integer("n"), Ok(1));
        assert_eq!(entry.data.0.len(), 2);
        let missing = entry.text("other").unwrap_err().to_string();
        assert_eq!(missing, "entry 7 has no readable field other");
    }

    #[test]
    fn what_is_no_event_is_an_error() {
        for text in ["", "a.b", "h.!.s", &event("[]"), &event(r#"{"data":{}}"#)] {
            assert_eq!(
                Entry::read(3, &[0; 32], text),
                Err(FoldError::Form { index: 3 }),
                "{text}"
            );
        }
    }
}
