//! The guard: the largest checkpoint that this hub ever released, kept outside the database.
//!
//! An older copy of the database knows nothing of what was published since. Signing on from it would fork the log. So
//! size and root go into this file, with fsync, before any checkpoint leaves, and a hub whose database does not continue
//! them does not start. The file belongs outside the data folder and outside its backups.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use daybook_core::Hash;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::log::TreeHead;

/// What the guard file says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    /// The log.
    pub origin: String,
    /// Size of the largest checkpoint that was released.
    pub size: u64,
    /// Its root, base64url.
    pub root: String,
    /// PostgreSQL's own identity of the database server's files.
    pub system_identifier: String,
    /// PostgreSQL's timeline: a restore or a promoted standby begins another.
    pub timeline: i32,
}

/// The guard refuses, or cannot be kept.
#[derive(Debug, Error)]
pub enum GuardError {
    /// No file, though something was published.
    #[error(
        "no guard file at {path}, but the log has published {size} entries. If this database is the true and newest one, start once with --trust-database; otherwise bring the guard file back"
    )]
    Missing {
        /// Where it should be.
        path: PathBuf,
        /// Size of the last checkpoint in the database.
        size: u64,
    },
    /// The file is of another log.
    #[error(
        "the guard file {path} belongs to the log {found:?}, not to {expected:?}; choose another `guard_path`"
    )]
    OtherLog {
        /// The file.
        path: PathBuf,
        /// What it says.
        found: String,
        /// This log.
        expected: String,
    },
    /// The database is behind what was released.
    #[error(
        "the database holds {found} entries, but a checkpoint over {released} was released: this is an older copy. Nothing is written. Restore a newer copy of the database; what was acknowledged since is in the authors' outboxes and can be sent again only to the true log"
    )]
    Older {
        /// Entries in the database.
        found: u64,
        /// Entries in the released checkpoint.
        released: u64,
    },
    /// The database is behind what somebody else holds under this log's own key.
    #[error(
        "the database holds {found} entries, but a witness holds a checkpoint over {released} under this log's own key: this is an older copy. Nothing is written. Restore a newer copy of the database, or build it anew from a copy of the log"
    )]
    OlderThanWitness {
        /// Entries in the database.
        found: u64,
        /// Entries in the checkpoint.
        released: u64,
    },
    /// The database holds another log from some point on.
    #[error(
        "the first {0} entries of the database do not give the root that was released for them: this is not a continuation of the published log. Nothing is written. Restore the true database"
    )]
    Fork(u64),
    /// Another server, or the same one after a restore or a promotion.
    #[error(
        "the database server is another one than before ({before}, now {now}). If a person knows why (a standby was promoted, the database was moved) and the log is whole, start once with --trust-database"
    )]
    OtherServer {
        /// As recorded.
        before: String,
        /// As found.
        now: String,
    },
    /// The file cannot be read.
    #[error(
        "the guard file {0} cannot be understood; bring a good one back, or move it away and start once with --trust-database"
    )]
    Unreadable(PathBuf),
    /// The file cannot be read or written.
    #[error("the guard file {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl GuardError {
    /// Whether the file could not be read or written, which may pass. Everything else is a contradiction or a doubt.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Io { .. })
    }
}

/// The guard file of one hub.
#[derive(Clone, Debug)]
pub struct Guard {
    path: PathBuf,
    mark: Option<Mark>,
}

impl Guard {
    /// Reads the file, which need not be there yet.
    pub fn open(path: &Path) -> Result<Self, GuardError> {
        let io = |source| GuardError::Io {
            path: path.to_owned(),
            source,
        };
        let mark = match fs::read(path) {
            Ok(bytes) => {
                let mark: Option<Mark> = serde_json::from_slice(&bytes).ok();
                let mark = mark.filter(|mark| Hash::from_base64url(&mark.root).is_some());
                Some(mark.ok_or_else(|| GuardError::Unreadable(path.to_owned()))?)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(io(error)),
        };
        Ok(Self {
            path: path.to_owned(),
            mark,
        })
    }

    /// What the file says.
    pub fn mark(&self) -> Option<&Mark> {
        self.mark.as_ref()
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Size and root of the largest checkpoint that was released.
    pub fn released(&self) -> Option<TreeHead> {
        let mark = self.mark.as_ref()?;
        Some(TreeHead {
            size: mark.size,
            root: Hash::from_base64url(&mark.root)?,
        })
    }

    /// Whether the mark could be raised now: makes the folder, writes a file beside the guard with fsync, and removes it.
    pub fn probe(&self) -> Result<(), GuardError> {
        let probe = self.path.with_extension("probe");
        let written = self.lock_folder().and_then(|_folder| {
            let mut file = File::create(&probe)?;
            file.write_all(b"may be removed")?;
            file.sync_all()?;
            fs::remove_file(&probe)
        });
        written.map_err(|source| GuardError::Io {
            path: self.path.clone(),
            source,
        })
    }

    /// Raises the mark, durably. Done before a checkpoint leaves, never after. A smaller one changes nothing, and another
    /// root for the same size is refused.
    pub fn raise(&mut self, mark: Mark) -> Result<(), GuardError> {
        if self.holds(&mark)? {
            return Ok(());
        }
        let io = |source| GuardError::Io {
            path: self.path.clone(),
            source,
        };
        let folder = self.lock_folder().map_err(io)?;
        // A hub that is being replaced may still be writing to the same file.
        let on_disk = Self::open(&self.path)?;
        if on_disk.holds(&mark)? {
            self.mark = on_disk.mark;
            return Ok(());
        }
        self.write(&mark, &folder).map_err(io)?;
        self.mark = Some(mark);
        Ok(())
    }

    /// Whether the mark stands as high already.
    fn holds(&self, mark: &Mark) -> Result<bool, GuardError> {
        match &self.mark {
            Some(old) if old.size == mark.size && old.root != mark.root => Err(GuardError::Fork(mark.size)),
            Some(old) => Ok(old.size > mark.size || old == mark),
            None => Ok(false),
        }
    }

    /// The guard's folder, locked until it is dropped.
    fn lock_folder(&self) -> io::Result<File> {
        let folder = self
            .path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let folder = File::open(folder)?;
        flock(&folder, FlockOperation::LockExclusive)?;
        Ok(folder)
    }

    fn write(&self, mark: &Mark, folder: &File) -> io::Result<()> {
        let new = self.path.with_extension("new");
        let mut file = File::create(&new)?;
        file.write_all(serde_json::to_string(mark)?.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        folder.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(size: u64) -> Mark {
        let root = Hash::of(&size.to_be_bytes()).to_base64url();
        Mark {
            origin: "log.example".into(),
            size,
            root,
            system_identifier: "7".into(),
            timeline: 1,
        }
    }

    #[test]
    fn the_mark_only_rises_and_survives() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("below/guard.json");
        let mut guard = Guard::open(&path).unwrap();
        assert_eq!(guard.mark(), None);
        guard.raise(mark(5)).unwrap();
        guard.raise(mark(3)).unwrap();
        assert_eq!(Guard::open(&path).unwrap().mark(), Some(&mark(5)));
        guard.raise(mark(9)).unwrap();
        assert_eq!(Guard::open(&path).unwrap().released().unwrap().size, 9);
    }

    #[test]
    fn another_root_for_the_same_size_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("guard.json");
        let mut guard = Guard::open(&path).unwrap();
        guard.raise(mark(5)).unwrap();
        let other = Mark {
            root: mark(6).root,
            ..mark(5)
        };
        assert!(matches!(guard.raise(other), Err(GuardError::Fork(5))));
        assert_eq!(Guard::open(&path).unwrap().mark(), Some(&mark(5)));
    }

    #[test]
    fn two_that_share_a_file_never_lower_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("guard.json");
        let mut guards = [Guard::open(&path).unwrap(), Guard::open(&path).unwrap()];
        guards[0].raise(mark(9)).unwrap();
        guards[1].raise(mark(5)).unwrap();
        assert_eq!(Guard::open(&path).unwrap().mark(), Some(&mark(9)));
        assert_eq!(guards[1].mark(), Some(&mark(9)));
    }

    #[test]
    fn a_full_disk_is_an_error_that_passes_and_leaves_the_old_mark() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("guard.json");
        let mut guard = Guard::open(&path).unwrap();
        guard.raise(mark(5)).unwrap();
        guard.probe().unwrap();
        // Whatever is written to that device meets a full disk.
        for name in ["guard.new", "guard.probe"] {
            std::os::unix::fs::symlink("/dev/full", folder.path().join(name)).unwrap();
        }
        let is_full = |error: &GuardError| matches!(error, GuardError::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull);
        let errors = [guard.probe().unwrap_err(), guard.raise(mark(9)).unwrap_err()];
        for error in errors {
            assert!(is_full(&error) && error.is_passing(), "{error:?}");
        }
        assert_eq!(Guard::open(&path).unwrap().mark(), Some(&mark(5)));
        assert_eq!(guard.mark(), Some(&mark(5)));
        fs::remove_file(folder.path().join("guard.new")).unwrap();
        guard.raise(mark(9)).unwrap();
        assert_eq!(Guard::open(&path).unwrap().mark(), Some(&mark(9)));
    }

    #[test]
    fn a_damaged_file_is_an_error_and_not_a_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("guard.json");
        fs::write(&path, "{").unwrap();
        assert!(matches!(Guard::open(&path), Err(GuardError::Unreadable(_))));
    }
}
