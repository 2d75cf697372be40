//! Many look-ups in one question: what a batch of events needs to know at the door.

use std::collections::HashMap;

use daybook_core::Hash;
use daybook_core::id::Actor;
use daybook_core::key::PublicKey;

use super::{Reader, public_key};
use crate::row::{hash, number, parsed, size};
use crate::{StoreError, sql};

impl Reader {
    /// The keys of some thumbprints, as far as they were ever registered, each with whose it is for ever.
    pub(crate) async fn keys_of(
        &self,
        kids: &[Hash],
    ) -> Result<HashMap<Hash, (PublicKey, Actor)>, StoreError> {
        let kids: Vec<&[u8]> = kids.iter().map(Hash::as_ref).collect();
        let rows = sql::all(
            &self.client().await?,
            "-- keys_of
             SELECT kid, x, actor
             FROM keys
             WHERE kid = ANY ($1)",
            &[/* kids */ &kids],
        )
        .await?;
        rows.iter()
            .map(|row| {
                let actor = parsed(row, 2, "an actor", |text| text.parse().ok())?;
                Ok((hash(row, 0)?, (public_key(row.try_get(1)?)?, actor)))
            })
            .collect()
    }

    /// The roots of some sizes, as far as checkpoints of them were published.
    pub(crate) async fn checkpoint_roots(&self, sizes: &[u64]) -> Result<HashMap<u64, Hash>, StoreError> {
        let sizes: Vec<i64> = sizes.iter().copied().map(number).collect();
        let rows = sql::all(
            &self.client().await?,
            "-- checkpoint_roots
             SELECT size, root
             FROM checkpoints
             WHERE size = ANY ($1)",
            &[/* sizes */ &sizes],
        )
        .await?;
        rows.iter()
            .map(|row| Ok((size(row, 0)?, hash(row, 1)?)))
            .collect()
    }

    /// Which of some leaf hashes stand in the log.
    pub(crate) async fn known_leaves(&self, leaves: &[Hash]) -> Result<Vec<Hash>, StoreError> {
        let leaves: Vec<&[u8]> = leaves.iter().map(Hash::as_ref).collect();
        let rows = sql::all(
            &self.client().await?,
            "-- known_leaves
             SELECT leaf
             FROM entries
             WHERE leaf = ANY ($1)",
            &[/* leaves */ &leaves],
        )
        .await?;
        rows.iter().map(|row| hash(row, 0)).collect()
    }
}
