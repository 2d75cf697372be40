//! The cursors: how far each view has come.

use deadpool_postgres::{GenericClient, Transaction};

use crate::row::{number, size};
use crate::{StoreError, sql};

/// The cursors of these schemas that nobody else holds, locked; by schema.
pub(super) async fn lock_free(
    tx: &Transaction<'_>,
    schemas: &[String],
) -> Result<Vec<(String, u64)>, StoreError> {
    let rows = sql::all(
        tx,
        "-- lock_free_cursors
         SELECT schema, size
         FROM view_cursors
         WHERE schema = ANY ($1)
         ORDER BY schema
         FOR UPDATE SKIP LOCKED",
        &[/* schemas */ &schemas],
    )
    .await?;
    rows.iter()
        .map(|row| Ok((row.try_get(0)?, size(row, 1)?)))
        .collect()
}

/// All cursors as they are now, by schema.
pub(super) async fn all(client: &impl GenericClient) -> Result<Vec<(String, u64)>, StoreError> {
    let rows = sql::all(
        client,
        "-- cursors
         SELECT schema, size
         FROM view_cursors
         ORDER BY schema",
        &[],
    )
    .await?;
    rows.iter()
        .map(|row| Ok((row.try_get(0)?, size(row, 1)?)))
        .collect()
}

/// Moves the cursors of these schemas.
pub(super) async fn move_to(tx: &Transaction<'_>, schemas: &[String], to: u64) -> Result<(), StoreError> {
    sql::execute(
        tx,
        "-- move_cursors
         UPDATE view_cursors
         SET size = $2
         WHERE schema = ANY ($1)",
        &[/* schemas */ &schemas, /* to */ &number(to)],
    )
    .await?;
    Ok(())
}
