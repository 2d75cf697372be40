//! Evidence packs: all that an outsider needs to check what a log says of one job, submission or project, in one zip.
//!
//! A pack is a folder of files, `README.txt` of which says what each is. Some are **taken** from the log: entries, their
//! proofs, the checkpoint, openings, heads. The others are **derived** from these, for people: keys with the entries
//! between which they were valid, rule tables, digests of packets, a page. [`Evidence::verify`] checks what was taken against
//! a trust policy and derives the rest again, so that no part of a pack can be changed unnoticed.
//!
//! The same checkpoint, with the same lines, and the same openings give the same bytes. Nothing here does I/O but [`gather`].

mod derive;
mod files;
pub mod gather;
mod page;
mod replay;
mod verify;
mod zipped;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use daybook_core::Hash;
use daybook_core::event::Event;
use daybook_core::heads::{Absence, Proven};
use daybook_core::id::{IdError, Stream};
use daybook_core::note::Note;
use daybook_core::sealed::Opening;
use uuid::Uuid;

pub use self::files::{Files, PackError};
pub use self::verify::{Line, Verdict};

/// What a pack is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A job, with the submission that made it.
    Job(Uuid),
    /// A submission and its jobs.
    Submission(Uuid),
    /// A project, its page of the register, its submissions and their jobs.
    Project(Uuid),
}

impl Subject {
    /// The stream of that name.
    pub fn stream(self) -> Stream {
        match self {
            Self::Job(id) => Stream::Job(id),
            Self::Submission(id) => Stream::Submission(id),
            Self::Project(id) => Stream::Project(id),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.stream().fmt(f)
    }
}

/// A name is not that of a job, a submission or a project.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubjectError {
    /// Not a stream's name.
    #[error(transparent)]
    Name(#[from] IdError),
    /// Of another kind.
    #[error("a pack is about a job, a submission or a project, not about {0}")]
    Kind(Stream),
}

impl FromStr for Subject {
    type Err = SubjectError;

    fn from_str(text: &str) -> Result<Self, SubjectError> {
        match text.parse()? {
            Stream::Job(id) => Ok(Self::Job(id)),
            Stream::Submission(id) => Ok(Self::Submission(id)),
            Stream::Project(id) => Ok(Self::Project(id)),
            other => Err(SubjectError::Kind(other)),
        }
    }
}

/// One entry of a pack.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The event.
    pub event: Event,
    /// Its inclusion proof in the tree of the pack's checkpoint, from the leaf's sibling upwards.
    pub path: Vec<Hash>,
    /// The openings that the pack shows, in the order of their digests.
    pub openings: Vec<Opening>,
}

/// Where a stream stands in the tree of heads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// It has a last entry there.
    There(Proven),
    /// It has none.
    Absent(Absence),
}

/// What the clerk committed about the streams of a pack: the newest `heads-committed` before the checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The index of that entry, which is in the pack too.
    pub entry: u64,
    /// Each stream's place, by its name.
    pub places: BTreeMap<String, Place>,
}

/// What a pack holds that was taken from a log.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// What it is about.
    pub subject: Subject,
    /// The checkpoint, with every line that it had.
    pub checkpoint: Note,
    /// Entries by their indexes.
    pub entries: BTreeMap<u64, Entry>,
    /// None where the clerk has committed no heads yet.
    pub committed: Option<Committed>,
}

impl Evidence {
    /// Shows openings of entries; those that are none of theirs, or that the log erases, are left out.
    pub fn show(&mut self, openings: impl IntoIterator<Item = (u64, Vec<Opening>)>) {
        let erased = self.erased();
        for (index, openings) in openings {
            let Some(entry) = self.entries.get_mut(&index) else {
                continue;
            };
            let digests: Vec<String> = entry.event.claims().digests().map(str::to_owned).collect();
            let mut shown: BTreeMap<Hash, Opening> = entry
                .openings
                .drain(..)
                .chain(openings)
                .map(|opening| (opening.digest(), opening))
                .collect();
            let leaf = *entry.event.leaf();
            shown.retain(|digest, _| {
                digests.contains(&digest.to_base64url()) && !erased.contains_key(&(leaf, *digest))
            });
            entry.openings = shown.into_values().collect();
        }
    }

    /// The fields that entries of the pack erase, each with the entry that does: leaf hash and digest.
    fn erased(&self) -> BTreeMap<(Hash, Hash), u64> {
        let mut erased = BTreeMap::new();
        for (index, entry) in &self.entries {
            for field in daybook_store::erase::fields_of(*index, &entry.event) {
                erased.entry((field.leaf, field.digest)).or_insert(field.by);
            }
        }
        erased
    }
}
