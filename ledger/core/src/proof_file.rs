//! Proof files, `.tlog-proof`: one entry's inclusion and a signed checkpoint in one text (C2SP tlog-proof).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::Hash;
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::note::{MAX_NOTE_LEN, Note, NoteError, VerifierKey};
use crate::tree::{ProofError, decimal, verify_inclusion};
use crate::trust::{Believed, TrustError, TrustPolicy};

const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// The most hashes that an inclusion proof can have: one a level of a tree of 2^63 entries.
pub const MAX_PATH_LEN: usize = 63;

/// The longest `extra` value: 64 KiB.
pub const MAX_EXTRA_LEN: usize = 65_536;

/// Longer than any proof file within the other limits: the whole file is looked at only up to here.
const MAX_FILE_LEN: usize = MAX_NOTE_LEN + 100_000;

/// Why a text is not a proof file, or does not prove what it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofFileError {
    /// The file is longer than any proof.
    #[error("the proof file has {0} bytes, more than {MAX_FILE_LEN}")]
    TooLong(usize),
    /// The first line says what the file is.
    #[error("a proof file begins with the line {HEADER}")]
    Header,
    /// The optional second line.
    #[error("the extra line is `extra` and padded base64 of 1 to {MAX_EXTRA_LEN} bytes")]
    Extra,
    /// The line with the index.
    #[error("the index line is `index` and a decimal number without leading zeros that fits 64 bits")]
    Index,
    /// A line of the proof.
    #[error("line {0} of the inclusion proof is not padded base64 of 32 bytes")]
    Hash(usize),
    /// No tree is that high.
    #[error("the inclusion proof has more than {MAX_PATH_LEN} hashes")]
    TooManyHashes,
    /// Nothing follows the proof.
    #[error("a proof file has an empty line and a checkpoint after its hashes")]
    NoCheckpoint,
    /// What follows is not a signed note.
    #[error("the checkpoint in the proof file is not a signed note")]
    Note(#[from] NoteError),
    /// The checkpoint is malformed, of another log, or not signed by it.
    #[error("the checkpoint in the proof file is not to be believed")]
    Checkpoint(#[from] CheckpointError),
    /// The checkpoint is not what the policy asks for.
    #[error("the policy does not believe the checkpoint in the proof file")]
    Trust(#[from] TrustError),
    /// The entry is not in the tree of the checkpoint.
    #[error("the entry is not proved to be in the log")]
    Inclusion(#[from] ProofError),
}

/// An index, the way from the entry to a root, and the checkpoint with that root.
///
/// Reading and writing are inverse: a proof file has one spelling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProofFile {
    extra: Option<Vec<u8>>,
    index: u64,
    path: Vec<Hash>,
    checkpoint: Note,
}

impl ProofFile {
    /// Puts a proof file together: the entry's index, its inclusion proof, the log's signed checkpoint.
    pub fn new(index: u64, path: Vec<Hash>, checkpoint: Note) -> Result<Self, ProofFileError> {
        if path.len() > MAX_PATH_LEN {
            return Err(ProofFileError::TooManyHashes);
        }
        Ok(Self {
            extra: None,
            index,
            path,
            checkpoint,
        })
    }

    /// Adds bytes that travel with the proof and that nobody vouches for.
    pub fn with_extra(mut self, extra: Vec<u8>) -> Result<Self, ProofFileError> {
        if !(1..=MAX_EXTRA_LEN).contains(&extra.len()) {
            return Err(ProofFileError::Extra);
        }
        self.extra = Some(extra);
        Ok(self)
    }

    /// Reads a proof file without verifying it.
    pub fn parse(bytes: &[u8]) -> Result<Self, ProofFileError> {
        if bytes.len() > MAX_FILE_LEN {
            return Err(ProofFileError::TooLong(bytes.len()));
        }
        let text = str::from_utf8(bytes).map_err(|_| NoteError::Characters)?;
        let (head, checkpoint) = text.split_once("\n\n").ok_or(ProofFileError::NoCheckpoint)?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(HEADER) {
            return Err(ProofFileError::Header);
        }
        let extra = match lines.next_if(|line| line.starts_with("extra ")) {
            Some(line) => Some(
                STANDARD
                    .decode(&line["extra ".len()..])
                    .map_err(|_| ProofFileError::Extra)?,
            ),
            None => None,
        };
        let index = lines
            .next()
            .and_then(|line| line.strip_prefix("index "))
            .and_then(decimal);
        let index = index.ok_or(ProofFileError::Index)?;
        let mut path = Vec::new();
        for line in lines {
            path.push(Hash::from_base64(line).ok_or(ProofFileError::Hash(path.len() + 1))?);
        }
        let file = Self::new(index, path, Note::parse(checkpoint.as_bytes())?)?;
        match extra {
            Some(extra) => file.with_extra(extra),
            None => Ok(file),
        }
    }

    /// Checks that the log named `origin` has the entry with that leaf hash, and answers with the checkpoint that says
    /// so: signed by `key`, of that origin, and with the entry in its tree at [`ProofFile::index`].
    ///
    /// Cosignatures of witnesses are not looked at. `extra` is not covered by anything.
    pub fn verify(&self, leaf: &Hash, key: &VerifierKey, origin: &str) -> Result<Checkpoint, ProofFileError> {
        let checkpoint = Checkpoint::open(&self.checkpoint, key, origin)?;
        verify_inclusion(leaf, self.index, checkpoint.size(), &self.path, checkpoint.root())?;
        Ok(checkpoint)
    }

    /// The same by a policy: the checkpoint is one that it believes, cosigned by its quorum of witnesses.
    pub fn verify_by<'p>(
        &self,
        leaf: &Hash,
        policy: &'p TrustPolicy,
    ) -> Result<Believed<'p>, ProofFileError> {
        let believed = policy.open(&self.checkpoint)?;
        let checkpoint = &believed.checkpoint;
        verify_inclusion(leaf, self.index, checkpoint.size(), &self.path, checkpoint.root())?;
        Ok(believed)
    }

    /// Bytes that came with the proof; nobody vouches for them.
    pub fn extra(&self) -> Option<&[u8]> {
        self.extra.as_deref()
    }

    /// Where in the log the entry is said to stand, from 0.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// The hashes from the leaf's sibling upwards.
    pub fn path(&self) -> &[Hash] {
        &self.path
    }

    /// The signed checkpoint as it came, with all its signatures.
    pub fn checkpoint(&self) -> &Note {
        &self.checkpoint
    }
}

impl fmt::Display for ProofFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", STANDARD.encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        self.path
            .iter()
            .try_for_each(|hash| writeln!(f, "{}", hash.to_base64()))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

#[cfg(test)]
mod tests;
