//! Folding some entries into some views, inside a transaction.

use deadpool_postgres::{GenericClient, Transaction};
use futures::future::try_join_all;
use thiserror::Error;

use super::entry::{Entry, FoldError};
use super::{Fold, MAX_FOLD, View, cursor, known, rests};
use crate::row::{number, size};
use crate::{StoreError, sql};

/// Bytes of the entries of one batch that the projector aims at: what it holds in memory stays bounded.
const MAX_BYTES: u64 = 6 * 1024 * 1024;

/// A view and the schema into which it is folded.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) view: &'a dyn View,
    pub(super) schema: &'a str,
}

/// Why a batch was not folded.
#[derive(Debug, Error)]
pub(super) enum BatchError {
    /// The entries cannot be read, whichever view asks.
    #[error(transparent)]
    Entries(FoldError),
    /// This view cannot fold one of them.
    #[error("the view at {1} cannot fold an entry")]
    View(#[source] FoldError, usize),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What was folded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Folded {
    /// The cursor now.
    pub(super) size: u64,
    /// How many entries the next batch should have at most.
    pub(super) next: u64,
    /// Rows that were written.
    pub(super) rows: usize,
}

/// Folds the entries `from..to`, or as many of them as there are, into views whose cursors stand at `from`.
pub(super) async fn fold(
    tx: &Transaction<'_>,
    into: &[Place<'_>],
    from: u64,
    to: u64,
) -> Result<Folded, BatchError> {
    let (mut entries, next) = entries(tx, from, to).await?;
    let size = entries.last().map_or(from, |last| last.index + 1);
    let mut folded = Folded { size, next, rows: 0 };
    if entries.is_empty() {
        return Ok(folded);
    }
    if into.iter().any(|into| into.view.reads_openings()) {
        rests::add(tx, &mut entries).await?;
    }
    let mut folds: Vec<Box<dyn Fold>> = into.iter().map(|into| into.view.begin()).collect();
    for (nth, fold) in folds.iter_mut().enumerate() {
        for entry in &entries {
            fold.want(entry).map_err(|error| BatchError::View(error, nth))?;
        }
    }
    load(tx, into, &mut folds).await?;
    for (nth, fold) in folds.iter_mut().enumerate() {
        for entry in &entries {
            fold.want_more(entry)
                .map_err(|error| BatchError::View(error, nth))?;
        }
    }
    load(tx, into, &mut folds).await?;
    for (nth, fold) in folds.iter_mut().enumerate() {
        for entry in &entries {
            fold.fold(entry).map_err(|error| BatchError::View(error, nth))?;
        }
    }
    let stores = folds.iter_mut().zip(into).flat_map(|(fold, into)| {
        let tables = fold.tables();
        tables.into_iter().map(|rows| {
            let rows: &_ = rows;
            rows.store(tx, into.schema)
        })
    });
    folded.rows = try_join_all(stores).await?.into_iter().sum();
    let schemas: Vec<String> = into.iter().map(|into| into.schema.to_owned()).collect();
    cursor::move_to(tx, &schemas, size).await?;
    Ok(folded)
}

/// Reads the rows that folds want; nothing is asked where they want none.
async fn load(
    tx: &Transaction<'_>,
    into: &[Place<'_>],
    folds: &mut [Box<dyn Fold>],
) -> Result<(), StoreError> {
    let loads = folds.iter_mut().zip(into).flat_map(|(fold, into)| {
        let tables = fold.tables();
        tables.into_iter().map(|rows| rows.load(tx, into.schema))
    });
    try_join_all(loads).await?;
    Ok(())
}

/// Reads entries, all of a known type and without a gap, and says how many the next batch should have.
async fn entries(client: &impl GenericClient, from: u64, to: u64) -> Result<(Vec<Entry>, u64), BatchError> {
    let rows = sql::all(
        client,
        "-- entries_to_fold
         SELECT idx, leaf, event
         FROM entries
         WHERE idx >= $1 AND idx < $2
         ORDER BY idx",
        &[/* from */ &number(from), /* to */ &number(to)],
    )
    .await
    .map_err(StoreError::from)?;
    let mut entries = Vec::with_capacity(rows.len());
    let mut bytes = 0;
    for (index, row) in (from..).zip(&rows) {
        let event: &str = row.try_get(2).map_err(StoreError::from)?;
        let leaf: &[u8] = row.try_get(1).map_err(StoreError::from)?;
        bytes += event.len() as u64;
        match read(index, size(row, 0)?, leaf, event) {
            Ok(entry) => entries.push(entry),
            // What comes before it is folded first.
            Err(_) if index > from => break,
            Err(error) => return Err(BatchError::Entries(error)),
        }
    }
    let each = bytes.checked_div(entries.len() as u64).unwrap_or(0).max(1);
    Ok((entries, (MAX_BYTES / each).clamp(1, MAX_FOLD)))
}

fn read(index: u64, found: u64, leaf: &[u8], event: &str) -> Result<Entry, FoldError> {
    if found != index {
        return Err(FoldError::Gap { index });
    }
    let entry = Entry::read(index, leaf, event)?;
    known::check(&entry)?;
    Ok(entry)
}
