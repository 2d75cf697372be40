//! The state folder: what the entries say, kept between runs.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use daybook_store::audit::scratch::{Scratch, Table};
use daybook_store::audit::states::States;
use rustix::fs::{FlockOperation, flock};
use thiserror::Error;

use crate::kept::{Kept, VERSION};
use crate::roots::Roots;

const META: &[u8] = b"audit";

/// The state folder cannot be used.
#[derive(Debug, Error)]
pub enum StateError {
    /// A folder or file.
    #[error("{path}")]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Somebody else audits with it.
    #[error("another audit uses the folder {0}")]
    InUse(PathBuf),
    /// Of another log.
    #[error("the folder {path} holds the audit of the log {found}, not of {wanted}; choose another")]
    OtherLog {
        /// The folder.
        path: PathBuf,
        /// Its log.
        found: String,
        /// The log that is to be audited.
        wanted: String,
    },
    /// Of another version, or broken.
    #[error("the folder {0} cannot be read by this version; choose another, and the audit begins anew")]
    Unreadable(PathBuf),
    /// The tables.
    #[error(transparent)]
    Tables(#[from] daybook_store::audit::AuditError),
}

/// The folder, open and locked.
pub(crate) struct State {
    pub(crate) folder: PathBuf,
    pub(crate) states: States,
    pub(crate) roots: Roots,
    pub(crate) kept: Kept,
    _lock: File,
}

impl State {
    /// Takes up a folder, or makes it.
    pub(crate) fn open(folder: &Path, origin: &str) -> Result<Self, StateError> {
        let io = |source| StateError::Io {
            path: folder.to_owned(),
            source,
        };
        fs::create_dir_all(folder).map_err(io)?;
        let lock = File::open(folder).map_err(io)?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(StateError::InUse(folder.to_owned())),
            Err(error) => return Err(io(error.into())),
        }
        let scratch = Scratch::open(&folder.join("streams.redb"))?;
        let kept = match scratch.get(Table::Meta, META)? {
            None => Kept {
                version: VERSION,
                origin: origin.to_owned(),
                ..Kept::default()
            },
            Some(value) => serde_json::from_slice::<Kept>(&value)
                .ok()
                .filter(|kept| kept.version == VERSION)
                .ok_or_else(|| StateError::Unreadable(folder.to_owned()))?,
        };
        if kept.origin != origin {
            return Err(StateError::OtherLog {
                path: folder.to_owned(),
                found: kept.origin,
                wanted: origin.to_owned(),
            });
        }
        let path = folder.join("roots");
        let roots = Roots::open(&path, kept.next).map_err(|source| StateError::Io { path, source })?;
        Ok(Self {
            folder: folder.to_owned(),
            states: States::new(scratch),
            roots,
            kept,
            _lock: lock,
        })
    }

    /// Keeps for good how far the audit has come.
    pub(crate) fn commit(&mut self) -> Result<(), StateError> {
        // Before the tables, which say how many roots there must be.
        self.roots.sync().map_err(|source| StateError::Io {
            path: self.folder.join("roots"),
            source,
        })?;
        self.states.put_away()?;
        let kept = serde_json::to_vec(&self.kept).map_err(|_| StateError::Unreadable(self.folder.clone()))?;
        self.states.scratch.put(Table::Meta, META, &kept)?;
        self.states.scratch.commit()?;
        Ok(())
    }

    /// Keeps two notes that contradict each other where a person finds them.
    pub(crate) fn keep_evidence(&self, name: &str, notes: &[&str]) -> Result<PathBuf, StateError> {
        let path = self.folder.join(name);
        let text = notes.join("\n----\n\n");
        match fs::write(&path, text) {
            Ok(()) => Ok(path),
            Err(source) => Err(StateError::Io { path, source }),
        }
    }
}
