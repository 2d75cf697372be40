//! Reading a zip that a stranger made: entries, names and sizes, before anything is believed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Read};

use zip::ZipArchive;
use zip::read::ZipFile;

use super::error::{BagError, NameRule};
use super::names::{self, Seen};

const CENTRAL_HEADER: &[u8] = b"PK\x01\x02";
const END_RECORD: &[u8] = b"PK\x05\x06";
/// Bytes of an end record without a comment.
const END_RECORD_LENGTH: usize = 22;
/// Files up to this size may have any ratio: a page of zeros is no bomb.
const RATIO_FREE_BYTES: u64 = 1 << 20;

/// How much a packet may ask of the machine that opens it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the zip file.
    pub packet_bytes: u64,
    /// Files and folders in it. Signatures of directory headers are counted, also those of archives stored inside.
    pub entries: usize,
    /// Bytes of one unpacked file.
    pub file_bytes: u64,
    /// Bytes of all unpacked files.
    pub total_bytes: u64,
    /// Unpacked over packed bytes of one file of more than a mebibyte.
    pub ratio: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            packet_bytes: 64 << 20,
            entries: 10_000,
            file_bytes: 128 << 20,
            total_bytes: 256 << 20,
            ratio: 200,
        }
    }
}

/// What a zip holds.
pub(super) struct Unzipped {
    /// Names of all entries in the archive's order; those of folders end with `/`.
    pub(super) names: Vec<String>,
    /// The files by name.
    pub(super) files: BTreeMap<String, Vec<u8>>,
}

/// Unpacks a zip into memory, up to `limits`. Nothing touches a disk.
pub(super) fn unzip(bytes: &[u8], limits: &Limits) -> Result<Unzipped, BagError> {
    let size = bytes.len() as u64;
    if size > limits.packet_bytes {
        return Err(BagError::PacketSize {
            size,
            limit: limits.packet_bytes,
        });
    }
    // Before the directory is parsed: its memory grows with its headers.
    let headers = bytes.windows(CENTRAL_HEADER.len());
    if headers.filter(|window| *window == CENTRAL_HEADER).count() > limits.entries {
        return Err(BagError::TooManyEntries {
            limit: limits.entries,
        });
    }
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(BagError::NotZip)?;
    let ends_with_record = bytes
        .len()
        .checked_sub(END_RECORD_LENGTH)
        .and_then(|at| bytes.get(at..))
        .is_some_and(|tail| tail.starts_with(END_RECORD));
    if archive.offset() != 0 || !archive.comment().is_empty() || !ends_with_record {
        return Err(BagError::Surplus);
    }
    if archive.has_duplicate_names() {
        return Err(BagError::Duplicate {
            name: first_duplicate(bytes, archive.central_directory_start()),
        });
    }
    let names = check_entries(&mut archive, limits)?;
    archive
        .validate_header_consistency()
        .map_err(BagError::Inconsistent)?;
    let files = unpack(&mut archive, &names, limits)?;
    Ok(Unzipped { names, files })
}

/// The name of the first directory header that repeats an earlier one.
fn first_duplicate(bytes: &[u8], start: u64) -> String {
    let mut seen = BTreeSet::new();
    let mut at = usize::try_from(start).unwrap_or(usize::MAX);
    while let Some(header) = bytes
        .get(at..)
        .filter(|rest| rest.len() >= 46 && rest.starts_with(CENTRAL_HEADER))
    {
        let length = |offset: usize| usize::from(u16::from_le_bytes([header[offset], header[offset + 1]]));
        let (name, extra, comment) = (length(28), length(30), length(32));
        let Some(raw) = header.get(46..46 + name) else {
            break;
        };
        if !seen.insert(raw) {
            return String::from_utf8_lossy(raw).into_owned();
        }
        at += 46 + name + extra + comment;
    }
    "an entry".to_owned()
}

/// Checks every entry's name, kind and declared sizes; returns the names in the archive's order.
fn check_entries(archive: &mut ZipArchive<Cursor<&[u8]>>, limits: &Limits) -> Result<Vec<String>, BagError> {
    let mut seen = Seen::default();
    let mut total: u64 = 0;
    let mut names = Vec::with_capacity(archive.len());
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).map_err(BagError::NotZip)?;
        let name = plain_name(&entry)?;
        let path = name.strip_suffix('/').unwrap_or(&name);
        names::check(path).map_err(|rule| BagError::Name {
            name: name.clone(),
            rule,
        })?;
        if entry.encrypted() {
            return Err(BagError::Encrypted { name });
        }
        let kind = entry.unix_mode().unwrap_or(0) & 0o170_000;
        if entry.is_symlink() || !matches!(kind, 0 | 0o040_000 | 0o100_000) {
            return Err(BagError::NotAFile { name });
        }
        if entry.is_dir() {
            seen.folder(path)?;
        } else {
            seen.file(path)?;
        }
        let size = entry.size();
        if size > limits.file_bytes || (entry.is_dir() && size > 0) {
            return Err(BagError::FileSize {
                name,
                limit: limits.file_bytes,
            });
        }
        if size > RATIO_FREE_BYTES && size / limits.ratio.max(1) > entry.compressed_size() {
            return Err(BagError::Ratio {
                name,
                limit: limits.ratio,
            });
        }
        total = total.saturating_add(size);
        if total > limits.total_bytes {
            return Err(BagError::TotalSize {
                limit: limits.total_bytes,
            });
        }
        names.push(name);
    }
    Ok(names)
}

/// The entry's name as UTF-8, whatever code page the zip declares.
fn plain_name<R: Read>(entry: &ZipFile<'_, R>) -> Result<String, BagError> {
    std::str::from_utf8(entry.name_raw())
        .map(ToOwned::to_owned)
        .map_err(|_| BagError::Name {
            name: String::from_utf8_lossy(entry.name_raw()).into_owned(),
            rule: NameRule::NotUtf8,
        })
}

/// Unpacks all files.
fn unpack(
    archive: &mut ZipArchive<Cursor<&[u8]>>,
    names: &[String],
    limits: &Limits,
) -> Result<BTreeMap<String, Vec<u8>>, BagError> {
    let mut files = BTreeMap::new();
    let mut left = limits.total_bytes;
    for (index, name) in names.iter().enumerate() {
        if name.ends_with('/') {
            continue;
        }
        let entry = archive.by_index(index).map_err(BagError::NotZip)?;
        let declared = entry.size();
        // One byte more than declared shows a lie without unpacking the rest of it.
        let mut bytes = Vec::new();
        entry
            .take(declared.min(left).saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|source| BagError::Unpack {
                name: name.clone(),
                source,
            })?;
        let real = bytes.len() as u64;
        if real != declared {
            return Err(BagError::DeclaredSize {
                name: name.clone(),
                declared,
                real,
            });
        }
        left = left.saturating_sub(real);
        files.insert(name.clone(), bytes);
    }
    Ok(files)
}
