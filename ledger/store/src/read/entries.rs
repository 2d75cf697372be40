//! Entries and the openings beside them.

use daybook_core::Hash;
use daybook_core::sealed::ReaderClass;
use tokio_postgres::Row;
use uuid::Uuid;

use super::Reader;
use crate::row::{hash, number, parsed, size};
use crate::{StoreError, sql};

/// An entry as the log holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its index.
    pub index: u64,
    /// Its leaf hash.
    pub leaf: Hash,
    /// The compact JWS.
    pub event: String,
}

/// Which entries are wanted. What is `None` does not matter.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only of this stream.
    pub stream: Option<String>,
    /// Only by this author.
    pub author: Option<String>,
    /// Only of this type.
    pub kind: Option<String>,
    /// From this index on.
    pub from: u64,
    /// Before this index.
    pub before: u64,
    /// At most so many.
    pub limit: u16,
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
             SELECT idx, leaf, event
             FROM entries
             WHERE idx = $1",
            &[/* index */ &number(index)],
        )
        .await?;
        row.as_ref().map(entry).transpose()
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

    /// Entries in the order of the log.
    pub async fn entries(&self, filter: &Filter) -> Result<Vec<Entry>, StoreError> {
        let rows = sql::all(
            &self.client().await?,
            "-- entries
             SELECT idx, leaf, event
             FROM entries
             WHERE idx >= $1
                 AND idx < $2
                 AND ($3::text IS NULL OR stream = $3)
                 AND ($4::text IS NULL OR iss = $4)
                 AND ($5::text IS NULL OR type = $5)
             ORDER BY idx
             LIMIT $6",
            &[
                /* from */ &number(filter.from),
                /* before */ &number(filter.before),
                /* stream */ &filter.stream,
                /* author */ &filter.author,
                /* type */ &filter.kind,
                /* limit */ &i64::from(filter.limit),
            ],
        )
        .await?;
        rows.iter().map(entry).collect()
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

fn entry(row: &Row) -> Result<Entry, StoreError> {
    Ok(Entry {
        index: size(row, 0)?,
        leaf: hash(row, 1)?,
        event: row.try_get(2)?,
    })
}
