//! The record on disk: for each log one file, the last note.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use daybook_core::Hash;
use daybook_core::checkpoint::Checkpoint;
use daybook_core::cosignature::{WitnessKey, cosigned};
use daybook_core::note::{Note, VerifierKey};
use rustix::fs::{FlockOperation, flock};

use super::{Beginning, WitnessError};

/// The file's name for a log: the SHA-256 of its origin in hexadecimal, as in the monitoring address.
pub(super) fn name_of(origin: &str) -> String {
    let digest = Hash::of(origin.as_bytes());
    digest
        .0
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<Vec<_>>()
        .concat()
}

/// The folder with the records, held against other processes for as long as any record lives.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// Locked, and what is synced after a file was renamed.
    handle: Arc<File>,
}

impl Folder {
    pub(super) fn lock(folder: &Path) -> Result<Self, WitnessError> {
        let path = folder.to_owned();
        let io = |source| WitnessError::Io {
            path: path.clone(),
            source,
        };
        let handle = File::open(folder).map_err(io)?;
        match flock(&handle, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(WitnessError::InUse(path)),
            Err(error) => return Err(io(error.into())),
        }
        Ok(Self {
            path,
            handle: Arc::new(handle),
        })
    }
}

/// What was cosigned last of one log.
#[derive(Debug)]
pub(super) struct Record {
    folder: Folder,
    path: PathBuf,
    last: Option<(Note, Checkpoint)>,
}

impl Record {
    /// Reads the record of a log, or begins it as a person has said.
    pub(super) fn open(
        folder: &Folder,
        origin: &str,
        keys: &[VerifierKey],
        beginning: Option<&Beginning>,
    ) -> Result<Self, WitnessError> {
        let path = folder.path.join(format!("{}.checkpoint", name_of(origin)));
        let mut record = Self {
            folder: folder.clone(),
            path,
            last: None,
        };
        let text = match fs::read(&record.path) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(source) => return Err(record.io(source)),
        };
        match (text, beginning) {
            (Some(_), Some(_)) => Err(WitnessError::RecordThere {
                origin: origin.to_owned(),
            }),
            (None, None) => Err(WitnessError::NoRecord {
                origin: origin.to_owned(),
            }),
            (Some(text), None) => {
                record.last = record.read(&text, origin, keys)?;
                Ok(record)
            }
            (None, Some(Beginning::Never)) => {
                record.write(b"")?;
                Ok(record)
            }
            (None, Some(Beginning::With(note))) => {
                let checkpoint =
                    Checkpoint::open_by_any(note, keys, origin).map_err(WitnessError::Beginning)?;
                record.replace(note.clone(), checkpoint)?;
                Ok(record)
            }
        }
    }

    fn read(
        &self,
        text: &[u8],
        origin: &str,
        keys: &[VerifierKey],
    ) -> Result<Option<(Note, Checkpoint)>, WitnessError> {
        // Begun, and nothing cosigned yet.
        if text.is_empty() {
            return Ok(None);
        }
        let damaged = || WitnessError::Damaged {
            path: self.path.clone(),
        };
        let note = Note::parse(text).map_err(|_| damaged())?;
        let checkpoint = Checkpoint::open_by_any(&note, keys, origin).map_err(|_| damaged())?;
        Ok(Some((note, checkpoint)))
    }

    pub(super) fn checkpoint(&self) -> Option<&Checkpoint> {
        self.last.as_ref().map(|(_, checkpoint)| checkpoint)
    }

    /// The note, if this witness has cosigned it: one that it only began with is another's.
    pub(super) fn cosigned(&self, key: &WitnessKey) -> Option<&Note> {
        let (note, _) = self.last.as_ref()?;
        let by_us = cosigned(note, std::slice::from_ref(key));
        by_us.is_ok_and(|found| !found.is_empty()).then_some(note)
    }

    /// Writes the new record for good; only then does it count.
    pub(super) fn replace(&mut self, note: Note, checkpoint: Checkpoint) -> Result<(), WitnessError> {
        self.write(note.to_string().as_bytes())?;
        self.last = Some((note, checkpoint));
        Ok(())
    }

    fn write(&self, bytes: &[u8]) -> Result<(), WitnessError> {
        let new = self.path.with_extension("new");
        let written = || {
            let mut file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&new)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&new, &self.path)?;
            self.folder.handle.sync_all()
        };
        written().map_err(|source| self.io(source))
    }

    fn io(&self, source: io::Error) -> WitnessError {
        WitnessError::Io {
            path: self.path.clone(),
            source,
        }
    }
}
