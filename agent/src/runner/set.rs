//! A set of outputs under its commitment, as it was weighed and as people look at it.

use daybook_core::base64url;
use serde::{Deserialize, Serialize};

use super::RunnerError;
use super::outcome::Outcome;
use super::rules::{FileRules, Finding, media_type};
use crate::packet::{commitment, sha512_hex};
use crate::random;
use crate::spool::{JobFolder, SpoolError};

/// A set of outputs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputSet {
    /// Its number, from 1.
    pub set: u32,
    /// The attempt that made the files.
    pub attempt: u32,
    /// The files.
    pub files: Vec<SetFile>,
    /// The secret salt, in base64url.
    pub salt: String,
    /// The commitment that the log holds.
    pub commitment: String,
    /// The digest of the rules by which it was weighed.
    pub ruleset: String,
    /// How many people must agree.
    pub people: u32,
    /// What the rules found.
    pub findings: Vec<Finding>,
    /// When it was weighed, in seconds since 1970.
    pub at: i64,
}

/// One file of a set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetFile {
    /// Its name.
    pub path: String,
    /// Its media type.
    pub media_type: String,
    /// Its SHA-512 in hexadecimal.
    pub sha512: String,
    /// Bytes.
    pub size: u64,
}

impl OutputSet {
    /// Reads a set, if it was weighed.
    pub fn read(folder: &JobFolder, set: u32) -> Result<Option<Self>, SpoolError> {
        folder.read_json(&file(set))
    }

    /// Weighs the outputs of an attempt as a set, once: the salt is made here and never again.
    pub(super) fn weigh(
        folder: &JobFolder,
        (set, attempt): (u32, u32),
        outcome: &Outcome,
        rules: &FileRules,
    ) -> Result<Self, RunnerError> {
        if let Some(known) = Self::read(folder, set)? {
            return Ok(known);
        }
        let files = outcome.files(folder, attempt)?;
        let files = files.ok_or(RunnerError::Lost(folder.id(), "an output of the run"))?;
        let salt: [u8; 32] = random::bytes().map_err(|_| RunnerError::Random)?;
        let pairs = files
            .iter()
            .map(|file| (file.name.as_str(), file.bytes.as_slice()));
        let weighed = Self {
            set,
            attempt,
            commitment: base64url::encode(&commitment::commit_files(&salt, pairs)),
            salt: base64url::encode(&salt),
            ruleset: base64url::encode(&rules.digest()),
            people: rules.people,
            findings: rules.weigh(&files),
            files: files
                .iter()
                .map(|file| SetFile {
                    path: file.name.clone(),
                    media_type: media_type(&file.name).to_owned(),
                    sha512: sha512_hex(&file.bytes),
                    size: file.bytes.len() as u64,
                })
                .collect(),
            at: random::now(),
        };
        folder.write_json(&self::file(set), &weighed)?;
        Ok(weighed)
    }

    /// How many of the files no rule spoke of, and how many one did.
    pub fn counts(&self) -> (usize, usize) {
        let is_clean = |file: &&SetFile| {
            let of = |finding: &Finding| finding.file.as_deref() == Some(file.path.as_str());
            !self.findings.iter().any(of)
        };
        let passed = self.files.iter().filter(is_clean).count();
        (passed, self.files.len() - passed)
    }
}

fn file(set: u32) -> String {
    format!("sets/{set}/set.json")
}
