//! Columns as bytes: what was damaged need not be text any more, and is a finding rather than an error.

use std::borrow::Cow;
use std::error::Error;

use daybook_core::{Hash, base64url};
use tokio_postgres::types::{FromSql, Type};

/// The bytes of a text, JSON or byte column.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Raw(pub(super) Vec<u8>);

impl<'a> FromSql<'a> for Raw {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(raw.to_vec()))
    }

    fn accepts(kind: &Type) -> bool {
        [Type::TEXT, Type::VARCHAR, Type::JSON, Type::BYTEA].contains(kind)
    }
}

impl Raw {
    pub(super) fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }

    pub(super) fn is(&self, text: &str) -> bool {
        self.0 == text.as_bytes()
    }

    pub(super) fn is_hash(&self, hash: &Hash) -> bool {
        self.0 == hash.as_ref()
    }

    /// As base64url, whatever its length.
    pub(super) fn encoded(&self) -> String {
        base64url::encode(&self.0)
    }
}
