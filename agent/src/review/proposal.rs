//! What people have agreed on so far, as a file in the runner's spool.

use daybook_core::base64url;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Person, ReviewError};
use crate::packet::{commitment, sha512_hex};
use crate::random;
use crate::runner::{OutputSet, output};
use crate::spool::{JobFolder, SpoolError};

/// The files that may leave, in the eyes of those who have agreed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proposal {
    /// The files.
    pub files: Vec<String>,
    /// The secret salt of their commitment, in base64url.
    pub salt: String,
    /// The commitment.
    pub commitment: String,
    /// Who has agreed.
    pub agreed: Vec<Agreement>,
    /// When the last person that was needed agreed.
    #[serde(default)]
    pub decided: Option<Timestamp>,
}

/// One person's agreement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agreement {
    /// Their name, which stays here.
    pub name: String,
    /// Their tag.
    pub tag: String,
    /// When they agreed.
    pub at: Timestamp,
    /// Why what the rules found may leave all the same.
    #[serde(default)]
    pub exception: Option<String>,
}

impl Proposal {
    /// Reads what was agreed on a set, if anything was.
    pub fn read(folder: &JobFolder, set: u32) -> Result<Option<Self>, SpoolError> {
        folder.read_json(&file(set))
    }

    pub(super) fn write(&self, folder: &JobFolder, set: u32) -> Result<(), SpoolError> {
        folder.write_json(&file(set), self)
    }

    pub(super) fn forget(folder: &JobFolder, set: u32) -> Result<(), SpoolError> {
        folder.remove(&file(set))
    }

    /// A proposal for these files that nobody has agreed to yet. All files go under the set's own commitment, a part under a
    /// fresh one.
    pub(super) fn new(folder: &JobFolder, set: &OutputSet, files: Vec<String>) -> Result<Self, ReviewError> {
        let (salt, commitment) = if files.len() == set.files.len() {
            (set.salt.clone(), set.commitment.clone())
        } else {
            let salt: [u8; 32] = random::bytes().map_err(|error| ReviewError::Secret(error.to_string()))?;
            let mut contents = Vec::new();
            for name in &files {
                contents.push((name.as_str(), weighed(folder, set, name)?));
            }
            let pairs = contents.iter().map(|(name, bytes)| (*name, bytes.as_slice()));
            let commitment = commitment::commit_files(&salt, pairs);
            (base64url::encode(&salt), base64url::encode(&commitment))
        };
        Ok(Self {
            files,
            salt,
            commitment,
            agreed: Vec::new(),
            decided: None,
        })
    }

    /// Adds somebody's agreement.
    pub(super) fn agree(&mut self, person: Person, exception: Option<String>) -> Result<(), ReviewError> {
        if self.agreed.iter().any(|other| other.tag == person.tag) {
            return Err(ReviewError::Again);
        }
        self.agreed.push(Agreement {
            name: person.name,
            tag: person.tag,
            at: Timestamp::now(),
            exception,
        });
        Ok(())
    }

    /// The tags of those who have agreed, in order.
    pub(super) fn tags(&self) -> Vec<&str> {
        self.agreed.iter().map(|person| person.tag.as_str()).collect()
    }
}

fn file(set: u32) -> String {
    format!("sets/{set}/proposal.json")
}

/// A file's bytes, which must be those that were weighed.
pub(super) fn weighed(folder: &JobFolder, set: &OutputSet, name: &str) -> Result<Vec<u8>, ReviewError> {
    let known = set.files.iter().find(|file| file.path == name);
    let known = known.ok_or_else(|| ReviewError::NoFile(name.to_owned()))?;
    output(folder, set.attempt, name)?
        .filter(|bytes| sha512_hex(bytes) == known.sha512)
        .ok_or_else(|| ReviewError::Changed(name.to_owned()))
}
