//! What can be wrong with a packet, in words for the person who has to mend it.

use std::fmt;

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
/// Names come from the packet and are shown escaped, so that they cannot steer a terminal.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BagError {
    /// The zip file itself is too large.
    #[error(
        "the packet has {size} bytes and the limit is {limit}; leave large files out and name their datasets instead"
    )]
    PacketSize {
        /// Bytes of the zip file.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// No zip archive, a damaged one, or one with a kind of compression other than stored and deflate.
    #[error("the packet cannot be read as a zip archive; pack the folder again as a plain zip")]
    NotZip(#[source] zip::result::ZipError),
    /// Bytes before the first or after the last record, or an archive comment.
    #[error(
        "the packet has bytes outside its zip records; pack the folder again as a plain zip without a comment"
    )]
    Surplus,
    /// The local headers and the central directory disagree, overlap, or hide entries.
    #[error(
        "the zip's two lists of its entries disagree; pack the folder again with an ordinary zip program"
    )]
    Inconsistent(#[source] zip::result::ZipError),
    /// Too many entries.
    #[error("the packet has more than {limit} entries; put many small files into one")]
    TooManyEntries {
        /// The limit.
        limit: usize,
    },
    /// The same name twice.
    #[error("{name:?} is in the packet twice; keep one")]
    Duplicate {
        /// The name.
        name: String,
    },
    /// Two names that one file system in two would take for the same.
    #[error(
        "{name:?} and {other:?} differ only in capitals, or one is a file and a folder at once; rename one"
    )]
    Collision {
        /// The later of the two.
        name: String,
        /// The earlier of the two.
        other: String,
    },
    /// A name that breaks a rule.
    #[error("{name:?} is not an allowed name: {rule}; rename it and pack again")]
    Name {
        /// The name, with what is not UTF-8 replaced.
        name: String,
        /// The rule.
        rule: NameRule,
    },
    /// A password-protected entry.
    #[error("{name:?} is encrypted; pack the folder again without a password")]
    Encrypted {
        /// The entry.
        name: String,
    },
    /// A symbolic link, device or other thing that is neither file nor folder.
    #[error("{name:?} is a link or a special file; replace it by the file it stands for")]
    NotAFile {
        /// The entry.
        name: String,
    },
    /// One file is too large.
    #[error("{name:?} has more than {limit} bytes; leave it out and name its dataset instead")]
    FileSize {
        /// The entry.
        name: String,
        /// The limit for one file.
        limit: u64,
    },
    /// All files together are too large.
    #[error(
        "the packet unpacks to more than {limit} bytes; leave large files out and name their datasets instead"
    )]
    TotalSize {
        /// The limit for all files.
        limit: u64,
    },
    /// The entry unpacks to suspiciously much.
    #[error(
        "{name:?} unpacks to more than {limit} times its packed size; store it uncompressed if it is genuine"
    )]
    Ratio {
        /// The entry.
        name: String,
        /// The limit.
        limit: u64,
    },
    /// The entry's real size is not the declared one.
    #[error("{name:?} has {real} bytes but declares {declared}; pack the folder again")]
    DeclaredSize {
        /// The entry.
        name: String,
        /// Size in the directory.
        declared: u64,
        /// Size when unpacked, or one byte more than declared.
        real: u64,
    },
    /// The entry's compressed bytes are damaged.
    #[error("{name:?} cannot be unpacked; pack the folder again")]
    Unpack {
        /// The entry.
        name: String,
        /// What the decompressor says.
        #[source]
        source: std::io::Error,
    },
    /// Not exactly one folder at the top.
    #[error(
        "{name:?} is not inside the packet's one top folder; pack the bag's folder itself, and nothing beside it"
    )]
    TopFolder {
        /// The first entry that is outside.
        name: String,
    },
    /// A file every bag must have is not there.
    #[error("{name:?} is missing; make the folder a BagIt 1.0 bag with SHA-512 manifests")]
    Missing {
        /// The file, relative to the bag's folder.
        name: String,
    },
    /// `fetch.txt`: the bag wants files to be fetched from elsewhere.
    #[error("the bag has a fetch.txt; put the files into the bag, nothing is fetched")]
    Fetch,
    /// A tag file is not in the form that `BagIt` prescribes.
    #[error("{name:?}, line {line}: {rule}")]
    Form {
        /// The tag file.
        name: &'static str,
        /// Line, from 1; 0 for the file as a whole.
        line: usize,
        /// What should be there.
        rule: &'static str,
    },
    /// A file that the manifest does not list.
    #[error("{name:?} is not listed in {manifest}; run the bagging program again after the last change")]
    Unlisted {
        /// The file.
        name: String,
        /// The manifest.
        manifest: &'static str,
    },
    /// A listed file that is not there.
    #[error("{manifest} lists {name:?}, which is not in the packet; put it back or bag again")]
    Absent {
        /// The file.
        name: String,
        /// The manifest.
        manifest: &'static str,
    },
    /// A file that is not the one that was bagged.
    #[error("{name:?} does not have the digest that {manifest} gives; bag again after the last change")]
    Digest {
        /// The file.
        name: String,
        /// The manifest.
        manifest: &'static str,
    },
    /// Writing the zip failed.
    #[error("the packet could not be written")]
    Write(#[source] zip::result::ZipError),
}
