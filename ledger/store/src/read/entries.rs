//! Entries and the openings beside them.

use daybook_core::Hash;
use daybook_core::sealed::ReaderClass;
use tokio_postgres::Row;
use uuid::Uuid;

use super::Reader;
use crate::row::{hash, number, parsed, size};
use crate::{StoreError, sql};

/// An entry as the log holds it, with what its event says of its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its index.
    pub index: u64,
    /// Its leaf hash.
    pub leaf: Hash,
    /// Its stream.
    pub stream: String,
    /// Its position there.
    pub seq: u64,
    /// Its author.
    pub author: String,
    /// Its type.
    pub kind: String,
    /// The compact JWS.
    pub event: String,
}

/// The opening of a sealed field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredOpening {
    /// The field.
    pub name: String,
    /// Who may read it.
    pub class: ReaderClass,
    /// Salt, name and value, base64url.
    pub opening: String,
}

impl Reader {
    /// The entry at an index.
    pub async fn entry(&self, index: u64) -> Result<Option<Entry>, StoreError> {
        let row = sql::optional(
            &self.client().await?,
            "-- entry
             SELECT idx, leaf, stream, seq, iss, type, event
             FROM entries
             WHERE idx = $1",
            &[/* index */ &number(index)],
        )
        .await?;
        row.as_ref().map(entry).transpose()
    }

    /// The first entry of each of some streams.
    pub async fn first_entries(&self, streams: &[String]) -> Result<Vec<Entry>, StoreError> {
        let rows = sql::all(
            &self.client().await?,
            "-- first_entries
             SELECT idx, leaf, stream, seq, iss, type, event
             FROM entries
             WHERE stream = ANY ($1) AND seq = 1",
            &[/* streams */ &streams],
        )
        .await?;
        rows.iter().map(entry).collect()
    }

    /// The entries of a few streams, each from a position on, in the order of the log.
    ///
    /// Each stream is read in its own order: one `ORDER BY idx` over all of them tempts the planner into a walk along the
    /// whole log.
    pub async fn entries_of_streams(
        &self,
        streams: &[(String, u64)],
        limit: u16,
    ) -> Result<Vec<Entry>, StoreError> {
        let names: Vec<&str> = streams.iter().map(|(name, _)| name.as_str()).collect();
        let seqs: Vec<i64> = streams.iter().map(|(_, seq)| number(*seq)).collect();
        let rows = sql::all(
            &self.client().await?,
            "-- entries_of_streams
             SELECT e.idx, e.leaf, e.stream, e.seq, e.iss, e.type, e.event
             FROM unnest($1::text[], $2::bigint[]) AS s (stream, seq)
             CROSS JOIN LATERAL (
                 SELECT idx, leaf, stream, seq, iss, type, event
                 FROM entries
                 WHERE stream = s.stream AND seq >= s.seq
                 ORDER BY seq
                 LIMIT $3
             ) AS e
             ORDER BY e.idx
             LIMIT $3",
            &[
                /* streams */ &names,
                /* seqs */ &seqs,
                /* limit */ &i64::from(limit),
            ],
        )
        .await?;
        rows.iter().map(entry).collect()
    }

    /// The index of an entry by its leaf hash.
    pub async fn index_of_leaf(&self, leaf: &Hash) -> Result<Option<u64>, StoreError> {
        let row = sql::optional(
            &self.client().await?,
            "-- index_of_leaf
             SELECT idx
             FROM entries
             WHERE leaf = $1",
            &[/* leaf */ &leaf.as_ref()],
        )
        .await?;
        row.map(|row| size(&row, 0)).transpose()
    }

    /// The index of an entry by its author and the author's own id of it.
    pub async fn index_of_jti(&self, author: &str, jti: Uuid) -> Result<Option<u64>, StoreError> {
        let row = sql::optional(
            &self.client().await?,
            "-- index_of_jti
             SELECT idx
             FROM entries
             WHERE iss = $1 AND jti = $2",
            &[/* author */ &author, /* jti */ &jti],
        )
        .await?;
        row.map(|row| size(&row, 0)).transpose()
    }

    /// All openings of an entry that are still there. Who may read which is the caller's duty.
    pub async fn openings(&self, index: u64) -> Result<Vec<StoredOpening>, StoreError> {
        let rows = sql::all(
            &self.client().await?,
            "-- openings
             SELECT name, class, opening
             FROM openings
             WHERE idx = $1
             ORDER BY name",
            &[/* index */ &number(index)],
        )
        .await?;
        rows.iter()
            .map(|row| {
                let class = parsed(row, 1, "a reader class", ReaderClass::parse)?;
                Ok(StoredOpening {
                    name: row.try_get(0)?,
                    class,
                    opening: row.try_get(2)?,
                })
            })
            .collect()
    }
}

/// An opening whose time ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueOpening {
    /// Its entry.
    pub index: u64,
    /// The entry's leaf hash.
    pub leaf: Hash,
    /// Its digest.
    pub digest: Hash,
    /// Its field.
    pub name: String,
}

impl Reader {
    /// The openings whose time ends within some days, by the database's clock, in the order of their entries.
    pub async fn openings_due(&self, days: u32) -> Result<Vec<DueOpening>, StoreError> {
        let rows = sql::all(
            &self.client().await?,
            "-- openings_due
             SELECT o.idx, e.leaf, o.digest, o.name
             FROM openings AS o
             JOIN entries AS e ON e.idx = o.idx
             WHERE o.retain_until <= now() + make_interval(days => $1)
             ORDER BY o.idx, o.digest",
            &[/* days */ &i32::try_from(days).unwrap_or(i32::MAX)],
        )
        .await?;
        rows.iter()
            .map(|row| {
                Ok(DueOpening {
                    index: size(row, 0)?,
                    leaf: hash(row, 1)?,
                    digest: hash(row, 2)?,
                    name: row.try_get(3)?,
                })
            })
            .collect()
    }
}

/// A row of `idx, leaf, stream, seq, iss, type, event`.
pub(super) fn entry(row: &Row) -> Result<Entry, StoreError> {
    Ok(Entry {
        index: size(row, 0)?,
        leaf: hash(row, 1)?,
        stream: row.try_get(2)?,
        seq: size(row, 3)?,
        author: row.try_get(4)?,
        kind: row.try_get(5)?,
        event: row.try_get(6)?,
    })
}
