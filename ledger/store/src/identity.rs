//! Which log the database holds, and which server holds the database.

use daybook_core::note::VerifierKey;
use deadpool_postgres::GenericClient;
use tokio_postgres::Client;

use crate::error::damaged;
use crate::row::parsed;
use crate::{StoreError, sql};

/// A log's name and the key of its checkpoints.
#[derive(Clone, Debug, PartialEq)]
pub struct Identity {
    /// The origin.
    pub origin: String,
    /// The key that verifies its checkpoints.
    pub log_key: VerifierKey,
}

/// Names the log in an empty database; does nothing where it is named so already.
pub async fn initialise(client: &Client, identity: &Identity) -> Result<(), StoreError> {
    client
        .execute(
            "-- initialise
             INSERT INTO log_identity (origin, log_key)
             VALUES ($1, $2)
             ON CONFLICT DO NOTHING",
            &[
                /* origin */ &identity.origin,
                /* log_key */ &identity.log_key.to_string(),
            ],
        )
        .await?;
    let row = client
        .query_one(
            "-- identity_after_initialise
             SELECT origin, log_key
             FROM log_identity",
            &[],
        )
        .await?;
    let (origin, log_key): (String, String) = (row.try_get(0)?, row.try_get(1)?);
    if origin == identity.origin && log_key == identity.log_key.to_string() {
        Ok(())
    } else {
        Err(StoreError::OtherLog {
            found: log_key,
            expected: identity.log_key.to_string(),
        })
    }
}

/// Reads which log this is.
pub(crate) async fn read(client: &impl GenericClient) -> Result<Identity, StoreError> {
    let row = sql::optional(
        client,
        "-- identity
         SELECT origin, log_key
         FROM log_identity",
        &[],
    )
    .await?;
    let row = row.ok_or(StoreError::NotInitialised)?;
    let log_key = parsed(&row, 1, "a verifier key", |text| text.parse().ok())?;
    Ok(Identity {
        origin: row.try_get(0)?,
        log_key,
    })
}

/// PostgreSQL's own identity of its files, which a copy, a restore or a promoted standby changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Server {
    pub(crate) system_identifier: String,
    pub(crate) timeline: i32,
}

impl Server {
    pub(crate) async fn read(client: &impl GenericClient) -> Result<Self, StoreError> {
        let row = sql::one(
            client,
            "-- server
             SELECT system_identifier::text, timeline_id
             FROM pg_control_system(), pg_control_checkpoint()",
            &[],
        )
        .await?;
        Ok(Self {
            system_identifier: row.try_get(0)?,
            timeline: row.try_get(1)?,
        })
    }

    /// Stops where the connection now leads to another server than before.
    pub(crate) async fn check(&self, client: &impl GenericClient) -> Result<(), StoreError> {
        let now = Self::read(client).await?;
        if now == *self {
            return Ok(());
        }
        Err(damaged(format!(
            "the server was {self} and is now {now}; a person must say which is the true one"
        )))
    }
}

impl std::fmt::Display for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "system {} timeline {}", self.system_identifier, self.timeline)
    }
}

/// Refuses a server that may forget what it acknowledged.
pub(crate) async fn check_durability(client: &impl GenericClient) -> Result<(), StoreError> {
    for setting in ["fsync", "full_page_writes"] {
        let row = sql::one(
            client,
            "-- setting
             SELECT current_setting($1)",
            &[/* name */ &setting],
        )
        .await?;
        let value: String = row.try_get(0)?;
        if value != "on" {
            return Err(StoreError::Unsafe { setting, value });
        }
    }
    Ok(())
}
