//! A service's memory on disk: every step is a file first, and only then an event.
//!
//! A file comes whole or not at all: it is written beside, flushed, renamed, and the folder is flushed. So whoever was
//! killed at any moment reads the folder again and goes on after the last step that has a file. A lock keeps a second
//! process out.

mod job;
mod write;

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use daybook_core::id::random_id;
use thiserror::Error;
use uuid::Uuid;

pub use self::job::{JobFolder, SignedFile};
pub use self::write::write_whole;

/// The spool cannot be used.
#[derive(Debug, Error)]
pub enum SpoolError {
    /// Another process has it.
    #[error("another process works in {}; two would do every step twice. End it first", .0.display())]
    Locked(PathBuf),
    /// There is no room.
    #[error("the disk of {} is full; make room, and the work goes on by itself", .0.display())]
    Full(PathBuf),
    /// Reading or writing failed.
    #[error("cannot use {}", .0.display())]
    Io(PathBuf, #[source] io::Error),
    /// A file that nobody of this program wrote.
    #[error("{} is not what this program writes there", .0.display())]
    Content(PathBuf, #[source] serde_json::Error),
}

impl SpoolError {
    /// What went wrong at a path.
    pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full(path),
            _ => Self::Io(path, error),
        }
    }

    /// Whether there was no room.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Full(_))
    }
}

/// A folder that this process alone works in.
#[derive(Debug)]
pub struct Spool {
    folder: PathBuf,
    /// Held as long as the process lives: the system lets go of it when the process ends, however it does.
    _lock: File,
}

impl Spool {
    /// Takes a folder, which is made with mode 0700 if it is missing, and cleans up what a killed process left half written.
    pub fn open(folder: &Path) -> Result<Self, SpoolError> {
        make_folder(&folder.join("jobs"))?;
        let path = folder.join("lock");
        let lock = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(SpoolError::at(&path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(SpoolError::Locked(folder.to_owned())),
            Err(TryLockError::Error(error)) => return Err(SpoolError::Io(path, error)),
        }
        Ok(Self {
            folder: folder.to_owned(),
            _lock: lock,
        })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A job's folder, which need not be there yet.
    pub fn job(&self, id: Uuid) -> JobFolder {
        JobFolder::new(self.folder.join("jobs").join(id.to_string()), id)
    }

    /// The jobs that have a folder, in the order of their ids.
    pub fn jobs(&self) -> Result<Vec<Uuid>, SpoolError> {
        let mut jobs: Vec<Uuid> = names(&self.folder.join("jobs"))?
            .iter()
            .filter_map(|name| random_id(name).ok())
            .collect();
        jobs.sort_unstable();
        Ok(jobs)
    }

    /// Takes a job that has ended out of the way, into `ended/`.
    pub fn archive(&self, id: Uuid) -> Result<(), SpoolError> {
        let ended = self.folder.join("ended");
        make_folder(&ended)?;
        let from = self.job(id);
        let to = ended.join(id.to_string());
        fs::rename(from.path(), &to).map_err(SpoolError::at(&to))?;
        write::sync_folder(&ended)?;
        write::sync_folder(&self.folder.join("jobs"))
    }
}

/// Makes a folder with mode 0700, and those above it.
pub(crate) fn make_folder(path: &Path) -> Result<(), SpoolError> {
    if path.is_dir() {
        return Ok(());
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(SpoolError::at(path))?;
    write::sync_parent(path)
}

/// The names in a folder; none where there is no folder. Names of half-written files are left out.
pub(crate) fn names(path: &Path) -> Result<Vec<String>, SpoolError> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(SpoolError::Io(path.to_owned(), error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(SpoolError::at(path))?.file_name();
        if let Some(name) = name.to_str().filter(|name| !name.ends_with(write::HALF)) {
            names.push(name.to_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_process_is_kept_out_until_the_first_ends() {
        let folder = tempfile::tempdir().unwrap();
        let first = Spool::open(folder.path()).unwrap();
        let second = Spool::open(folder.path());
        assert!(matches!(second, Err(SpoolError::Locked(_))), "{second:?}");
        drop(first);
        assert!(Spool::open(folder.path()).is_ok());
    }

    #[test]
    fn half_a_file_is_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(folder.path()).unwrap();
        let job = spool.job(Uuid::from_u128(7));
        job.write_json("step.json", &1).unwrap();
        fs::write(job.path().join("other.json.half"), "{").unwrap();
        assert_eq!(names(job.path()).unwrap(), ["step.json"]);
        assert_eq!(job.read_json::<i32>("other.json").unwrap(), None);
    }

    #[test]
    fn only_jobs_are_listed_and_an_ended_one_is_out_of_the_way() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(folder.path()).unwrap();
        let id = crate::random::id().unwrap();
        spool.job(id).write_json("job.json", &0).unwrap();
        fs::create_dir(folder.path().join("jobs/notes")).unwrap();
        assert_eq!(spool.jobs().unwrap(), [id]);
        spool.archive(id).unwrap();
        assert!(spool.jobs().unwrap().is_empty());
        assert!(
            folder
                .path()
                .join("ended")
                .join(id.to_string())
                .join("job.json")
                .exists()
        );
    }
}
