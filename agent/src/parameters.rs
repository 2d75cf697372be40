//! Whether a request's parameters are within what the TRE approved.
//!
//! An approval may name, by its SHA-256 digest, a JSON Schema that the TRE keeps in a file. The schema is held against
//! [`Checked::arguments`]: one object with a member for each parameter that the request fills.

use std::path::Path;

use daybook_core::Hash;
use jsonschema::{PatternOptions, Validator};
use serde_json::Value;
use thiserror::Error;

use crate::packet::{Checked, RefusalCode, Refused};

/// Bytes of a schema's file.
const SIZE_LIMIT: u64 = 1 << 20;
/// Problems that a refusal names.
const SHOWN: usize = 10;

/// The TRE's schema cannot be used; that is the TRE's to mend, and no reason to refuse a job.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// The folder cannot be read.
    #[error("the folder of parameter schemas cannot be read")]
    Folder(#[source] std::io::Error),
    /// No file of that digest.
    #[error(
        "no *.json file in the folder of parameter schemas has the SHA-256 digest {0}; put the approved one back"
    )]
    Absent(Hash),
    /// No JSON.
    #[error("the parameter schema {0} is not JSON")]
    NotJson(Hash, #[source] serde_json::Error),
    /// No schema, or one that refers to another file.
    #[error("the parameter schema {0} is no JSON Schema that stands alone: {1}")]
    NotSchema(Hash, String),
}

/// What an approval allows of a workflow's parameters.
#[derive(Debug)]
pub struct Schema(Validator);

impl Schema {
    /// Finds the schema of that digest among the files `*.json` of a folder.
    ///
    /// # Errors
    /// [`SchemaError`]; there is none of that digest, or it is no schema.
    pub fn find(folder: &Path, digest: &Hash) -> Result<Self, SchemaError> {
        for entry in std::fs::read_dir(folder).map_err(SchemaError::Folder)? {
            let entry = entry.map_err(SchemaError::Folder)?;
            let path = entry.path();
            let is_small = path
                .metadata()
                .is_ok_and(|file| file.is_file() && file.len() <= SIZE_LIMIT);
            if !is_small || path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let bytes = std::fs::read(&path).map_err(SchemaError::Folder)?;
            if Hash::of(&bytes) == *digest {
                return Self::parse(&bytes);
            }
        }
        Err(SchemaError::Absent(*digest))
    }

    /// Reads a schema: draft 2020-12 unless it names another one. Nothing it refers to is fetched.
    ///
    /// # Errors
    /// [`SchemaError::NotJson`] and [`SchemaError::NotSchema`].
    pub fn parse(bytes: &[u8]) -> Result<Self, SchemaError> {
        let digest = Hash::of(bytes);
        let schema: Value =
            serde_json::from_slice(bytes).map_err(|error| SchemaError::NotJson(digest, error))?;
        let options = jsonschema::options()
            .should_validate_formats(true)
            // Matches in a time that grows with the text alone, whatever the pattern.
            .with_pattern_options(PatternOptions::regex());
        let validator = options.build(&schema);
        validator
            .map(Self)
            .map_err(|error| SchemaError::NotSchema(digest, error.to_string()))
    }

    /// Holds a request's parameters against the schema.
    ///
    /// # Errors
    /// A refusal with the code `approval` that names what is not within it.
    pub fn check(&self, packet: &Checked) -> Result<(), Refused> {
        let arguments = Value::Object(packet.arguments());
        let mut errors = self.0.iter_errors(&arguments);
        let mut lines: Vec<String> = errors.by_ref().take(SHOWN).map(|error| line(&error)).collect();
        if lines.is_empty() {
            return Ok(());
        }
        let more = errors.count();
        if more > 0 {
            lines.push(format!("- and {more} more"));
        }
        let head = "The parameters are not within what this TRE approved for the project. Change them and submit again, or \
            ask the TRE for a wider approval.";
        let text = format!("{head}\n{}", lines.join("\n"));
        Err(Refused::new(RefusalCode::Approval, &text))
    }
}

fn line(error: &jsonschema::ValidationError<'_>) -> String {
    let path = error.instance_path().to_string();
    let parameter = path.trim_start_matches('/');
    let text: String = error.to_string().chars().take(300).collect();
    if parameter.is_empty() {
        return format!("- {text}");
    }
    format!("- {parameter}: {text}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_schema_is_found_by_its_digest_alone() {
        let folder = tempfile::tempdir().unwrap();
        let schema = json!({"type": "object"}).to_string();
        std::fs::write(folder.path().join("any-name.json"), &schema).unwrap();
        std::fs::write(folder.path().join("other.json"), "{}").unwrap();
        Schema::find(folder.path(), &Hash::of(schema.as_bytes())).unwrap();
        let absent = Schema::find(folder.path(), &Hash::of(b"x"));
        assert!(matches!(absent, Err(SchemaError::Absent(_))), "{absent:?}");
    }

    #[test]
    fn what_is_no_schema_or_wants_another_file_is_the_tre_s_to_mend() {
        assert!(matches!(Schema::parse(b"{"), Err(SchemaError::NotJson(..))));
        let odd = json!({"type": "whatever"}).to_string();
        assert!(matches!(
            Schema::parse(odd.as_bytes()),
            Err(SchemaError::NotSchema(..))
        ));
        for elsewhere in ["https://example.org/schema.json", "file:///etc/passwd"] {
            let schema = json!({"$ref": elsewhere}).to_string();
            assert!(
                matches!(Schema::parse(schema.as_bytes()), Err(SchemaError::NotSchema(..))),
                "{elsewhere}"
            );
        }
    }
}
