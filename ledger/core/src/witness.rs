//! What a witness is asked and what it decides (C2SP tlog-witness, `add-checkpoint`).
//!
//! Deciding is a function of the request, of the keys that the witness trusts and of its record. Who keeps the record must
//! change it and answer as one act, and write it down for good before it answers: otherwise two requests at once, or a
//! machine that stops, let it cosign a smaller tree after a larger one.

use std::fmt;

use thiserror::Error;

use crate::Hash;
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::note::{MAX_NOTE_LEN, Note, NoteError, VerifierKey};
use crate::tree::{ProofError, decimal, verify_consistency};

/// The most hashes of a consistency proof in a request.
pub const MAX_PROOF_LEN: usize = 63;
/// The longest request: a note, 63 lines of 45 bytes, and the first line.
pub const MAX_REQUEST_LEN: usize = MAX_NOTE_LEN + 4096;

/// Some bytes are not a request.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RequestError {
    /// Longer than any.
    #[error("a request has at most {MAX_REQUEST_LEN} bytes")]
    TooLong,
    /// The first line.
    #[error("a request begins with `old` and a decimal size without leading zeros")]
    Old,
    /// A line of the proof.
    #[error("line {0} of the consistency proof is not padded base64 of 32 bytes")]
    Hash(usize),
    /// Too many of them.
    #[error("a consistency proof has at most {MAX_PROOF_LEN} lines")]
    TooManyHashes,
    /// Nothing follows the proof.
    #[error("an empty line and a checkpoint follow the consistency proof")]
    NoCheckpoint,
    /// What follows is no note.
    #[error("the checkpoint in the request is not a signed note")]
    Note(#[from] NoteError),
}

/// A checkpoint for which a cosignature is asked, with the proof that it continues one of the size `old`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// The size that the caller believes the witness has cosigned last; 0 before the first.
    pub old: u64,
    /// The proof that the new tree continues that of `old` entries (RFC 6962 §2.1.2); empty where `old` is 0.
    pub proof: Vec<Hash>,
    /// The checkpoint, signed by its log.
    pub checkpoint: Note,
}

impl AddCheckpoint {
    /// Reads the body of a request, verifying nothing.
    pub fn parse(bytes: &[u8]) -> Result<Self, RequestError> {
        if bytes.len() > MAX_REQUEST_LEN {
            return Err(RequestError::TooLong);
        }
        let text = str::from_utf8(bytes).map_err(|_| NoteError::Characters)?;
        let (head, checkpoint) = text.split_once("\n\n").ok_or(RequestError::NoCheckpoint)?;
        let mut lines = head.split('\n');
        let old = lines.next().and_then(|line| line.strip_prefix("old "));
        let old = old.and_then(decimal).ok_or(RequestError::Old)?;
        let mut proof = Vec::new();
        for line in lines {
            if proof.len() == MAX_PROOF_LEN {
                return Err(RequestError::TooManyHashes);
            }
            proof.push(Hash::from_base64(line).ok_or(RequestError::Hash(proof.len() + 1))?);
        }
        Ok(Self {
            old,
            proof,
            checkpoint: Note::parse(checkpoint.as_bytes())?,
        })
    }

    /// The first line of the checkpoint: which log it is of, as it says.
    pub fn origin(&self) -> &str {
        self.checkpoint.text().split('\n').next().unwrap_or_default()
    }

    /// Decides whether the checkpoint may be cosigned, and answers with it.
    ///
    /// `keys` are those trusted for its origin, none where that log is not known; `last` is what was cosigned of it last.
    pub fn decide(&self, keys: &[VerifierKey], last: Option<&Checkpoint>) -> Result<Checkpoint, Refusal> {
        let keys: Vec<VerifierKey> = keys
            .iter()
            .filter(|key| key.name().as_str() == self.origin())
            .cloned()
            .collect();
        if keys.is_empty() {
            return Err(Refusal::UnknownLog);
        }
        self.checkpoint.verify(&keys).map_err(Refusal::NotSigned)?;
        let checkpoint = Checkpoint::parse(self.checkpoint.text()).map_err(|error| match error {
            CheckpointError::EmptyRoot => Refusal::EmptyRoot,
            error => Refusal::NoCheckpoint(error),
        })?;
        let size = checkpoint.size();
        if self.old > size {
            return Err(Refusal::OldTooLarge { old: self.old, size });
        }
        let (known, root) = last.map_or((0, Hash::empty_root()), |last| (last.size(), *last.root()));
        if self.old != known {
            return Err(Refusal::Conflict(known));
        }
        verify_consistency(self.old, &root, size, checkpoint.root(), &self.proof)
            .map_err(Refusal::Inconsistent)?;
        Ok(checkpoint)
    }
}

impl fmt::Display for AddCheckpoint {
    /// Writes the body of a request.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old)?;
        self.proof
            .iter()
            .try_for_each(|hash| writeln!(f, "{}", hash.to_base64()))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

/// Why a checkpoint is not cosigned.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The witness knows no such log.
    #[error("this witness does not know that log")]
    UnknownLog,
    /// None of the log's keys has signed, or one that claims to has not.
    #[error("the checkpoint is not signed by that log's key")]
    NotSigned(#[source] NoteError),
    /// Signed, and no checkpoint.
    #[error("the note is not a checkpoint")]
    NoCheckpoint(#[source] CheckpointError),
    /// The tree would shrink.
    #[error("the old size {old} is larger than the checkpoint's, {size}")]
    OldTooLarge {
        /// The size in the request.
        old: u64,
        /// The size of the checkpoint.
        size: u64,
    },
    /// The witness has cosigned another size last.
    #[error("the checkpoint that was cosigned last has {0} entries")]
    Conflict(u64),
    /// An empty tree with a root of something.
    #[error("a checkpoint of size 0 has the root of the empty tree")]
    EmptyRoot,
    /// The log contradicts what it showed before: keep the checkpoint, it may be proof of a fork.
    #[error("the checkpoint is not proved to continue the one that was cosigned last")]
    Inconsistent(#[source] ProofError),
}

impl Refusal {
    /// The HTTP status that C2SP tlog-witness gives to it.
    pub fn status(&self) -> u16 {
        match self {
            Self::UnknownLog => 404,
            Self::NotSigned(_) => 403,
            Self::NoCheckpoint(_) | Self::OldTooLarge { .. } => 400,
            Self::Conflict(_) => 409,
            Self::EmptyRoot | Self::Inconsistent(_) => 422,
        }
    }
}

#[cfg(test)]
mod tests;
