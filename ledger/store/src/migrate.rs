//! Migrations: numbered SQL, only ever added, run by one process at a time.

use tokio_postgres::Client;

use crate::{Address, StoreError, connect};

mod embedded {
    refinery::embed_migrations!("../../migrations");
}

/// Any number that no other program takes as an advisory lock: "daybook" in ASCII.
const LOCK: i64 = 0x64_61_79_62_6f_6f_6b;

/// The newest schema version that this program knows.
pub fn newest() -> i32 {
    let runner = embedded::migrations::runner();
    runner
        .get_migrations()
        .iter()
        .map(refinery::Migration::version)
        .max()
        .unwrap_or(0)
}

/// Brings the schema up to date and answers with its version. Safe to run from several processes at once.
pub async fn migrate(address: impl Into<Address>) -> Result<i32, StoreError> {
    let address = address.into();
    // The lock below belongs to a session.
    connect::refuse_pooler(&address).await?;
    let mut client = connect::open(&address, "daybook migrate").await?;
    lock_migrations(&client).await?;
    check_window(&client, version(&client).await?).await?;
    // An older program beside a newer schema must be able to start: see `check_schema`.
    let runner = embedded::migrations::runner().set_abort_missing(false);
    runner.run_async(&mut client).await?;
    grant_roles(&client).await?;
    version(&client).await
}

/// Refuses a schema older than this program needs, and a newer one that takes away what this program needs.
pub(crate) async fn check_schema(client: &Client) -> Result<i32, StoreError> {
    let (found, needed) = (version(client).await?, newest());
    if found < needed {
        let remedy = "run `daybook migrate`";
        return Err(StoreError::Schema {
            found,
            needed,
            remedy,
        });
    }
    check_window(client, found).await?;
    Ok(found)
}

/// The window: the oldest program that may run on this schema.
async fn check_window(client: &Client, found: i32) -> Result<(), StoreError> {
    let known = newest();
    if found <= known {
        return Ok(());
    }
    let row = client
        .query_one(
            "-- schema_window
             SELECT min_binary_schema
             FROM schema_window",
            &[],
        )
        .await?;
    let oldest: i32 = row.try_get(0)?;
    if oldest > known {
        return Err(StoreError::TooOld { found, oldest, known });
    }
    Ok(())
}

async fn lock_migrations(client: &Client) -> Result<(), StoreError> {
    client
        .execute(
            "-- lock_migrations
             SELECT pg_advisory_lock($1)",
            &[/* lock */ &LOCK],
        )
        .await?;
    Ok(())
}

/// Lets whoever migrated take the roles, and the roles see which schema they meet.
async fn grant_roles(client: &Client) -> Result<(), StoreError> {
    client
        .batch_execute(
            "GRANT SELECT ON refinery_schema_history TO daybook_log, daybook_reader;
             GRANT daybook_log, daybook_reader, daybook_view TO CURRENT_USER",
        )
        .await?;
    Ok(())
}

async fn version(client: &Client) -> Result<i32, StoreError> {
    let there = client
        .query_one(
            "-- schema_history_exists
             SELECT to_regclass('refinery_schema_history') IS NOT NULL",
            &[],
        )
        .await?;
    if !there.try_get::<_, bool>(0)? {
        return Ok(0);
    }
    let row = client
        .query_one(
            "-- schema_version
             SELECT coalesce(max(version), 0)
             FROM refinery_schema_history",
            &[],
        )
        .await?;
    Ok(row.try_get(0)?)
}
