//! Files that come whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::SpoolError;

/// How the name of a file ends that is still being written.
pub(crate) const HALF: &str = ".half";

/// Writes a file of mode 0600 so that it is there whole, and on the disk, or not at all. One that is there is replaced.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), SpoolError> {
    let half = half_of(path);
    let written = write_half(&half, bytes).and_then(|()| fs::rename(&half, path));
    if let Err(error) = written {
        // What is half written takes room, which may be what is missing.
        drop(fs::remove_file(&half));
        return Err(SpoolError::at(path)(error));
    }
    sync_parent(path)
}

fn write_half(half: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(half)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// The name under which a file is written before it is whole.
pub(crate) fn half_of(path: &Path) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(HALF);
    name.into()
}

/// Makes a rename in the folder of `path` survive a power cut.
pub(crate) fn sync_parent(path: &Path) -> Result<(), SpoolError> {
    path.parent().map_or(Ok(()), sync_folder)
}

pub(crate) fn sync_folder(folder: &Path) -> Result<(), SpoolError> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(SpoolError::at(folder))
}
