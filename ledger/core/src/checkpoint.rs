//! Checkpoints: the size and root of a log at one moment, signed by it (C2SP tlog-checkpoint).

use std::fmt;

use crate::Hash;
use crate::note::{Note, NoteError, NoteSigner, VerifierKey};
use crate::tree::decimal;

/// The longest origin: 128 bytes. C2SP leaves it open; ML-DSA cosignatures cannot cover more than 255.
pub const MAX_ORIGIN_LEN: usize = 128;

/// Why a text is not a checkpoint, or a checkpoint is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The first line names the log.
    #[error("the origin of a checkpoint has 1 to {MAX_ORIGIN_LEN} bytes and no control characters")]
    Origin,
    /// The second line is the number of entries.
    #[error("the size in a checkpoint is a decimal number without leading zeros that fits 64 bits")]
    Size,
    /// The third line is the root.
    #[error("the root in a checkpoint is padded base64 of 32 bytes")]
    Root,
    /// A tree without entries has one possible root.
    #[error("a checkpoint of size 0 must have the root of the empty tree, SHA-256 of nothing")]
    EmptyRoot,
    /// Lines are missing, empty or unfinished.
    #[error("a checkpoint has three or more lines, none of them empty, each ending with a line feed")]
    Lines,
    /// This log writes no extension lines: monitors cannot audit them, and not every cosignature covers them.
    #[error("a checkpoint with extension lines is read, but never signed")]
    ExtensionLines,
    /// The log's key is named as the log is.
    #[error("a checkpoint of origin {origin} is not signed by a key named {key}")]
    KeyName {
        /// The log that the checkpoint is of.
        origin: String,
        /// The name of the key that was to sign it.
        key: String,
    },
    /// The checkpoint is of another log.
    #[error("the checkpoint is of the log {found}, not of {expected}")]
    OtherLog {
        /// The log that was asked for.
        expected: String,
        /// The log that the checkpoint names.
        found: String,
    },
    /// The note around the checkpoint is malformed, or not signed by the log.
    #[error("the checkpoint is not a note signed by the log's key")]
    Note(#[from] NoteError),
}

/// What a log said about itself: which log, how many entries, which root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    origin: String,
    size: u64,
    root: Hash,
    extensions: Vec<String>,
}

impl Checkpoint {
    /// Makes a checkpoint of the log named `origin`.
    pub fn new(origin: impl Into<String>, size: u64, root: Hash) -> Result<Self, CheckpointError> {
        let origin = origin.into();
        let fits = (1..=MAX_ORIGIN_LEN).contains(&origin.len());
        if !fits || origin.bytes().any(|byte| byte.is_ascii_control()) {
            return Err(CheckpointError::Origin);
        }
        if size == 0 && root != Hash::empty_root() {
            return Err(CheckpointError::EmptyRoot);
        }
        Ok(Self {
            origin,
            size,
            root,
            extensions: Vec::new(),
        })
    }

    /// Reads the text of a checkpoint: origin, size, root, extension lines; it says nothing about who wrote it.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let lines = text.strip_suffix('\n').ok_or(CheckpointError::Lines)?;
        let mut lines = lines.split('\n');
        let mut next = || {
            lines
                .next()
                .filter(|line| !line.is_empty())
                .ok_or(CheckpointError::Lines)
        };
        let (origin, size, root) = (next()?, next()?, next()?);
        let size = decimal(size).ok_or(CheckpointError::Size)?;
        let root = Hash::from_base64(root).ok_or(CheckpointError::Root)?;
        let mut checkpoint = Self::new(origin, size, root)?;
        checkpoint.extensions = lines.map(str::to_owned).collect();
        if checkpoint.extensions.iter().any(String::is_empty) {
            return Err(CheckpointError::Lines);
        }
        Ok(checkpoint)
    }

    /// Believes a signed checkpoint: well formed, signed by `key`, and of the log named `origin`.
    ///
    /// Signatures of other keys, as of witnesses, are ignored here.
    pub fn open(note: &Note, key: &VerifierKey, origin: &str) -> Result<Self, CheckpointError> {
        Self::open_by_any(note, std::slice::from_ref(key), origin)
    }

    /// The same by any one of several keys, as while a log's key is replaced by another.
    pub fn open_by_any(note: &Note, keys: &[VerifierKey], origin: &str) -> Result<Self, CheckpointError> {
        note.verify(keys)?;
        let checkpoint = Self::parse(note.text())?;
        if checkpoint.origin != origin {
            return Err(CheckpointError::OtherLog {
                expected: origin.to_owned(),
                found: checkpoint.origin,
            });
        }
        Ok(checkpoint)
    }

    /// Signs the checkpoint with the log's key, whose name must be the origin, and with the one beside it, if there is one.
    ///
    /// Whether it may be signed, being consistent with every checkpoint before, is the caller's to know.
    pub fn sign(&self, signer: &NoteSigner) -> Result<Note, CheckpointError> {
        let key = signer.verifier().name();
        if key.as_str() != self.origin {
            return Err(CheckpointError::KeyName {
                origin: self.origin.clone(),
                key: key.to_string(),
            });
        }
        if !self.extensions.is_empty() {
            return Err(CheckpointError::ExtensionLines);
        }
        let mut note = Note::new(self.to_string())?;
        signer.sign(&mut note)?;
        Ok(note)
    }

    /// Which log it is of.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// How many entries the log had.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root over those entries.
    pub fn root(&self) -> &Hash {
        &self.root
    }

    /// Lines after the third, which other logs may write; their meaning is open.
    pub fn extensions(&self) -> &[String] {
        &self.extensions
    }
}

impl fmt::Display for Checkpoint {
    /// Writes the note's text, exactly as it was read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}\n{}\n", self.origin, self.size, self.root.to_base64())?;
        self.extensions.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const ROOT: &str = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";
    const ORIGIN: &str = "example.com/behind-the-sofa";

    fn signer(name: &str) -> NoteSigner {
        NoteSigner::from_seed(name.parse().unwrap(), &[7; 32]).unwrap()
    }

    fn example() -> Checkpoint {
        Checkpoint::parse(&format!("{ORIGIN}\n20852163\n{ROOT}\n")).unwrap()
    }

    #[test]
    fn the_example_of_the_specification_is_read_and_written() {
        let checkpoint = example();
        assert_eq!((checkpoint.origin(), checkpoint.size()), (ORIGIN, 20_852_163));
        assert_eq!(checkpoint.root().to_base64(), ROOT);
        assert_eq!(checkpoint.to_string(), format!("{ORIGIN}\n20852163\n{ROOT}\n"));
    }

    #[rstest]
    #[case("", CheckpointError::Lines)]
    #[case("log\n1\n", CheckpointError::Lines)]
    #[case(
        "log\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=",
        CheckpointError::Lines
    )]
    #[case("\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n", CheckpointError::Lines)]
    #[case(
        "log\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n",
        CheckpointError::Lines
    )]
    #[case(
        "log\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\nx\n\ny\n",
        CheckpointError::Lines
    )]
    #[case(
        "log\n01\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        CheckpointError::Size
    )]
    #[case(
        "log\n+1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        CheckpointError::Size
    )]
    #[case(
        "log\n-1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        CheckpointError::Size
    )]
    #[case(
        "log\n1 \nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        CheckpointError::Size
    )]
    #[case(
        "log\n18446744073709551616\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        CheckpointError::Size
    )]
    #[case(
        "log\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2J=\n",
        CheckpointError::Root
    )]
    #[case(
        "log\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I\n",
        CheckpointError::Root
    )]
    #[case("log\n1\nAAAA\n", CheckpointError::Root)]
    #[case(
        "log\n0\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        CheckpointError::EmptyRoot
    )]
    #[case(
        "l\to\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        CheckpointError::Origin
    )]
    fn any_other_text_is_refused(#[case] text: &str, #[case] error: CheckpointError) {
        assert_eq!(Checkpoint::parse(text), Err(error));
    }

    #[test]
    fn an_origin_has_at_most_128_bytes() {
        let root = Hash::of(b"root");
        assert!(Checkpoint::new("a".repeat(MAX_ORIGIN_LEN), 1, root).is_ok());
        assert_eq!(
            Checkpoint::new("a".repeat(MAX_ORIGIN_LEN + 1), 1, root),
            Err(CheckpointError::Origin)
        );
        assert_eq!(Checkpoint::new("", 1, root), Err(CheckpointError::Origin));
    }

    #[test]
    fn what_the_log_signs_opens_for_that_log_only() {
        let signer = signer(ORIGIN);
        let note = example().sign(&signer).unwrap();
        assert_eq!(Checkpoint::open(&note, signer.verifier(), ORIGIN), Ok(example()));
        assert_eq!(
            Checkpoint::open(&note, signer.verifier(), "example.com/other"),
            Err(CheckpointError::OtherLog {
                expected: "example.com/other".to_owned(),
                found: ORIGIN.to_owned()
            })
        );
        let other = NoteSigner::from_seed(ORIGIN.parse().unwrap(), &[8; 32]).unwrap();
        assert_eq!(
            Checkpoint::open(&note, other.verifier(), ORIGIN),
            Err(CheckpointError::Note(NoteError::NoKnownKey))
        );
    }

    #[test]
    fn extension_lines_are_read_and_never_signed() {
        let text = format!("{ORIGIN}\n1\n{ROOT}\nmore\n");
        let checkpoint = Checkpoint::parse(&text).unwrap();
        assert_eq!(checkpoint.extensions(), ["more"]);
        assert_eq!(checkpoint.to_string(), text);
        assert_eq!(
            checkpoint.sign(&signer(ORIGIN)),
            Err(CheckpointError::ExtensionLines)
        );
    }

    #[test]
    fn a_key_of_another_name_does_not_sign() {
        assert_eq!(
            example().sign(&signer("example.com/other")),
            Err(CheckpointError::KeyName {
                origin: ORIGIN.to_owned(),
                key: "example.com/other".to_owned()
            })
        );
    }
}
