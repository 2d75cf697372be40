//! An event before it is signed.

use daybook_core::id::{Actor, Stream};
use daybook_core::sealed::{Opening, SALT_BYTES};
use daybook_rules::{SealedKind, Table};
use serde_json::{Map, Value, json};

use crate::{bytes, digest};

/// Author, stream, type and fields of an event to be signed.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// The author.
    pub actor: Actor,
    /// The stream.
    pub stream: Stream,
    /// The event's type.
    pub kind: String,
    /// Clear fields.
    pub data: Map<String, Value>,
    /// Sealed fields by name.
    pub sealed: Vec<(String, Value)>,
}

impl Draft {
    /// A draft with these clear fields; `data` must be an object.
    pub fn new(actor: &Actor, stream: &Stream, kind: &str, data: Value) -> Self {
        let Value::Object(data) = data else {
            panic!("the data of {kind} is an object")
        };
        Self {
            actor: actor.clone(),
            stream: stream.clone(),
            kind: kind.to_owned(),
            data,
            sealed: Vec::new(),
        }
    }

    /// With another author.
    #[must_use]
    pub fn by(mut self, actor: &Actor) -> Self {
        self.actor = actor.clone();
        self
    }

    /// In another stream.
    #[must_use]
    pub fn on(mut self, stream: &Stream) -> Self {
        self.stream = stream.clone();
        self
    }

    /// With a clear field.
    #[must_use]
    pub fn with(mut self, field: &str, value: Value) -> Self {
        self.data.insert(field.to_owned(), value);
        self
    }

    /// Without a clear field.
    #[must_use]
    pub fn without(mut self, field: &str) -> Self {
        self.data.remove(field);
        self
    }

    /// With a sealed field.
    #[must_use]
    pub fn seal(mut self, name: &str, value: Value) -> Self {
        self.sealed.push((name.to_owned(), value));
        self
    }

    /// The openings, those of required fields that were not named included.
    pub(crate) fn openings(&self, table: &Table, turn: u64) -> Vec<Opening> {
        let mut values = self.sealed.clone();
        if let Some(rule) = table.rule(&self.kind) {
            for (name, field) in &rule.sealed {
                if field.required && !values.iter().any(|(known, _)| known == name) {
                    values.push((
                        name.clone(),
                        sample(&field.kind, &format!("{} of {}", name, self.kind)),
                    ));
                }
            }
        }
        let seal = |(n, (name, value)): (usize, &(String, Value))| {
            let mut salt = [0; SALT_BYTES];
            salt.copy_from_slice(&bytes(&format!("salt {turn} {n}"))[..SALT_BYTES]);
            Opening::new(salt, name, value.clone()).expect("a value that can be sealed")
        };
        values.iter().enumerate().map(seal).collect()
    }
}

/// A value of that kind that says where it stands.
pub fn sample(kind: &SealedKind, text: &str) -> Value {
    match kind {
        SealedKind::Text(most) => text.chars().take(*most).collect::<String>().into(),
        SealedKind::Texts(_, most) => json!([text.chars().take(*most).collect::<String>()]),
        SealedKind::Date => "2026-11-22".into(),
        SealedKind::Url(_) => format!("https://example.org/{}", text.replace(' ', "-")).into(),
        SealedKind::Code(_, codes) => codes.iter().next().cloned().unwrap_or_default().into(),
        SealedKind::Int(from, _) => (*from).into(),
        SealedKind::Digest => digest(text).into(),
    }
}
