//! Words for schemas (JSON Schema 2020-12).

use serde_json::{Map, Value, json};

/// A schema with its name.
pub(super) type Named = (&'static str, Value);

/// An object that always has all of these members.
pub(super) fn object(members: &[Named]) -> Value {
    let properties: Map<String, Value> = members
        .iter()
        .map(|(name, schema)| ((*name).to_owned(), schema.clone()))
        .collect();
    let required: Vec<&str> = members.iter().map(|(name, _)| *name).collect();
    json!({ "type": "object", "properties": properties, "required": required })
}

/// An object that always has the first members, and sometimes the others.
pub(super) fn object_with(members: &[Named], optional: &[Named]) -> Value {
    let mut schema = object(members);
    for (name, optional) in optional {
        schema["properties"][*name] = optional.clone();
    }
    schema
}

/// One of the schemas that have names.
pub(super) fn named(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

pub(super) fn list_of(schema: &Value) -> Value {
    json!({ "type": "array", "items": schema })
}

pub(super) fn or_null(schema: &Value) -> Value {
    json!({ "anyOf": [schema, { "type": "null" }] })
}

/// The same schema with a sentence.
pub(super) fn about(mut schema: Value, text: &str) -> Value {
    schema["description"] = text.into();
    schema
}

pub(super) fn text() -> Value {
    json!({ "type": "string" })
}

pub(super) fn bytes(kind: &str) -> Value {
    json!({ "type": "string", "contentMediaType": kind })
}

pub(super) fn flag() -> Value {
    json!({ "type": "boolean" })
}

/// A count, an index, a tree size.
pub(super) fn number() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

pub(super) fn one_of<T: Into<Value> + Clone>(values: &[T]) -> Value {
    let values: Vec<Value> = values.iter().cloned().map(Into::into).collect();
    json!({ "type": "string", "enum": values })
}

/// The states of a kind of stream.
pub(super) fn state_of(stream: &str) -> Value {
    one_of(daybook_rules::Table::v1().states(stream))
}

/// A random UUID, version 4, lower case.
pub(super) fn id() -> Value {
    json!({
        "type": "string", "format": "uuid",
        "pattern": "^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$",
    })
}

/// A registered id.
pub(super) fn slug() -> Value {
    json!({ "type": "string", "pattern": "^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$" })
}

/// SHA-256 in unpadded base64url.
pub(super) fn hash() -> Value {
    json!({ "type": "string", "pattern": "^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$" })
}

/// RFC 3339 in UTC.
pub(super) fn time() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

/// Where a list goes on; null on its last page.
pub(super) fn next() -> Value {
    about(
        or_null(&text()),
        "The `cursor` of the next page; null on the last one.",
    )
}
