//! The heads of all streams at one size of the log, as a tree of their own (`heads-committed`).
//!
//! The log's tree shows that an entry is there, and `prev` that nothing before it in its stream was left out. That nothing
//! came after it, or that there is no such stream, follows from this tree alone: RFC 6962, each leaf the RFC 8785 form of
//! `["<stream>",<seq>,"<leaf hash>"]` of a stream's last entry, in the order of the bytes of the streams' names.
//!
//! A root is believed as far as it was recomputed: whoever has all entries can do so. A clerk that committed a wrong one
//! cannot take it back.

use std::fmt;

use serde_json::json;
use thiserror::Error;

use crate::id::Stream;
use crate::tree::{ProofError, verify_inclusion};
use crate::{Hash, canonical};

/// Heads that make no tree, or a proof about one that proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum HeadsError {
    /// A stream has one head.
    #[error("the stream {0} stands there twice")]
    Twice(Stream),
    /// A stream whose state was made by another stream's event has no entry, and so no head.
    #[error("the stream {0} has no entry: a head has seq 1 or more")]
    NoEntry(Stream),
    /// The hashes do not lead to the root.
    #[error("the head of {stream} is not proved")]
    NotThere {
        /// The stream.
        stream: Stream,
        /// What is wrong with the hashes.
        source: ProofError,
    },
    /// Two heads that are not neighbours, or do not stand on either side of the name.
    #[error("these heads leave a place for {0}")]
    NotAround(Stream),
}

/// The last entry of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The stream.
    pub stream: Stream,
    /// The entry's position in it, from 1.
    pub seq: u64,
    /// The entry's leaf hash.
    pub leaf: Hash,
}

impl fmt::Display for Head {
    /// Writes the bytes that are hashed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = json!([self.stream.to_string(), self.seq, self.leaf.to_base64url()]);
        f.write_str(&canonical::text(&value))
    }
}

impl Head {
    /// The hash of the leaf in the tree of heads: `SHA-256(0x00 || bytes)`.
    ///
    /// Who reads heads in order needs no more than a [`crate::tree::RightEdge`] to come to the root of any number.
    pub fn hash(&self) -> Hash {
        Hash::leaf(self.to_string().as_bytes())
    }
}

/// A head with the proof that it stands in the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// The head.
    pub head: Head,
    /// Its place, from 0.
    pub index: u64,
    /// Hashes from the leaf's sibling upwards (RFC 6962 §2.1.1).
    pub path: Vec<Hash>,
}

impl Proven {
    /// Checks it against `streams` and `heads` of a `heads-committed`.
    pub fn verify(&self, streams: u64, heads: &Hash) -> Result<(), HeadsError> {
        verify_inclusion(&self.head.hash(), self.index, streams, &self.path, heads).map_err(|source| {
            HeadsError::NotThere {
                stream: self.head.stream.clone(),
                source,
            }
        })
    }
}

/// The neighbours of a place at which a stream would stand if it had an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Absence {
    /// The head before it; none where it would be the first.
    pub before: Option<Proven>,
    /// The head after it; none where it would be the last.
    pub after: Option<Proven>,
}

impl Absence {
    /// Checks that `stream` has no head in the tree, if the tree is in order.
    pub fn verify(&self, stream: &Stream, streams: u64, heads: &Hash) -> Result<(), HeadsError> {
        let name = stream.to_string();
        let mut place = 0;
        for side in self.before.iter().chain(&self.after) {
            side.verify(streams, heads)?;
        }
        if let Some(before) = &self.before {
            place = before.index.saturating_add(1);
        }
        let is_before = self
            .before
            .as_ref()
            .is_none_or(|side| side.head.stream.to_string() < name);
        let is_after = self.after.as_ref().map_or(place == streams, |side| {
            side.index == place && side.head.stream.to_string() > name
        });
        if is_before && is_after {
            Ok(())
        } else {
            Err(HeadsError::NotAround(stream.clone()))
        }
    }
}

/// All heads at one size of the log, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heads {
    names: Vec<String>,
    sorted: Vec<Head>,
    /// Roots of subtrees that are full: of 2^l leaves at level l, from the left.
    full: Vec<Vec<Hash>>,
}

impl Heads {
    /// Puts heads in order.
    pub fn new(mut heads: Vec<Head>) -> Result<Self, HeadsError> {
        heads.sort_by_cached_key(|head| head.stream.to_string());
        if let Some(head) = heads.iter().find(|head| head.seq == 0) {
            return Err(HeadsError::NoEntry(head.stream.clone()));
        }
        if let Some([twice, _]) = heads.array_windows().find(|[a, b]| a.stream == b.stream) {
            return Err(HeadsError::Twice(twice.stream.clone()));
        }
        let names = heads.iter().map(|head| head.stream.to_string()).collect();
        let mut full: Vec<Vec<Hash>> = vec![heads.iter().map(Head::hash).collect()];
        while let Some(below) = full.last().filter(|below| below.len() > 1) {
            let (pairs, _) = below.as_chunks::<2>();
            let above = pairs
                .iter()
                .map(|[left, right]| Hash::node(left, right))
                .collect();
            full.push(above);
        }
        Ok(Self {
            names,
            sorted: heads,
            full,
        })
    }

    /// The heads in order.
    pub fn as_slice(&self) -> &[Head] {
        &self.sorted
    }

    /// The number of streams that have an entry: `streams` of `heads-committed`.
    pub fn streams(&self) -> u64 {
        self.sorted.len() as u64
    }

    /// The root of the tree: `heads` of `heads-committed`.
    pub fn root(&self) -> Hash {
        self.root_of(0, self.sorted.len())
    }

    /// The stream's head with its proof; none where it has no entry.
    pub fn prove(&self, stream: &Stream) -> Option<Proven> {
        let at = self.names.binary_search(&stream.to_string()).ok()?;
        self.proven(at)
    }

    /// The neighbours that show that the stream has no entry; none where it has one.
    pub fn prove_absence(&self, stream: &Stream) -> Option<Absence> {
        let at = self.names.binary_search(&stream.to_string()).err()?;
        Some(Absence {
            before: at.checked_sub(1).and_then(|at| self.proven(at)),
            after: self.proven(at),
        })
    }

    fn proven(&self, at: usize) -> Option<Proven> {
        let head = self.sorted.get(at)?.clone();
        let (mut from, mut width, mut path) = (0, self.sorted.len(), Vec::new());
        while width > 1 {
            let left = width.next_power_of_two() / 2;
            if at < from + left {
                path.push(self.root_of(from + left, width - left));
                width = left;
            } else {
                path.push(self.root_of(from, left));
                (from, width) = (from + left, width - left);
            }
        }
        path.reverse();
        let index = at as u64;
        Some(Proven { head, index, path })
    }

    /// The root over some leaves (RFC 6962 §2.1), `from` being a place at which a subtree of that width begins.
    fn root_of(&self, from: usize, width: usize) -> Hash {
        if width == 0 {
            return Hash::empty_root();
        }
        if width.is_power_of_two() {
            let level = width.trailing_zeros();
            let full = self
                .full
                .get(level as usize)
                .and_then(|full| full.get(from >> level));
            return full.copied().unwrap_or_else(Hash::empty_root);
        }
        let left = width.next_power_of_two() / 2;
        Hash::node(
            &self.root_of(from, left),
            &self.root_of(from + left, width - left),
        )
    }
}

#[cfg(test)]
mod tests;
