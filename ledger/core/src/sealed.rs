//! Sealed fields: values whose salted digest stands in the event while they do not (RFC 9901).
//!
//! An event holds the digests in `data._sd`, sorted, a fixed number for each event type, the rest being decoys. An
//! opening holds salt, name and value. Deleting it erases the value; the event, its signature and every proof stay.

use serde_json::Value;
use thiserror::Error;

use crate::canonical::CanonicalError;
use crate::{Hash, base64url, canonical};

/// Bytes of an opening as it travels.
pub const MAX_OPENING: usize = 16 * 1024;
/// Bytes of a salt (RFC 9901 §9.3 asks for 128 bits).
pub const SALT_BYTES: usize = 16;

/// Who may read the opening of a sealed field. Fixed by event type and field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReaderClass {
    /// Everybody, once the screen for personal data has passed.
    Public,
    /// Everybody, from a time that an embargo sets.
    PublicFrom,
    /// The project's members and the TRE concerned.
    Parties,
    /// Appointed auditors.
    Auditor,
    /// Nobody outside the issuing organisation: the opening never reaches the hub.
    IssuerOnly,
}

impl ReaderClass {
    /// Every class, widest first.
    pub const ALL: [Self; 5] = [
        Self::Public,
        Self::PublicFrom,
        Self::Parties,
        Self::Auditor,
        Self::IssuerOnly,
    ];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::PublicFrom => "public-from",
            Self::Parties => "parties",
            Self::Auditor => "auditor",
            Self::IssuerOnly => "issuer-only",
        }
    }

    /// Reads the name on the wire.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == text)
    }
}

/// An opening is not of the one form.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OpeningError {
    /// Too long.
    #[error("an opening is at most {MAX_OPENING} bytes, this one is {0}")]
    TooLong(usize),
    /// Not unpadded base64url.
    #[error("an opening is unpadded base64url")]
    Base64,
    /// Not canonical JSON.
    #[error("the opening's JSON")]
    Json(#[from] CanonicalError),
    /// Not `[salt, name, value]`.
    #[error("an opening is an array of salt, name and value (RFC 9901 §4.2.1)")]
    Shape,
    /// Too short a salt.
    #[error("the salt is not {SALT_BYTES} bytes in unpadded base64url (22 characters)")]
    Salt,
    /// Names that SD-JWT keeps for itself, as the field's own or within its value.
    #[error("the name {0:?} is reserved")]
    Name(String),
}

/// Salt, name and value of one sealed field.
#[derive(Clone, Debug, PartialEq)]
pub struct Opening {
    text: String,
    name: String,
    value: Value,
}

impl Opening {
    /// Seals a value under a fresh salt.
    pub fn new(salt: [u8; SALT_BYTES], name: &str, value: Value) -> Result<Self, OpeningError> {
        let array = Value::Array(vec![
            Value::from(base64url::encode(&salt)),
            Value::from(name),
            value,
        ]);
        canonical::check(&array, 1)?;
        Self::parse(&base64url::encode(canonical::text(&array).as_bytes()))
    }

    /// Reads the travelling form: base64url of the canonical JSON of `[salt, name, value]`.
    pub fn parse(text: &str) -> Result<Self, OpeningError> {
        if text.len() > MAX_OPENING {
            return Err(OpeningError::TooLong(text.len()));
        }
        let bytes = base64url::decode(text).ok_or(OpeningError::Base64)?;
        let Value::Array(parts) = canonical::parse(&bytes)? else {
            return Err(OpeningError::Shape);
        };
        let Ok([Value::String(salt), Value::String(name), value]) = <[Value; 3]>::try_from(parts) else {
            return Err(OpeningError::Shape);
        };
        if base64url::decode(&salt).is_none_or(|salt| salt.len() != SALT_BYTES) {
            return Err(OpeningError::Salt);
        }
        // Disclosed, the name becomes that of a member, and whatever is reserved in the value would be read as sealed.
        canonical::check_name(&name)?;
        if is_reserved(&name) {
            return Err(OpeningError::Name(name));
        }
        if let Some(within) = reserved_within(&value) {
            return Err(OpeningError::Name(within.to_owned()));
        }
        Ok(Self {
            text: text.to_owned(),
            name,
            value,
        })
    }

    /// The travelling form.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The field's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The field's value.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The digest that stands in the event.
    pub fn digest(&self) -> Hash {
        digest(&self.text)
    }
}

/// The digest of an opening in its travelling form (RFC 9901 §4.2.3): SHA-256 over the ASCII of the base64url text.
pub fn digest(opening: &str) -> Hash {
    Hash::of(opening.as_bytes())
}

/// Whether SD-JWT keeps a member's name for itself (RFC 9901 §4.1).
pub(crate) fn is_reserved(name: &str) -> bool {
    matches!(name, "_sd" | "_sd_alg" | "...")
}

/// The first reserved name of a member anywhere in a value.
pub(crate) fn reserved_within(value: &Value) -> Option<&str> {
    match value {
        Value::Array(items) => items.iter().find_map(reserved_within),
        Value::Object(members) => members.iter().find_map(|(name, value)| {
            if is_reserved(name) {
                Some(name.as_str())
            } else {
                reserved_within(value)
            }
        }),
        _ => None,
    }
}

/// The value of `data._sd`: the digests of some openings and of enough decoys, sorted.
///
/// `decoys` are random bytes, hashed so that they look like any digest (RFC 9901 §4.2.5).
pub fn digest_list(openings: &[Opening], decoys: &[[u8; 32]]) -> Value {
    let digests = openings
        .iter()
        .map(Opening::digest)
        .chain(decoys.iter().map(|random| Hash::of(random)));
    let mut list: Vec<String> = digests.map(|digest| digest.to_base64url()).collect();
    list.sort_unstable();
    Value::from(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_rfc_9901() {
        // RFC 9901 §4.2.1 and §4.2.3: the RFC's own spelling of the JSON, with spaces.
        for (opening, expected) in [
            (
                "WyJfMjZiYzRMVC1hYzZxMktJNmNCVzVlcyIsICJmYW1pbHlfbmFtZSIsICJNw7ZiaXVzIl0",
                "X9yH0Ajrdm1Oij4tWso9UzzKJvPoDxwmuEcO3XAdRC0",
            ),
            // §4.2.4.2, an array element.
            (
                "WyJsa2x4RjVqTVlsR1RQVW92TU5JdkNBIiwgIkZSIl0",
                "w0I8EKcdCtUPkGCNUrfwVp2xEgNjtoIDlOxc9-PlOhs",
            ),
        ] {
            assert_eq!(digest(opening).to_base64url(), expected);
        }
    }

    #[test]
    fn an_opening_reads_back() {
        let opening = Opening::new([7; 16], "reason", Value::from("small cell in row 3")).unwrap();
        assert_eq!(Opening::parse(opening.as_str()), Ok(opening.clone()));
        assert_eq!(opening.name(), "reason");
        assert_eq!(opening.digest(), digest(opening.as_str()));
    }

    #[test]
    fn what_rfc_8785_would_write_as_another_value_is_not_sealed() {
        let outcome = Opening::new([7; 16], "n", serde_json::json!(1.0));
        assert_eq!(outcome, Err(CanonicalError::Number("1.0".into()).into()));
    }

    #[test]
    fn equal_values_under_two_salts_do_not_show_that_they_are_equal() {
        let one = Opening::new([1; 16], "n", Value::from(1)).unwrap();
        let two = Opening::new([2; 16], "n", Value::from(1)).unwrap();
        assert_ne!(one.digest(), two.digest());
    }

    #[test]
    fn other_forms_are_refused() {
        let opening = |json: &str| Opening::parse(&base64url::encode(json.as_bytes()));
        let salt = base64url::encode(&[0; 16]);
        assert_eq!(Opening::parse("a=="), Err(OpeningError::Base64));
        assert_eq!(
            opening(&format!(r#"["{salt}", "n", 1]"#)),
            Err(CanonicalError::Spelling.into())
        );
        assert_eq!(opening(&format!(r#"["{salt}",1]"#)), Err(OpeningError::Shape));
        assert_eq!(opening(r#"["AAAA","n",1]"#), Err(OpeningError::Salt));
        assert_eq!(
            opening(&format!(r#"["{salt}","_sd",1]"#)),
            Err(OpeningError::Name("_sd".into()))
        );
        for (value, name) in [(r#"{"_sd":[]}"#, "_sd"), (r#"[{"a":{"...":"x"}}]"#, "...")] {
            assert_eq!(
                opening(&format!(r#"["{salt}","n",{value}]"#)),
                Err(OpeningError::Name(name.into()))
            );
        }
        for name in ["", "é", &"n".repeat(65)] {
            let cut = name.chars().take(64).collect();
            assert_eq!(
                opening(&format!(r#"["{salt}","{name}",1]"#)),
                Err(CanonicalError::Name(cut).into())
            );
        }
        let long = "A".repeat(MAX_OPENING + 1);
        assert_eq!(Opening::parse(&long), Err(OpeningError::TooLong(MAX_OPENING + 1)));
    }

    #[test]
    fn decoys_hide_how_many_fields_are_filled() {
        let opening = Opening::new([7; 16], "a", Value::Null).unwrap();
        let list = digest_list(std::slice::from_ref(&opening), &[[1; 32], [2; 32]]);
        let list: Vec<&str> = list
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_str)
            .collect();
        assert_eq!(list.len(), 3);
        assert!(list.is_sorted());
        assert!(list.contains(&opening.digest().to_base64url().as_str()));
    }
}
