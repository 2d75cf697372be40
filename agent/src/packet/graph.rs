//! A crate's JSON-LD as a table of flat entities, read the way published crates are really written.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::names;
use super::rules::{self, Finding};

/// Bytes of a metadata file.
const SIZE_LIMIT: usize = 4 << 20;
/// Entities in it.
const ENTITY_LIMIT: usize = 10_000;

/// Why a metadata file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CrateError {
    /// No metadata file in the bag.
    #[error("{}", self.first())]
    NoMetadata,
    /// Too large.
    #[error("{}", self.first())]
    Size,
    /// No JSON.
    #[error("{}", self.first())]
    NotJson(#[source] serde_json::Error),
    /// JSON, but not a flattened JSON-LD document.
    #[error("{}", self.first())]
    Shape(&'static str),
    /// Rules that the crate breaks.
    #[error("the crate breaks rules of Five Safes RO-Crate 0.4: {}", list(.0))]
    Breaches(Vec<Finding>),
}

impl CrateError {
    /// Every rule that is broken.
    pub fn findings(&self) -> Vec<Finding> {
        let (rule, detail) = match self {
            Self::NoMetadata => (&rules::CRATE_MISSING, String::new()),
            Self::Size => {
                let limits = format!("at most {SIZE_LIMIT} bytes and {ENTITY_LIMIT} entities");
                (&rules::CRATE_SIZE, limits)
            }
            Self::NotJson(error) => {
                let place = format!("line {}, column {}", error.line(), error.column());
                (&rules::CRATE_JSON, place)
            }
            Self::Shape(what) => (&rules::CRATE_SHAPE, (*what).to_owned()),
            Self::Breaches(findings) => return findings.clone(),
        };
        vec![Finding::new(rule, "ro-crate-metadata.json", detail)]
    }

    fn first(&self) -> String {
        list(&self.findings())
    }
}

fn list(findings: &[Finding]) -> String {
    let texts: Vec<String> = findings.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

pub(super) type Entity = Map<String, Value>;

/// The entities of a crate by id.
pub(super) struct Graph {
    pub(super) entities: BTreeMap<String, Entity>,
    pub(super) context: Value,
}

impl Graph {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, CrateError> {
        if bytes.len() > SIZE_LIMIT {
            return Err(CrateError::Size);
        }
        let Value::Object(mut document) = serde_json::from_slice(bytes).map_err(CrateError::NotJson)? else {
            return Err(CrateError::Shape("the file must be one object"));
        };
        let Some(Value::Array(list)) = document.remove("@graph") else {
            return Err(CrateError::Shape("`@graph` must be an array"));
        };
        let context = document
            .remove("@context")
            .ok_or(CrateError::Shape("`@context` is missing"))?;
        if list.len() > ENTITY_LIMIT {
            return Err(CrateError::Size);
        }
        let mut entities = BTreeMap::new();
        for value in list {
            let Value::Object(entity) = value else {
                return Err(CrateError::Shape("every member of `@graph` must be an object"));
            };
            let Some(id) = entity.get("@id").and_then(Value::as_str).map(ToOwned::to_owned) else {
                return Err(CrateError::Shape("every entity must have an `@id`"));
            };
            if entities.insert(id, entity).is_some() {
                return Err(CrateError::Shape("an `@id` is described twice"));
            }
        }
        Ok(Self { entities, context })
    }

    pub(super) fn get(&self, id: &str) -> Option<&Entity> {
        self.entities.get(id)
    }

    /// The entity of this id as id and name; the name is empty where the crate gives none.
    pub(super) fn named(&self, id: &str) -> super::Named {
        super::Named::new(
            id,
            self.get(id)
                .map(|entity| text(entity, "name"))
                .unwrap_or_default(),
        )
    }

    pub(super) fn has_type(&self, id: &str, wanted: &str) -> bool {
        self.get(id).is_some_and(|entity| has_type(entity, wanted))
    }
}

/// Whether the entity has a type, under `@type` or the `type` of the profile's own examples, with or without schema.org's prefix.
pub(super) fn has_type(entity: &Entity, wanted: &str) -> bool {
    types(entity).any(|name| name == wanted)
}

/// The entity's types without prefixes.
pub(super) fn types(entity: &Entity) -> impl Iterator<Item = &str> {
    ["@type", "type"]
        .into_iter()
        .filter_map(|key| entity.get(key))
        .flat_map(one_or_many)
        .filter_map(|value| {
            let name = value.as_str()?;
            Some(name.rsplit(['/', '#', ':']).next().unwrap_or(name))
        })
}

/// The ids that a property refers to: `{"@id": …}` or a plain string, alone or in an array.
pub(super) fn refs<'a>(entity: &'a Entity, key: &str) -> Vec<&'a str> {
    let id = |value: &'a Value| {
        value
            .as_str()
            .or_else(|| value.get("@id").and_then(Value::as_str))
    };
    entity
        .get(key)
        .map(|value| one_or_many(value).filter_map(id).collect())
        .unwrap_or_default()
}

/// A property's one reference; nothing if there is none or more than one.
pub(super) fn only_ref<'a>(entity: &'a Entity, key: &str) -> Option<&'a str> {
    match refs(entity, key).as_slice() {
        [one] => Some(one),
        _ => None,
    }
}

/// A property's text; numbers and booleans as JSON writes them, and empty where there is none.
pub(super) fn text(entity: &Entity, key: &str) -> String {
    match entity.get(key) {
        Some(Value::String(text)) => text.clone(),
        Some(value @ (Value::Number(_) | Value::Bool(_))) => value.to_string(),
        _ => String::new(),
    }
}

fn one_or_many(value: &Value) -> impl Iterator<Item = &Value> {
    match value {
        Value::Array(list) => list.as_slice(),
        one => std::slice::from_ref(one),
    }
    .iter()
}

/// Where a data entity's id points.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// An absolute URI.
    Uri,
    /// A fragment or blank node of this crate.
    Local,
    /// The crate itself.
    Root,
    /// A file of the crate's root folder, by its path.
    File(String),
    /// A folder of it, by its path with the closing `/`.
    Folder(String),
    /// A path that leaves the crate or is otherwise not allowed.
    Forbidden,
}

/// Classifies an id; paths are percent-decoded, as RO-Crate 1.2 writes them as URI references.
pub(super) fn target(id: &str) -> Target {
    if id.starts_with('#') || id.starts_with("_:") {
        return Target::Local;
    }
    let scheme = id.split_once(':').map(|(scheme, _)| scheme).unwrap_or_default();
    if scheme.len() > 1
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    {
        // A file URI names the machine that opens the crate, never a part of it.
        return if scheme.eq_ignore_ascii_case("file") {
            Target::Forbidden
        } else {
            Target::Uri
        };
    }
    if id == "./" {
        return Target::Root;
    }
    let Some(path) = percent_decode(id.strip_prefix("./").unwrap_or(id)) else {
        return Target::Forbidden;
    };
    match path.strip_suffix('/') {
        Some(folder) if names::check(folder).is_ok() => Target::Folder(path),
        None if names::check(&path).is_ok() => Target::File(path),
        _ => Target::Forbidden,
    }
}

fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        if first != b'%' {
            bytes.push(first);
            continue;
        }
        let digits = std::str::from_utf8(tail.get(..2)?)
            .ok()
            .filter(|hex| !hex.starts_with('+'))?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = tail.get(2..)?;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("https://orcid.org/x", Target::Uri)]
    #[case("urn:uuid:7", Target::Uri)]
    #[case("#a", Target::Local)]
    #[case("./", Target::Root)]
    #[case("", Target::Forbidden)]
    #[case("_:localid:tre72:project81", Target::Local)]
    #[case("a%20b.csv", Target::File("a b.csv".to_owned()))]
    #[case("./workflow/289/", Target::Folder("workflow/289/".to_owned()))]
    #[case("../fetch.txt", Target::Forbidden)]
    #[case("a/%2e%2e/b", Target::Forbidden)]
    #[case("/etc/passwd", Target::Forbidden)]
    #[case("file:///etc/passwd", Target::Forbidden)]
    #[case("C:/x", Target::Forbidden)]
    #[case("a%2", Target::Forbidden)]
    #[case("a%+1", Target::Forbidden)]
    fn ids_are_told_apart(#[case] id: &str, #[case] expected: Target) {
        assert_eq!(target(id), expected);
    }

    #[test]
    fn types_are_read_under_every_spelling() {
        for spelled in [
            r#"{"@type":"AssessAction"}"#,
            r#"{"type":"AssessAction"}"#,
            r#"{"@type":["Thing","http://schema.org/AssessAction"]}"#,
            r#"{"@type":"schema:AssessAction"}"#,
        ] {
            let entity: Entity = serde_json::from_str(spelled).unwrap();
            assert!(has_type(&entity, "AssessAction"), "{spelled}");
        }
    }

    #[test]
    fn a_document_of_another_shape_is_refused_in_words() {
        for bad in [
            "[]",
            "{}",
            r#"{"@graph":{}}"#,
            r#"{"@context":"x","@graph":[1]}"#,
            r#"{"@context":"x","@graph":[{}]}"#,
        ] {
            assert!(
                matches!(Graph::parse(bad.as_bytes()), Err(CrateError::Shape(_))),
                "{bad}"
            );
        }
        let twice = r#"{"@context":"x","@graph":[{"@id":"a"},{"@id":"a"}]}"#;
        assert!(matches!(
            Graph::parse(twice.as_bytes()),
            Err(CrateError::Shape(_))
        ));
        assert!(matches!(Graph::parse(b"{"), Err(CrateError::NotJson(_))));
    }
}
