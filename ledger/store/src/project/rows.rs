//! The rows of one table that a batch looks at and changes.

use std::collections::{BTreeMap, BTreeSet};

use deadpool_postgres::Transaction;
use futures::future::BoxFuture;
use tokio_postgres::types::ToSql;

use super::cell::Cell;
use super::entry::{Entry, FoldError};
use super::table::Table;
use crate::{StoreError, sql};

/// The values of one column of several rows, as they travel.
pub type Array<'a> = Box<dyn ToSql + Sync + Send + 'a>;

/// Collects the values of a column.
pub fn array<'a, C: Cell + 'a>(values: impl Iterator<Item = &'a C>) -> Array<'a> {
    Box::new(values.map(Cell::send).collect::<Vec<_>>())
}

/// The columns of a row, read one after the other.
pub struct Columns<'a> {
    row: &'a tokio_postgres::Row,
    at: usize,
}

impl<'a> Columns<'a> {
    /// Begins at a column.
    pub fn new(row: &'a tokio_postgres::Row, at: usize) -> Self {
        Self { row, at }
    }

    /// The next column.
    #[expect(
        clippy::should_implement_trait,
        reason = "each column has a type of its own, which no iterator can have"
    )]
    pub fn next<C: Cell>(&mut self) -> Result<C, StoreError> {
        self.at += 1;
        Ok(C::read(self.row, self.at - 1)?)
    }
}

/// A primary key: one to three columns.
pub trait Key: Ord + Clone + Send + Sync + 'static {
    /// The values of each column.
    fn arrays<'a>(keys: &[&'a Self]) -> Vec<Array<'a>>;
}

impl<A: Cell + Ord + Clone + Send + Sync + 'static> Key for (A,) {
    fn arrays<'a>(keys: &[&'a Self]) -> Vec<Array<'a>> {
        vec![array(keys.iter().map(|key| &key.0))]
    }
}

impl<A, B> Key for (A, B)
where
    A: Cell + Ord + Clone + Send + Sync + 'static,
    B: Cell + Ord + Clone + Send + Sync + 'static,
{
    fn arrays<'a>(keys: &[&'a Self]) -> Vec<Array<'a>> {
        vec![
            array(keys.iter().map(|key| &key.0)),
            array(keys.iter().map(|key| &key.1)),
        ]
    }
}

impl<A, B, C> Key for (A, B, C)
where
    A: Cell + Ord + Clone + Send + Sync + 'static,
    B: Cell + Ord + Clone + Send + Sync + 'static,
    C: Cell + Ord + Clone + Send + Sync + 'static,
{
    fn arrays<'a>(keys: &[&'a Self]) -> Vec<Array<'a>> {
        vec![
            array(keys.iter().map(|key| &key.0)),
            array(keys.iter().map(|key| &key.1)),
            array(keys.iter().map(|key| &key.2)),
        ]
    }
}

/// A row of a view's table; [`crate::rows!`] implements it.
pub trait Row: Clone + PartialEq + Send + Sync + 'static {
    /// Its primary key.
    type Key: Key;
    /// Its table.
    const TABLE: &'static Table;
    /// Its key.
    fn key(&self) -> Self::Key;
    /// Reads a row, whose columns are selected in their order.
    fn read(columns: &mut Columns<'_>) -> Result<Self, StoreError>;
    /// The values of each column.
    fn arrays<'a>(rows: &[&'a Self]) -> Vec<Array<'a>>;
}

/// Rows of any one table, as the engine loads and writes them.
pub trait AnyRows: Send {
    /// Reads the wanted rows.
    fn load<'a>(
        &'a mut self,
        tx: &'a Transaction<'_>,
        schema: &'a str,
    ) -> BoxFuture<'a, Result<(), StoreError>>;
    /// Writes the changed rows and answers with their number.
    fn store<'a>(
        &'a self,
        tx: &'a Transaction<'_>,
        schema: &'a str,
    ) -> BoxFuture<'a, Result<usize, StoreError>>;
}

struct Held<R> {
    row: R,
    is_changed: bool,
}

/// The rows of one table: those that were wanted and found, and those that the batch made.
pub struct Rows<R: Row> {
    wanted: BTreeSet<R::Key>,
    wanted_by: BTreeMap<&'static str, BTreeSet<String>>,
    held: BTreeMap<R::Key, Held<R>>,
}

impl<R: Row> Default for Rows<R> {
    fn default() -> Self {
        Self {
            wanted: BTreeSet::new(),
            wanted_by: BTreeMap::new(),
            held: BTreeMap::new(),
        }
    }
}

impl<R: Row> Rows<R> {
    /// Says that the row of this key will be looked at.
    pub fn want(&mut self, key: R::Key) {
        self.wanted.insert(key);
    }

    /// Says that all rows with this text in a column will be looked at.
    pub fn want_by(&mut self, column: &'static str, value: String) {
        self.wanted_by.entry(column).or_default().insert(value);
    }

    /// The row of a key that was wanted, or made in this batch.
    pub fn get(&self, key: &R::Key) -> Option<&R> {
        self.held.get(key).map(|held| &held.row)
    }

    /// Every row that was wanted and found, or made in this batch.
    pub fn held(&self) -> impl Iterator<Item = &R> {
        self.held.values().map(|held| &held.row)
    }

    /// Makes a row, or replaces it.
    pub fn put(&mut self, row: R) {
        let is_changed = true;
        self.held.insert(row.key(), Held { row, is_changed });
    }

    /// Changes the row of a key that was wanted; that there is none is an error of the entry.
    pub fn change(
        &mut self,
        key: &R::Key,
        entry: &Entry,
        change: impl FnOnce(&mut R) -> Result<(), FoldError>,
    ) -> Result<(), FoldError> {
        let held = self
            .held
            .get_mut(key)
            .ok_or_else(|| entry.missing(R::TABLE.name))?;
        held.is_changed = true;
        change(&mut held.row)
    }

    /// Changes each row for which `change` says that it did.
    pub fn change_each(&mut self, mut change: impl FnMut(&mut R) -> bool) {
        for held in self.held.values_mut() {
            if change(&mut held.row) {
                held.is_changed = true;
            }
        }
    }

    fn hold(&mut self, found: &[tokio_postgres::Row]) -> Result<(), StoreError> {
        for row in found {
            let row = R::read(&mut Columns::new(row, 0))?;
            let is_changed = false;
            self.held.insert(row.key(), Held { row, is_changed });
        }
        Ok(())
    }
}

impl<R: Row> AnyRows for Rows<R> {
    fn load<'a>(
        &'a mut self,
        tx: &'a Transaction<'_>,
        schema: &'a str,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let wanted = std::mem::take(&mut self.wanted);
            if !wanted.is_empty() {
                let keys: Vec<&R::Key> = wanted.iter().collect();
                let arrays = R::Key::arrays(&keys);
                let found = sql::all(tx, &R::TABLE.load(schema), &params(&arrays)).await?;
                self.hold(&found)?;
            }
            for (column, values) in std::mem::take(&mut self.wanted_by) {
                let values: Vec<String> = values.into_iter().collect();
                let sql = R::TABLE.load_by(schema, column);
                let found = sql::all(tx, &sql, &[/* values */ &values]).await?;
                self.hold(&found)?;
            }
            Ok(())
        })
    }

    fn store<'a>(
        &'a self,
        tx: &'a Transaction<'_>,
        schema: &'a str,
    ) -> BoxFuture<'a, Result<usize, StoreError>> {
        Box::pin(async move {
            let changed: Vec<&R> = self
                .held
                .values()
                .filter(|held| held.is_changed)
                .map(|held| &held.row)
                .collect();
            if !changed.is_empty() {
                let arrays = R::arrays(&changed);
                sql::execute(tx, &R::TABLE.upsert(schema), &params(&arrays)).await?;
            }
            Ok(changed.len())
        })
    }
}

fn params<'a>(arrays: &'a [Array<'_>]) -> Vec<&'a (dyn ToSql + Sync)> {
    arrays
        .iter()
        .map(|array| -> &'a (dyn ToSql + Sync) { array.as_ref() })
        .collect()
}
