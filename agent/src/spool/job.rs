//! One job's folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use daybook_core::event::Event;
use daybook_core::sealed::Opening;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{SpoolError, make_folder, write, write_whole};

/// A signed event with its openings, as it lies in a spool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedFile {
    /// The event's bytes.
    pub event: String,
    /// The openings that travel with it.
    #[serde(default)]
    pub openings: Vec<String>,
    /// The openings for the issuer alone, which stay where they were made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<String>,
}

impl SignedFile {
    /// What was signed.
    pub fn new(event: &Event, openings: &[Opening], kept: &[Opening]) -> Self {
        let texts = |list: &[Opening]| list.iter().map(|opening| opening.as_str().to_owned()).collect();
        Self {
            event: event.as_str().to_owned(),
            openings: texts(openings),
            kept: texts(kept),
        }
    }
}

/// The folder of one job. Each step of it is a file.
#[derive(Clone, Debug)]
pub struct JobFolder {
    path: PathBuf,
    id: Uuid,
}

impl JobFolder {
    pub(super) fn new(path: PathBuf, id: Uuid) -> Self {
        Self { path, id }
    }

    /// A job's folder in a spool that another process works in. Whoever takes it so adds files of its own and changes no other.
    pub fn beside(spool: &Path, id: Uuid) -> Self {
        Self::new(spool.join("jobs").join(id.to_string()), id)
    }

    /// The job.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file or folder in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Whether a step was done.
    pub fn has(&self, name: &str) -> bool {
        self.file(name).exists()
    }

    /// Makes the folder, or one in it, and answers with its path.
    pub fn make(&self, name: &str) -> Result<PathBuf, SpoolError> {
        let path = self.file(name);
        make_folder(&path)?;
        Ok(path)
    }

    /// Writes a file whole, with the folders above it.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), SpoolError> {
        let path = self.file(name);
        if let Some(parent) = path.parent() {
            make_folder(parent)?;
        }
        write_whole(&path, bytes)
    }

    /// Writes a file as JSON.
    pub fn write_json<T: Serialize>(&self, name: &str, value: &T) -> Result<(), SpoolError> {
        let text = serde_json::to_vec_pretty(value);
        let text = text.map_err(|error| SpoolError::Content(self.file(name), error))?;
        self.write(name, &text)
    }

    /// Reads a file; nothing where there is none.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>, SpoolError> {
        let path = self.file(name);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(SpoolError::Io(path, error)),
        }
    }

    /// Reads a file as JSON; nothing where there is none.
    pub fn read_json<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, SpoolError> {
        let Some(bytes) = self.read(name)? else {
            return Ok(None);
        };
        let value = serde_json::from_slice(&bytes);
        value
            .map(Some)
            .map_err(|error| SpoolError::Content(self.file(name), error))
    }

    /// Removes a file, if it is there.
    pub fn remove(&self, name: &str) -> Result<(), SpoolError> {
        let path = self.file(name);
        match fs::remove_file(&path) {
            Ok(()) => write::sync_parent(&path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(SpoolError::Io(path, error)),
        }
    }

    /// Removes a folder with all that is in it, if it is there.
    pub fn remove_folder(&self, name: &str) -> Result<(), SpoolError> {
        let path = self.file(name);
        match fs::remove_dir_all(&path) {
            Ok(()) => write::sync_parent(&path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(SpoolError::Io(path, error)),
        }
    }

    /// The names of the files in a folder of the job's, in the order of the alphabet.
    pub fn names(&self, name: &str) -> Result<Vec<String>, SpoolError> {
        super::names(&self.file(name))
    }
}
