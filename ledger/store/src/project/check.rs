//! Comparing two copies of a table, row for row, in bounded memory.

use std::fmt;
use std::pin::pin;

use futures::{Stream, TryStreamExt as _};
use tokio_postgres::{Client, Error, Row, Transaction};

use super::Table;
use crate::StoreError;

/// The first row in which a live view is not what the log says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The table.
    pub table: &'static str,
    /// What the live view holds there: the row's key and its text. None where it has no more rows.
    pub live: Option<(String, String)>,
    /// What the log says.
    pub expected: Option<(String, String)>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = self.table;
        match (&self.live, &self.expected) {
            (Some((key, live)), Some((other, expected))) if key == other => {
                write!(
                    f,
                    "{table} {key}: the view has {live}, and the log says {expected}"
                )
            }
            // Rows come in the order of their keys, so the one that only one side has is next to the other's.
            (live, expected) => {
                let row = |row: &Option<(String, String)>| {
                    row.as_ref()
                        .map_or("no more rows".to_owned(), |(key, row)| format!("{key} {row}"))
                };
                write!(
                    f,
                    "{table}: a row is missing or too many: the view goes on with {}, and the log with {}",
                    row(live),
                    row(expected)
                )
            }
        }
    }
}

/// The first difference between two walks over a table.
pub(super) async fn first(
    live: &Transaction<'_>,
    live_sql: &str,
    copy: &Client,
    copy_sql: &str,
    table: &'static Table,
) -> Result<Option<Difference>, StoreError> {
    let none = std::iter::empty::<&str>;
    let mut live = pin!(live.query_raw(live_sql, none()).await?);
    let mut copy = pin!(copy.query_raw(copy_sql, none()).await?);
    loop {
        let (found, expected) = (next(&mut live).await?, next(&mut copy).await?);
        if found != expected {
            return Ok(Some(Difference {
                table: table.name,
                live: found,
                expected,
            }));
        }
        if found.is_none() {
            return Ok(None);
        }
    }
}

async fn next(
    rows: &mut (impl Stream<Item = Result<Row, Error>> + Unpin),
) -> Result<Option<(String, String)>, StoreError> {
    let row = rows.try_next().await?;
    let texts = |row: Row| Ok((row.try_get(0)?, row.try_get(1)?));
    row.map(texts).transpose()
}
