//! A pack as a zip and back.
//!
//! Nothing in it is compressed: so the bytes do not depend on the program that wrote them, and what is read is no larger than
//! the file.

use std::io::{Cursor, Read as _, Write as _};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, System, ZipArchive, ZipWriter};

use super::files::{Files, PackError};

/// Bytes of a pack.
const MAX_PACK: usize = 512 * 1024 * 1024;
/// Files of a pack.
const MAX_FILES: usize = 200_000;
/// Characters of a file's name.
const MAX_NAME: usize = 200;

/// Writes files as a zip; the same files give the same bytes.
pub(super) fn zip(files: &Files) -> Result<Vec<u8>, PackError> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(DateTime::default())
        .unix_permissions(0o644)
        .system(System::Unix);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        zip.start_file(name.as_str(), options).map_err(PackError::Zip)?;
        zip.write_all(bytes)
            .map_err(|error| PackError::Zip(error.into()))?;
    }
    Ok(zip.finish().map_err(PackError::Zip)?.into_inner())
}

/// Reads a zip of the form that [`zip`] writes. What another version writes about the files beside their names and bytes is not
/// looked at.
pub(super) fn unzip(bytes: &[u8]) -> Result<Files, PackError> {
    if bytes.len() > MAX_PACK {
        return Err(PackError::TooLarge(bytes.len()));
    }
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(PackError::Zip)?;
    if archive.len() > MAX_FILES {
        return Err(PackError::TooMany(archive.len()));
    }
    if archive.offset() != 0 || !archive.comment().is_empty() || archive.has_duplicate_names() {
        return Err(PackError::NotOurs);
    }
    let mut files = Files::new();
    let mut rest = bytes.len();
    for at in 0..archive.len() {
        let mut file = archive.by_index(at).map_err(PackError::Zip)?;
        let name = file.name().map_err(PackError::Zip)?.into_owned();
        let is_plain = name.len() <= MAX_NAME
            && !name.is_empty()
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"./-_".contains(&b));
        if !is_plain || file.compression() != CompressionMethod::Stored {
            return Err(PackError::NotOurs);
        }
        // Files that overlap would let a small file unpack to a large one.
        let size = usize::try_from(file.size()).unwrap_or(usize::MAX);
        rest = rest.checked_sub(size).ok_or(PackError::NotOurs)?;
        let mut content = Vec::with_capacity(size);
        let most = file.size();
        file.by_ref()
            .take(most)
            .read_to_end(&mut content)
            .map_err(|error| PackError::Zip(error.into()))?;
        if files.insert(name, content).is_some() {
            return Err(PackError::NotOurs);
        }
    }
    Ok(files)
}
