//! What can be wrong with a packet, in words for the person who has to mend it.

use std::fmt;

use super::rules::{self, Finding, shown};

/// A rule about the names inside a packet that one name breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameRule {
    /// The name has no characters, or one of its parts has none.
    Empty,
    /// The name starts at the root of a file system or at a drive.
    Absolute,
    /// A part of the name is `.` or `..`.
    Dots,
    /// The name holds a backslash, which some systems take for a separator.
    Backslash,
    /// The name holds a control character.
    Control,
    /// A part ends with a dot or a space, which some systems drop.
    TrailingDot,
    /// The name or one of its parts is longer than the limits of [`super::names`].
    TooLong,
    /// The bytes of the name are not UTF-8.
    NotUtf8,
}

impl fmt::Display for NameRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "names and their parts may not be empty",
            Self::Absolute => "names must be relative, without a leading slash or a drive",
            Self::Dots => "names may not hold the parts `.` or `..`",
            Self::Backslash => "names may not hold a backslash; separate folders with `/`",
            Self::Control => "names may not hold control characters",
            Self::TrailingDot => "no part of a name may end with a dot or a space",
            Self::TooLong => "names have at most 1024 bytes, and each part at most 255",
            Self::NotUtf8 => "names must be UTF-8",
        })
    }
}

/// Why bytes are no acceptable packet, or why a bag cannot be written.
///
/// Each is a breach of one rule of the table, [`BagError::finding`], which also gives the words.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BagError {
    /// The zip file itself is too large.
    PacketSize {
        /// Bytes of the zip file.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// No zip archive, a damaged one, or one with a kind of compression other than stored and deflate.
    NotZip(#[source] zip::result::ZipError),
    /// Bytes before the first or after the last record, or an archive comment.
    Surplus,
    /// The local headers and the central directory disagree, overlap, or hide entries.
    Inconsistent(#[source] zip::result::ZipError),
    /// Too many entries.
    TooManyEntries {
        /// The limit.
        limit: usize,
    },
    /// The same name twice.
    Duplicate {
        /// The name.
        name: String,
    },
    /// Two names that one file system in two would take for the same: they differ only in capitals, or one is a file and
    /// a folder at once.
    Collision {
        /// The later of the two.
        name: String,
        /// The earlier of the two.
        other: String,
    },
    /// A name that breaks a rule.
    Name {
        /// The name, with what is not UTF-8 replaced.
        name: String,
        /// The rule.
        rule: NameRule,
    },
    /// A password-protected entry.
    Encrypted {
        /// The entry.
        name: String,
    },
    /// A symbolic link, device or other thing that is neither file nor folder.
    NotAFile {
        /// The entry.
        name: String,
    },
    /// One file is too large.
    FileSize {
        /// The entry.
        name: String,
        /// The limit for one file.
        limit: u64,
    },
    /// All files together are too large.
    TotalSize {
        /// The limit for all files.
        limit: u64,
    },
    /// The entry unpacks to suspiciously much.
    Ratio {
        /// The entry.
        name: String,
        /// The limit.
        limit: u64,
    },
    /// The entry's real size is not the declared one.
    DeclaredSize {
        /// The entry.
        name: String,
        /// Size in the directory.
        declared: u64,
        /// Size when unpacked, or one byte more than declared.
        real: u64,
    },
    /// The entry's compressed bytes are damaged.
    Unpack {
        /// The entry.
        name: String,
        /// What the decompressor says.
        #[source]
        source: std::io::Error,
    },
    /// Not exactly one folder at the top.
    TopFolder {
        /// The first entry that is outside.
        name: String,
    },
    /// A file every bag must have is not there.
    Missing {
        /// The file, relative to the bag's folder.
        name: String,
    },
    /// `fetch.txt`: the bag wants files to be fetched from elsewhere.
    Fetch,
    /// A tag file is not in the form that `BagIt` prescribes.
    Form {
        /// The tag file.
        name: String,
        /// Line, from 1; 0 for the file as a whole.
        line: usize,
        /// What should be there.
        rule: &'static str,
    },
    /// `External-Identifier` is no random UUID.
    Identifier(&'static str),
    /// A file that the manifest does not list.
    Unlisted {
        /// The file.
        name: String,
        /// The manifest.
        manifest: String,
    },
    /// A listed file that is not there.
    Absent {
        /// The file.
        name: String,
        /// The manifest.
        manifest: String,
    },
    /// A file that is not the one that was bagged.
    Digest {
        /// The file.
        name: String,
        /// The manifest.
        manifest: String,
    },
    /// Writing the zip failed.
    Write(#[source] zip::result::ZipError),
}

impl fmt::Display for BagError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.finding() {
            Some(finding) => finding.fmt(f),
            None => f.write_str("the packet could not be written"),
        }
    }
}

impl BagError {
    /// The rule that is broken and what breaks it; nothing where a packet could not be written.
    pub fn finding(&self) -> Option<Finding> {
        const PACKET: &str = "packet";
        let over = |what: &str, limit: u64| format!("{what}; the limit is {limit} bytes");
        let bare = String::new;
        let (rule, entity, detail) = match self {
            Self::PacketSize { size, limit } => {
                (&rules::ZIP_SIZE, PACKET, over(&format!("{size} bytes"), *limit))
            }
            Self::NotZip(_) => (&rules::ZIP_FORM, PACKET, bare()),
            Self::Surplus => (&rules::ZIP_SURPLUS, PACKET, bare()),
            Self::Inconsistent(_) => (&rules::ZIP_INCONSISTENT, PACKET, bare()),
            Self::TooManyEntries { limit } => (&rules::ZIP_ENTRIES, PACKET, format!("the limit is {limit}")),
            Self::Duplicate { name } => (&rules::ZIP_DUPLICATE, name.as_str(), bare()),
            Self::Collision { name, other } => (&rules::ZIP_COLLISION, name.as_str(), shown(other)),
            Self::Name { name, rule } => (&rules::ZIP_NAME, name.as_str(), rule.to_string()),
            Self::Encrypted { name } => (&rules::ZIP_ENCRYPTED, name.as_str(), bare()),
            Self::NotAFile { name } => (&rules::ZIP_SPECIAL, name.as_str(), bare()),
            Self::FileSize { name, limit } => {
                (&rules::ZIP_FILE_SIZE, name.as_str(), over("too large", *limit))
            }
            Self::TotalSize { limit } => (&rules::ZIP_TOTAL_SIZE, PACKET, over("too large", *limit)),
            Self::Ratio { name, limit } => (&rules::ZIP_RATIO, name.as_str(), format!("more than {limit}")),
            Self::DeclaredSize { name, declared, real } => (
                &rules::ZIP_DECLARED_SIZE,
                name.as_str(),
                format!("{real} bytes, declared {declared}"),
            ),
            Self::Unpack { name, .. } => (&rules::ZIP_DAMAGED, name.as_str(), bare()),
            Self::TopFolder { name } => (&rules::ZIP_TOP_FOLDER, name.as_str(), bare()),
            Self::Missing { name } => (&rules::BAG_MISSING, name.as_str(), bare()),
            Self::Fetch => (&rules::BAG_FETCH, "fetch.txt", bare()),
            Self::Form { name, line: 0, rule } => (&rules::BAG_TAG_FILE, name.as_str(), (*rule).to_owned()),
            Self::Form { name, line, rule } => (
                &rules::BAG_TAG_FILE,
                name.as_str(),
                format!("line {line}: {rule}"),
            ),
            Self::Identifier(rule) => (&rules::BAG_IDENTIFIER, "bag-info.txt", (*rule).to_owned()),
            Self::Unlisted { name, manifest } => (&rules::BAG_UNLISTED, name.as_str(), manifest.clone()),
            Self::Absent { name, manifest } => (&rules::BAG_ABSENT, name.as_str(), manifest.clone()),
            Self::Digest { name, manifest } => (&rules::BAG_DIGEST, name.as_str(), manifest.clone()),
            Self::Write(_) => return None,
        };
        Some(Finding::new(rule, entity, detail))
    }
}
