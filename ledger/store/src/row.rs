//! Reading columns as the types that they hold.

use daybook_core::Hash;
use tokio_postgres::Row;

use crate::StoreError;

/// A size or an index as PostgreSQL holds it. Sizes stay far below 2^63.
pub(crate) fn number(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// A column that holds a size, an index or a position.
pub(crate) fn size(row: &Row, column: usize) -> Result<u64, StoreError> {
    u64::try_from(row.try_get::<_, i64>(column)?).map_err(|_| StoreError::Unreadable("a negative size"))
}

/// A column that holds a digest.
pub(crate) fn hash(row: &Row, column: usize) -> Result<Hash, StoreError> {
    Hash::from_slice(row.try_get(column)?).ok_or(StoreError::Unreadable("a digest that is not 32 bytes"))
}

/// A column that holds text in a form that `parse` reads.
pub(crate) fn parsed<T>(
    row: &Row,
    column: usize,
    what: &'static str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, StoreError> {
    parse(row.try_get(column)?).ok_or(StoreError::Unreadable(what))
}
