//! Making and dropping the schemas of views.
//!
//! Schemas are made by the role that logs in, which may create them in its database, and belong to `daybook_view`.

use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, GenericClient};

use super::{View, schema_of, table};
use crate::StoreError;
use crate::error::damaged;

/// Held while missing schemas are made, for a moment. "dbviews" in ASCII.
const MAKING: i64 = 0x64_62_76_69_65_77_73;
/// Held while views are rebuilt, checked or pruned: one process at a time.
const TENDING: i64 = MAKING + 1;

/// Keeps others from tending views until the session ends; `false` where somebody else is at it and goes on being so.
pub(super) async fn tend(client: &Client) -> Result<bool, StoreError> {
    // Whoever freezes in a transaction must not keep every projector from the cursors for ever.
    client
        .batch_execute("SET lock_timeout = '2s'; SET idle_in_transaction_session_timeout = '10s'")
        .await?;
    let taken = client
        .execute(
            "-- tend_views
             SELECT pg_advisory_lock($1)",
            &[/* lock */ &TENDING],
        )
        .await;
    match taken {
        Ok(_) => Ok(true),
        Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Makes the schema of each view that has none yet, empty and at the beginning of the log.
pub(super) async fn ensure(client: &mut Client, views: &[&dyn View]) -> Result<(), StoreError> {
    for view in views {
        if !is_made(client, *view).await? {
            let tx = client.transaction().await?;
            tx.execute(
                "-- lock_making
                 SELECT pg_advisory_xact_lock($1)",
                &[/* lock */ &MAKING],
            )
            .await?;
            // Another hub may have been at it.
            if !is_made(&tx, *view).await? {
                create(&tx, *view, &schema_of(*view), false).await?;
            }
            tx.commit().await?;
        }
    }
    Ok(())
}

/// Whether a view is there; in another shape than this program's it is an error.
async fn is_made(client: &impl GenericClient, view: &dyn View) -> Result<bool, StoreError> {
    let schema = schema_of(view);
    let row = client
        .query_opt(
            "-- shape
             SELECT shape
             FROM view_cursors
             WHERE schema = $1",
            &[/* schema */ &schema],
        )
        .await?;
    match row {
        None => Ok(false),
        Some(row) if row.try_get::<_, &[u8]>(0)? == table::shape(view.tables()).as_ref() => Ok(true),
        Some(_) => Err(damaged(format!(
            "the tables of the view {schema} are not those of this program, which has the same version of it"
        ))),
    }
}

/// Makes the tables of a view in a schema of that name, and its cursor.
pub(super) async fn create(
    tx: &tokio_postgres::Transaction<'_>,
    view: &dyn View,
    schema: &str,
    is_copy: bool,
) -> Result<(), StoreError> {
    let mut sql =
        format!("CREATE SCHEMA {schema} AUTHORIZATION daybook_view;\nSET LOCAL ROLE daybook_view;\n");
    for table in view.tables() {
        sql.push_str(&table.ddl(schema));
    }
    let readers = format!(
        "GRANT USAGE ON SCHEMA {schema} TO daybook_reader;
         GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO daybook_reader;"
    );
    sql.push_str(&readers);
    tx.batch_execute(&sql).await?;
    let version = i32::try_from(view.version()).unwrap_or(i32::MAX);
    tx.execute(
        "-- create_cursor
         INSERT INTO view_cursors (schema, view, version, is_copy, shape, size)
         VALUES ($1, $2, $3, $4, $5, 0)",
        &[
            /* schema */ &schema,
            /* view */ &view.name(),
            /* version */ &version,
            /* is_copy */ &is_copy,
            /* shape */ &table::shape(view.tables()).as_ref(),
        ],
    )
    .await?;
    tx.batch_execute("RESET ROLE").await?;
    Ok(())
}

/// Drops a schema and its cursor, if they are there.
pub(super) async fn drop_schema(
    tx: &tokio_postgres::Transaction<'_>,
    schema: &str,
) -> Result<(), StoreError> {
    tx.execute(
        "-- drop_cursor
         DELETE FROM view_cursors
         WHERE schema = $1",
        &[/* schema */ &schema],
    )
    .await?;
    tx.batch_execute(&format!("DROP SCHEMA IF EXISTS {schema} CASCADE"))
        .await?;
    Ok(())
}
