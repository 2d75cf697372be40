//! Reading: entries, streams, proofs, openings and keys. Nothing here can write.

mod entries;
mod heads;
mod many;
mod pages;
mod streams;

use daybook_core::Hash;
use daybook_core::key::PublicKey;
use daybook_core::note::Note;
use daybook_core::proof_file::ProofFile;
use daybook_core::tree::{TileId, encode_bundle};
use deadpool_postgres::{Object, Pool};

pub use self::entries::{DueOpening, Entry, StoredOpening};
pub use self::heads::CommittedHeads;
pub use self::pages::{Filter, Page, WINDOW};
pub use self::streams::StreamHead;
use crate::error::damaged;
use crate::publish::Released;
use crate::row::{hash, number, parsed, size};
use crate::{StoreError, log, sql};

/// Reads the log. Cheap to clone.
#[derive(Clone)]
pub struct Reader {
    pool: Pool,
    shelf: log::Shelf,
}

/// A key that was registered, valid now or not.
#[derive(Clone, Debug)]
pub struct StoredKey {
    /// Its thumbprint.
    pub kid: Hash,
    /// Whose it is.
    pub actor: String,
    /// `event` or `access`.
    pub usage: String,
    /// The key.
    pub key: PublicKey,
    /// The entry that registered it.
    pub index: u64,
}

impl Reader {
    pub(crate) fn new(pool: Pool) -> Self {
        Self {
            pool,
            shelf: log::Shelf::default(),
        }
    }

    /// Reads with connections of its own, where no log is open.
    pub fn connect(address: impl Into<crate::Address>) -> Result<Self, StoreError> {
        Ok(Self::new(crate::connect::reader_pool(&address.into())?))
    }

    async fn client(&self) -> Result<Object, StoreError> {
        Ok(self.pool.get().await?)
    }

    /// A connection that may only read, for the queries of the views; it goes back when it is dropped.
    pub async fn connection(&self) -> Result<Object, StoreError> {
        self.client().await
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sql::one(
            &self.client().await?,
            "-- ping
             SELECT 1",
            &[],
        )
        .await?;
        Ok(())
    }

    /// A key by its thumbprint.
    pub async fn key(&self, kid: &Hash) -> Result<Option<PublicKey>, StoreError> {
        let row = sql::optional(
            &self.client().await?,
            "-- key
             SELECT x
             FROM keys
             WHERE kid = $1",
            &[/* kid */ &kid.as_ref()],
        )
        .await?;
        row.map(|row| public_key(row.try_get(0)?)).transpose()
    }

    /// At most `limit` keys of an actor, or of everybody, in the order of their registration.
    ///
    /// They begin after the key `after` of the entry `from`, or with all of that entry's where `after` is `None`: one entry
    /// may register several.
    pub async fn keys(
        &self,
        actor: Option<&str>,
        from: u64,
        after: Option<&Hash>,
        limit: u16,
    ) -> Result<Vec<StoredKey>, StoreError> {
        // No thumbprint comes before the empty one.
        let after: &[u8] = after.map_or(&[], Hash::as_ref);
        let rows = sql::all(
            &self.client().await?,
            "-- keys
             SELECT kid, actor, use, x, idx
             FROM keys
             WHERE ($1::text IS NULL OR actor = $1) AND (idx, kid) > ($2, $3::bytea)
             ORDER BY idx, kid
             LIMIT $4",
            &[
                /* actor */ &actor,
                /* from */ &number(from),
                /* after */ &after,
                /* limit */ &i64::from(limit),
            ],
        )
        .await?;
        rows.iter()
            .map(|row| {
                Ok(StoredKey {
                    kid: hash(row, 0)?,
                    actor: row.try_get(1)?,
                    usage: row.try_get(2)?,
                    key: public_key(row.try_get(3)?)?,
                    index: size(row, 4)?,
                })
            })
            .collect()
    }

    /// The size of the newest checkpoint that any instance has published; 0 before the first.
    pub async fn published_size(&self) -> Result<u64, StoreError> {
        let row = sql::one(
            &self.client().await?,
            "-- published_size
             SELECT size
             FROM publication",
            &[],
        )
        .await?;
        size(&row, 0)
    }

    /// The root that was published for a size; `None` where no checkpoint of that size was.
    pub async fn checkpoint_root(&self, size: u64) -> Result<Option<Hash>, StoreError> {
        let row = sql::optional(
            &self.client().await?,
            "-- checkpoint_root
             SELECT root
             FROM checkpoints
             WHERE size = $1",
            &[/* size */ &number(size)],
        )
        .await?;
        row.map(|row| hash(&row, 0)).transpose()
    }

    /// The checkpoint that was published for a size, as it was released; `None` where none was.
    pub async fn checkpoint(&self, size: u64) -> Result<Option<Released>, StoreError> {
        crate::witnessed::checkpoint(&self.client().await?, size).await
    }

    /// The first `width` nodes of a tile. Ask only for what a published checkpoint implies.
    pub async fn tile(&self, id: TileId, width: u16) -> Result<Vec<Hash>, StoreError> {
        log::tile(&self.client().await?, id, width).await
    }

    /// The entry bundle `n` cut at `width` entries. Ask only for what a published checkpoint implies.
    pub async fn bundle(&self, n: u64, width: u16) -> Result<Vec<u8>, StoreError> {
        let first = n * 256;
        let events = log::events(&self.client().await?, first, first + u64::from(width)).await?;
        encode_bundle(&events).map_err(|error| damaged(error.to_string()))
    }

    /// The proof of an entry against a published checkpoint; `None` where that has no such entry.
    pub async fn proof(&self, index: u64, released: &Released) -> Result<Option<ProofFile>, StoreError> {
        let path = self
            .shelf
            .inclusion(&self.pool, index, released.head.size)
            .await?;
        let Some(path) = path else { return Ok(None) };
        let note = Note::parse(released.note.as_bytes()).map_err(|error| damaged(error.to_string()))?;
        let proof = ProofFile::new(index, path, note).map_err(|error| damaged(error.to_string()))?;
        Ok(Some(proof))
    }

    /// The root over the first `size` entries. Ask only for what was published.
    pub async fn root(&self, size: u64) -> Result<Hash, StoreError> {
        log::root(&self.client().await?, size).await
    }

    /// The consistency proof between two published sizes; `None` where the old one is the larger.
    pub async fn consistency(&self, old: u64, new: u64) -> Result<Option<Vec<Hash>>, StoreError> {
        log::consistency(&self.client().await?, old, new).await
    }

    /// The rule table that was adopted under that hash, as canonical JSON.
    pub async fn rules(&self, wanted: &Hash) -> Result<Option<String>, StoreError> {
        let rows = sql::all(
            &self.client().await?,
            "-- adopted_tables
             SELECT event
             FROM entries
             WHERE stream = 'federation' AND type = 'policy-adopted'
             ORDER BY seq DESC",
            &[],
        )
        .await?;
        for row in &rows {
            let table = parsed(row, 0, "a `policy-adopted` event", |text| {
                let event = daybook_core::event::Event::parse(text).ok()?;
                Some(daybook_core::canonical::text(event.claims().data.get("table")?))
            })?;
            if Hash::of(table.as_bytes()) == *wanted {
                return Ok(Some(table));
            }
        }
        Ok(None)
    }
}

fn public_key(bytes: &[u8]) -> Result<PublicKey, StoreError> {
    let key = bytes
        .try_into()
        .ok()
        .and_then(|bytes| PublicKey::from_bytes(bytes).ok());
    key.ok_or(StoreError::Unreadable("a public key"))
}
