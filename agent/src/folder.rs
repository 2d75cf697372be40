//! Packets and workflows as folders on a researcher's disk.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use thiserror::Error;
use uuid::Uuid;

use crate::packet::{
    Bag, BagError, CrateError, Limits, METADATA_PATH, Payload, Refused, read_request, read_workflow,
    zip_files,
};

/// A folder or file cannot be taken as a packet.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FolderError {
    /// It cannot be read.
    #[error("{} cannot be read", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// A link, a device, or a name that is not UTF-8.
    #[error("{} is a link, a special file, or has a name that is not UTF-8; replace it by a plain file", .0.display())]
    NotPlain(PathBuf),
    /// Too much in it.
    #[error("{} has more than {limit} {what}; leave large files out and name their datasets instead", path.display())]
    TooMuch {
        /// The folder.
        path: PathBuf,
        /// The limit.
        limit: u64,
        /// Of what.
        what: &'static str,
    },
    /// Neither a bag nor a crate.
    #[error(
        "{} has neither bagit.txt nor ro-crate-metadata.json; give a bag's folder, or the folder of a Five Safes RO-Crate",
        .0.display()
    )]
    Neither(PathBuf),
    /// The crate in it breaks rules.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// It cannot be zipped.
    #[error("{} cannot be packed", path.display())]
    Pack {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: BagError,
    },
}

/// Reads a packet: a zip as it is; a bag's folder zipped; a crate's folder bagged under the identifier that is given.
///
/// Of a crate's folder only the files that its request names are packed, so that nothing else of it leaves the machine.
///
/// # Errors
/// [`FolderError`]; that of a crate names every rule that it breaks.
pub fn read_packet(path: &Path, limits: &Limits, fresh: Uuid) -> Result<Vec<u8>, FolderError> {
    if !path.is_dir() {
        return fs::read(path).map_err(read_error(path));
    }
    let pack = |source| FolderError::Pack {
        path: path.to_path_buf(),
        source,
    };
    let files = read_folder(path, limits)?;
    let name = path.canonicalize().map_err(read_error(path))?;
    let name = name
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or("packet")
        .to_owned();
    if files.contains_key("bagit.txt") {
        let below = files
            .into_iter()
            .map(|(path, bytes)| (format!("{name}/{path}"), bytes));
        return zip_files(&below.collect()).map_err(pack);
    }
    if !files.contains_key(METADATA_PATH) {
        return Err(FolderError::Neither(path.to_path_buf()));
    }
    let mut bag = Bag {
        folder: name,
        external_identifier: fresh,
        payload: files,
    };
    let refused = |error: CrateError| Refused::packet(error.findings());
    let request = read_request(&bag).map_err(refused)?.request;
    bag.payload
        .retain(|path, _| path == METADATA_PATH || request.names(path));
    bag.to_zip().map_err(pack)
}

/// Reads the files of a workflow's crate from a zip or a folder.
///
/// # Errors
/// [`FolderError`].
pub fn read_workflow_files(path: &Path, limits: &Limits) -> Result<Payload, FolderError> {
    if path.is_dir() {
        return read_folder(path, limits);
    }
    let bytes = fs::read(path).map_err(read_error(path))?;
    read_workflow(&bytes, limits).map_err(|source| FolderError::Pack {
        path: path.to_path_buf(),
        source,
    })
}

fn read_error(path: &Path) -> impl FnOnce(std::io::Error) -> FolderError + use<> {
    let path = path.to_path_buf();
    move |source| FolderError::Read { path, source }
}

/// All files below a folder by their relative paths.
fn read_folder(root: &Path, limits: &Limits) -> Result<Payload, FolderError> {
    let mut files = BTreeMap::new();
    let mut left = limits.total_bytes;
    let mut folders = vec![(root.to_path_buf(), String::new())];
    while let Some((folder, prefix)) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(read_error(&folder))? {
            let entry = entry.map_err(read_error(&folder))?;
            let path = entry.path();
            let not_plain = || FolderError::NotPlain(path.clone());
            let name = entry.file_name().into_string().map_err(|_| not_plain())?;
            // Links are not followed: what they lead to was never meant to be sent.
            let metadata = entry.metadata().map_err(read_error(&path))?;
            let name = format!("{prefix}{name}");
            if metadata.is_dir() {
                folders.push((path, format!("{name}/")));
                continue;
            }
            if !metadata.is_file() {
                return Err(not_plain());
            }
            let too_much = |limit, what| FolderError::TooMuch {
                path: root.to_path_buf(),
                limit,
                what,
            };
            left = left
                .checked_sub(metadata.len())
                .ok_or_else(|| too_much(limits.total_bytes, "bytes"))?;
            if files.len() >= limits.entries {
                return Err(too_much(limits.entries as u64, "files"));
            }
            files.insert(name, fs::read(&path).map_err(read_error(&path))?);
        }
    }
    Ok(files)
}
