//! The rule table in force: the one in the last `policy-adopted` entry.

use daybook_core::event::Event;
use daybook_rules::Table;
use deadpool_postgres::GenericClient;

use crate::error::damaged;
use crate::{StoreError, sql};

/// Reads the table in force; before the first is adopted, the one that this program ships, which judges only that.
pub(crate) async fn in_force(client: &impl GenericClient) -> Result<Table, StoreError> {
    let row = sql::optional(
        client,
        "-- table_in_force
         SELECT event
         FROM entries
         WHERE stream = 'federation' AND type = 'policy-adopted'
         ORDER BY seq DESC
         LIMIT 1",
        &[],
    )
    .await?;
    let Some(row) = row else {
        return Ok(Table::v1().clone());
    };
    let event = Event::parse(row.try_get(0)?).map_err(|error| damaged(error.to_string()))?;
    let table = event
        .claims()
        .data
        .get("table")
        .ok_or_else(|| damaged("a `policy-adopted` without a table"))?;
    Table::from_value(table).map_err(|_| StoreError::Unreadable("a rule table"))
}
