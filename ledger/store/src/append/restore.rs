//! Filling an empty database from a copy of its log: the same judge and the same transaction as an append, without a door.
//!
//! Nothing is asked that only held at the time: no clock, no required opening, no checkpoint that an author has seen. That
//! the entries are the log's own is the caller's to know, by the root that the log has signed over all of them.

use std::sync::Arc;

use daybook_core::event::Event;
use daybook_core::note::NoteSigner;
use daybook_core::sealed::Opening;
use daybook_core::tree::RightEdge;
use deadpool_postgres::Pool;
use thiserror::Error;

use super::batch::{Judged, Known, Needs};
use super::sequencer::{begin, commit};
use super::write::{self, Heads};
use super::{AppendError, Candidate, MAX_BATCH};
use crate::error::damaged;
use crate::log::{self, TreeHead};
use crate::policy::InForce;
use crate::{Address, StoreError, connect, identity, publish};

/// Why a database cannot be filled.
#[derive(Debug, Error)]
pub enum RestoreError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An entry that the rules of this program refuse.
    #[error("the entry {index} is refused")]
    Refused {
        /// Which.
        index: u64,
        /// Why.
        source: AppendError,
    },
}

impl From<deadpool_postgres::PoolError> for RestoreError {
    fn from(error: deadpool_postgres::PoolError) -> Self {
        Self::Store(error.into())
    }
}

/// A database that is being filled. Nobody else writes to it.
pub struct Restoring {
    pool: Pool,
    origin: String,
    edge: RightEdge,
    policy: InForce,
}

impl Restoring {
    /// Begins, or goes on where it was broken off. The database is migrated and names this log.
    pub async fn open(address: &Address, origin: &str, signer: &NoteSigner) -> Result<Self, RestoreError> {
        let pool = connect::writer_pool(address)?;
        let mut client = pool.get().await?;
        identity::check(&client, origin, signer.verifier()).await?;
        let head = log::locked_head(&mut client).await?;
        let edge = log::right_edge(&client, head.size).await?;
        if edge.root() != head.root {
            return Err(damaged("the entries do not give the root of the head").into());
        }
        let policy = InForce::load(&client).await?;
        drop(client);
        Ok(Self {
            pool,
            origin: origin.to_owned(),
            edge,
            policy,
        })
    }

    /// The entries that are there, and their root.
    pub fn head(&self) -> TreeHead {
        TreeHead {
            size: self.edge.size(),
            root: self.edge.root(),
        }
    }

    /// Takes the next entries, each with the openings that are there; those that are none of its own are passed over.
    pub async fn take(&mut self, entries: Vec<(Event, Vec<Opening>)>) -> Result<(), RestoreError> {
        let candidates: Vec<Arc<Candidate>> = entries
            .into_iter()
            .map(|(event, openings)| Arc::new(Candidate { event, openings }))
            .collect();
        let mut rest = candidates.as_slice();
        while !rest.is_empty() {
            let taken = self.batch(&rest[..rest.len().min(MAX_BATCH)]).await?;
            rest = &rest[taken..];
        }
        Ok(())
    }

    async fn batch(&mut self, candidates: &[Arc<Candidate>]) -> Result<usize, RestoreError> {
        let client = self.pool.get().await?;
        begin(&client).await?;
        let head = write::lock_head(&client).await?;
        if head != self.head() {
            return Err(damaged("somebody else writes to this database").into());
        }
        let needs = Needs::of(
            &self.policy.table,
            candidates.iter().map(|candidate| &candidate.event),
        );
        let mut known = write::load_more(&client, &needs, Known::default()).await?;
        let mut judged = Judged::restoring();
        judged.judge(
            &self.origin,
            &self.policy.table,
            head.size,
            &mut known,
            candidates,
        );
        let mut edge = self.edge.clone();
        let leaves = judged.accepted.iter().map(|new| *new.event().leaf());
        let tiles: Vec<_> = leaves.flat_map(|leaf| edge.append(leaf)).collect();
        let new = TreeHead {
            size: edge.size(),
            root: edge.root(),
        };
        let taken = judged.answers.len();
        if let Some(at) = judged.answers.iter().position(Result::is_err) {
            let index = head.size + at as u64;
            let refused = judged.answers.swap_remove(at);
            return match refused {
                Err(source) => Err(RestoreError::Refused { index, source }),
                Ok(_) => Ok(0),
            };
        }
        if new.size != head.size + taken as u64 {
            return Err(damaged("the copy holds an entry twice").into());
        }
        let heads = Heads::of(&judged, &known);
        write::store(&client, &judged, &heads, &tiles, head, new).await?;
        commit(&client).await?;
        if judged.adopts
            && let Some(last) = judged.accepted.last()
        {
            self.policy.adopt(last.event())?;
        }
        self.edge = edge;
        Ok(taken)
    }

    /// Puts the checkpoints back that authors have seen, so that they may go on from them. Ed25519 signs the same text with the
    /// same key to the same bytes: these are the notes that were published then, without cosignatures.
    pub async fn republish(&self, signer: &NoteSigner, seen: &[TreeHead]) -> Result<(), RestoreError> {
        let client = self.pool.get().await?;
        for head in seen.iter().filter(|head| head.size <= self.edge.size()) {
            if log::root(&client, head.size).await? == head.root {
                publish::put_back(&client, signer, &self.origin, *head).await?;
            }
        }
        Ok(())
    }
}
