//! `cluster.lock`: who starts and stops the server of a data folder.
//!
//! The lock is `flock`'s, so that it goes with its holder however that ends. The content outlives it: an owner's
//! process id stands there from the start of its server until that has ended, so a free lock with an id in it is what a
//! killed owner leaves.

use std::fs::{File, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use super::ClusterError;

const NAME: &str = "cluster.lock";

#[derive(Debug)]
pub(super) struct OwnerLock {
    file: File,
    path: PathBuf,
    abandoned: bool,
}

impl OwnerLock {
    /// Takes the lock, or answers `None` when another holder lives.
    pub(super) fn try_take(data_dir: &Path) -> Result<Option<Self>, ClusterError> {
        let path = data_dir.join(NAME);
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(&path).map_err(ClusterError::file("open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(source)) => return Err(ClusterError::file("lock", &path)(source)),
        }
        let mut text = String::new();
        file.read_to_string(&mut text)
            .map_err(ClusterError::file("read", &path))?;
        Ok(Some(Self {
            file,
            path,
            abandoned: !text.trim().is_empty(),
        }))
    }

    /// Whether the last owner ended without having stopped its server.
    pub(super) fn was_abandoned(&self) -> bool {
        self.abandoned
    }

    pub(super) fn mark_owned(&mut self) -> Result<(), ClusterError> {
        self.rewrite(&format!("{}\n", std::process::id()))
    }

    pub(super) fn unmark(&mut self) -> Result<(), ClusterError> {
        self.rewrite("")
    }

    fn rewrite(&mut self, text: &str) -> Result<(), ClusterError> {
        self.file
            .set_len(0)
            .and_then(|()| self.file.rewind())
            .and_then(|()| self.file.write_all(text.as_bytes()))
            .map_err(ClusterError::file("write", &self.path))
    }
}

impl Drop for OwnerLock {
    /// Closing the file is not enough: a process that was just forked for something else holds a copy of it until it
    /// begins its own program, and the lock with it.
    fn drop(&mut self) {
        // Without this the lock goes a moment later; there is nobody to tell.
        drop(self.file.unlock());
    }
}

/// The process id that stands in the lock file.
pub(super) fn owner_of(data_dir: &Path) -> Option<u32> {
    std::fs::read_to_string(data_dir.join(NAME))
        .ok()?
        .trim()
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_was_given_up_is_free_although_a_copy_of_its_file_is_open() {
        let folder = tempfile::tempdir().unwrap();
        let first = OwnerLock::try_take(folder.path()).unwrap().unwrap();
        // What a forked process holds until it begins its own program.
        let copy = first.file.try_clone().unwrap();
        drop(first);
        assert!(OwnerLock::try_take(folder.path()).unwrap().is_some());
        drop(copy);
    }

    #[test]
    fn one_holder_and_a_trace_of_one_that_was_killed() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = OwnerLock::try_take(folder.path()).unwrap().unwrap();
        assert!(!first.was_abandoned());
        first.mark_owned().unwrap();
        assert!(OwnerLock::try_take(folder.path()).unwrap().is_none());
        assert_eq!(owner_of(folder.path()), Some(std::process::id()));

        drop(first);
        let mut second = OwnerLock::try_take(folder.path()).unwrap().unwrap();
        assert!(second.was_abandoned());
        second.unmark().unwrap();

        drop(second);
        assert!(
            !OwnerLock::try_take(folder.path())
                .unwrap()
                .unwrap()
                .was_abandoned()
        );
    }
}
