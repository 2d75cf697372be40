//! Entries in the order of the log, each held against what the ones before it say.

use std::collections::{BTreeMap, BTreeSet};

use daybook_core::Hash;
use daybook_core::constitution::{Breach, Facts, State, apply, check, valid_key};
use daybook_core::event::{Event, Seen};
use daybook_core::id::{Actor, Stream};
use daybook_core::key::KeyUse;
use daybook_core::tree::{Tiles, inclusion_proof, tiles_for_inclusion, verify_inclusion};

use super::HistoryError;
use crate::client::{Client, Follower};

/// What is known from the entries so far.
#[derive(Default)]
struct Known {
    heads: BTreeMap<Stream, (u64, Hash)>,
    states: BTreeMap<Stream, State>,
    kids: BTreeSet<Hash>,
    seen: BTreeMap<Actor, u64>,
}

impl Facts for Known {
    fn head(&self, stream: &Stream) -> Option<(u64, Hash)> {
        self.heads.get(stream).copied()
    }

    fn state(&self, stream: &Stream) -> Option<&State> {
        self.states.get(stream)
    }

    fn key_was_registered(&self, kid: &Hash) -> bool {
        self.kids.contains(kid)
    }

    fn seen(&self, actor: &Actor) -> u64 {
        self.seen.get(actor).copied().unwrap_or(0)
    }
}

/// Verifies entries of whole streams, in the order of their indexes, against one checkpoint.
pub(super) struct Replay<'a> {
    client: &'a Client,
    origin: String,
    checkpoint: Seen,
    tiles: Tiles,
    known: Known,
}

impl<'a> Replay<'a> {
    pub(super) fn new(client: &'a Client, follower: &Follower) -> Result<Self, HistoryError> {
        let checkpoint = follower.seen().ok_or(HistoryError::NotPublished(0))?;
        Ok(Self {
            client,
            origin: follower.origin().to_owned(),
            checkpoint,
            tiles: Tiles::new(),
            known: Known::default(),
        })
    }

    /// Verifies the next entry: its place in the tree, in its stream, its author's key and signature.
    pub(super) async fn verify(&mut self, index: u64, event: &Event) -> Result<(), HistoryError> {
        self.verify_place(index, event.leaf()).await?;
        let breach = |source: Breach| HistoryError::Breach { index, source };
        let registrations = check(&self.origin, event, &self.known).map_err(breach)?;
        let claims = event.claims();
        let home = self.known.states.get(&claims.iss.home());
        // The events that found a home sign with a key that they register themselves.
        let own = registrations.iter().find(|new| new.kid == *event.kid());
        let key = valid_key(home, &claims.iss, event.kid(), KeyUse::Event).or(own.map(|new| new.key.clone()));
        let key = key.ok_or_else(|| {
            breach(Breach::NotYourKey {
                kid: *event.kid(),
                actor: claims.iss.clone(),
            })
        })?;
        event
            .verify(&key)
            .map_err(|source| HistoryError::Signature { index, source })?;
        let state = self.known.states.entry(claims.sub.clone()).or_default();
        apply(event, &registrations, state);
        self.known.kids.extend(registrations.iter().map(|new| new.kid));
        let head = (claims.seq, *event.leaf());
        self.known.heads.insert(claims.sub.clone(), head);
        if let Some(seen) = claims.seen {
            self.known.seen.insert(claims.iss.clone(), seen.size);
        }
        Ok(())
    }

    async fn verify_place(&mut self, index: u64, leaf: &Hash) -> Result<(), HistoryError> {
        let Seen { root, size } = self.checkpoint;
        let broken = |error: anyhow::Error| HistoryError::Checkpoint(error);
        let wanted = tiles_for_inclusion(index, size).map_err(|error| broken(error.into()))?;
        let missing = wanted
            .into_iter()
            .filter(|(id, _)| !self.tiles.contains_key(id))
            .collect();
        let fetched = self.client.tiles(missing).await.map_err(broken)?;
        self.tiles.extend(fetched);
        let proof = inclusion_proof(index, size, &self.tiles).map_err(|error| broken(error.into()))?;
        verify_inclusion(leaf, index, size, &proof, &root)
            .map_err(|source| HistoryError::NotInTree { index, source })
    }
}
