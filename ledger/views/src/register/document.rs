//! The document whose salted digest a version carries: what the public reads, as data.
//!
//! It is a function of public entries and published openings, so that anybody can make it again: for each entry on which
//! the version rests, in that order, its leaf hash, its type, and its public fields as far as they were published by then.

use std::collections::BTreeMap;

use daybook_core::{Hash, canonical};
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// The form of the document; another form gets another name.
pub(super) const FORM: &str = "daybook-register-entry/1";

/// What is shown of an entry on which a version rests.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// Its leaf hash, base64url.
    pub leaf: String,
    /// Its type.
    pub kind: String,
    /// Its published fields.
    pub fields: BTreeMap<String, Value>,
}

/// The document of a version.
pub fn document(project: Uuid, version: i64, cause: &str, shown: &[Shown]) -> Value {
    let entries = shown.iter().map(|one| {
        let fields: Map<String, Value> = one.fields.clone().into_iter().collect();
        json!({ "fields": fields, "leaf": one.leaf, "type": one.kind })
    });
    json!({
        "cause": cause,
        "entries": entries.collect::<Vec<_>>(),
        "form": FORM,
        "project": project,
        "version": version,
    })
}

/// The digest of its canonical JSON, base64url: the value of the sealed field `page`.
pub fn digest(document: &Value) -> String {
    Hash::of(canonical::text(document).as_bytes()).to_base64url()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_text_another_order_or_another_version_is_another_digest() {
        let shown = |text: &str| Shown {
            leaf: "a".to_owned(),
            kind: "project-registered".to_owned(),
            fields: BTreeMap::from([("title".to_owned(), text.into())]),
        };
        let of = |version, shown: &[Shown]| digest(&document(Uuid::nil(), version, "c", shown));
        let usual = of(1, &[shown("x"), shown("y")]);
        assert_eq!(usual, of(1, &[shown("x"), shown("y")]));
        assert_ne!(usual, of(1, &[shown("y"), shown("x")]));
        assert_ne!(usual, of(2, &[shown("x"), shown("y")]));
        assert_ne!(usual, of(1, &[shown("x"), shown("z")]));
    }
}
