//! The rule table in force: the one in the last `policy-adopted` entry.

use daybook_core::Hash;
use daybook_core::event::Event;
use daybook_rules::Table;
use deadpool_postgres::GenericClient;

use crate::error::damaged;
use crate::row::hash;
use crate::{StoreError, sql};

/// A rule table and the entry that adopted it.
pub(crate) struct InForce {
    /// Leaf hash of the entry; none before the first is adopted.
    leaf: Option<Hash>,
    /// The table; before the first is adopted, the one that this program ships, which judges only that.
    pub(crate) table: Table,
}

impl InForce {
    /// Reads the table in force.
    pub(crate) async fn load(client: &impl GenericClient) -> Result<Self, StoreError> {
        let mut shipped = Self {
            leaf: None,
            table: Table::v1().clone(),
        };
        shipped.follow(client).await?;
        Ok(shipped)
    }

    /// Takes up what another instance has adopted.
    pub(crate) async fn follow(&mut self, client: &impl GenericClient) -> Result<(), StoreError> {
        let row = sql::optional(
            client,
            "-- last_adoption
             SELECT leaf
             FROM entries
             WHERE stream = 'federation' AND type = 'policy-adopted'
             ORDER BY seq DESC
             LIMIT 1",
            &[],
        )
        .await?;
        let last = row.map(|row| hash(&row, 0)).transpose()?;
        match last {
            Some(leaf) if self.leaf != Some(leaf) => {
                let row = sql::one(
                    client,
                    "-- adopted_table
                     SELECT event
                     FROM entries
                     WHERE leaf = $1",
                    &[/* leaf */ &leaf.as_ref()],
                )
                .await?;
                let event = Event::parse(row.try_get(0)?).map_err(|error| damaged(error.to_string()))?;
                self.adopt(&event)
            }
            _ => Ok(()),
        }
    }

    /// Takes up the table of a `policy-adopted` event that was appended.
    pub(crate) fn adopt(&mut self, event: &Event) -> Result<(), StoreError> {
        let table = event
            .claims()
            .data
            .get("table")
            .ok_or_else(|| damaged("a `policy-adopted` without a table"))?;
        self.table = Table::from_value(table).map_err(|_| StoreError::Unreadable("a rule table"))?;
        self.leaf = Some(*event.leaf());
        Ok(())
    }
}
