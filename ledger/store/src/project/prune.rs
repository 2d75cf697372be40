//! Which versions of views there are, which of them somebody reads, and dropping the others.

use deadpool_postgres::Object;
use tokio_postgres::Client;

use super::rebuild::ProjectError;
use super::{ViewList, schema, schema_of};
use crate::row::size;
use crate::{Address, StoreError, connect, sql};

/// The first half of the advisory locks by which a running hub says which versions it reads: "view" in ASCII.
const CLAIM: i32 = 0x76_69_65_77;

/// A view as it stands in the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The schema of its tables.
    pub schema: String,
    /// Its name.
    pub view: String,
    /// Its version.
    pub version: u32,
    /// A copy that a rebuild or a check has begun.
    pub is_copy: bool,
    /// Entries that are folded.
    pub size: u64,
    /// Whether this program reads it.
    pub is_ours: bool,
    /// Whether a hub that runs reads it.
    pub is_read: bool,
}

/// Says for as long as this connection lasts that a running hub reads these versions.
pub(super) async fn claim(session: &Object, views: &ViewList) -> Result<(), StoreError> {
    for view in views.iter() {
        sql::all(
            session,
            "-- claim_view
             SELECT pg_advisory_lock_shared($1, hashtext($2))",
            &[
                /* class */ &CLAIM,
                /* schema */ &schema_of(view.as_ref()),
            ],
        )
        .await?;
    }
    Ok(())
}

/// All versions of all views, by schema.
pub async fn list(address: &Address, views: &ViewList) -> Result<Vec<Stored>, ProjectError> {
    Ok(stored(&connect::open(address, "daybook views").await?, views).await?)
}

async fn stored(client: &Client, views: &ViewList) -> Result<Vec<Stored>, StoreError> {
    let ours: Vec<String> = views.iter().map(|view| schema_of(view.as_ref())).collect();
    let rows = client
        .query(
            "-- stored_views
             SELECT c.schema, c.view, c.version, c.is_copy, c.size, EXISTS (
                 SELECT FROM pg_locks AS l
                 WHERE l.locktype = 'advisory'
                     AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
                     AND l.objsubid = 2
                     AND l.classid::bigint = $1::integer::bigint
                     AND l.objid::bigint = hashtext(c.schema)::bigint & 4294967295
             )
             FROM view_cursors AS c
             ORDER BY c.view, c.version, c.is_copy",
            &[/* class */ &CLAIM],
        )
        .await?;
    rows.iter()
        .map(|row| {
            let schema: String = row.try_get(0)?;
            let version = u32::try_from(row.try_get::<_, i32>(2)?);
            Ok(Stored {
                is_ours: ours.contains(&schema),
                schema,
                view: row.try_get(1)?,
                version: version.map_err(|_| StoreError::Unreadable("a view's version"))?,
                is_copy: row.try_get(3)?,
                size: size(row, 4)?,
                is_read: row.try_get(5)?,
            })
        })
        .collect()
}

/// Keeps hubs from beginning to read a version until the transaction ends; `false` where one reads it by now.
async fn keep_out(tx: &tokio_postgres::Transaction<'_>, schema: &str) -> Result<bool, StoreError> {
    let row = tx
        .query_one(
            "-- keep_out
             SELECT pg_try_advisory_xact_lock($1, hashtext($2))",
            &[/* class */ &CLAIM, /* schema */ &schema],
        )
        .await?;
    Ok(row.try_get(0)?)
}

/// Drops these schemas of views and answers with those that it dropped. One that this program or a running hub reads is
/// never dropped, whoever asks.
pub async fn prune(
    address: &Address,
    views: &ViewList,
    schemas: &[String],
) -> Result<Vec<String>, ProjectError> {
    let mut client = connect::open(address, "daybook views").await?;
    if !schema::tend(&client).await? {
        return Err(ProjectError::Busy);
    }
    let mut dropped = Vec::new();
    for stored in stored(&client, views).await? {
        if stored.is_ours || stored.is_read || !schemas.contains(&stored.schema) {
            continue;
        }
        let tx = client.transaction().await.map_err(StoreError::from)?;
        if !keep_out(&tx, &stored.schema).await? {
            continue;
        }
        schema::drop_schema(&tx, &stored.schema).await?;
        tx.commit().await.map_err(StoreError::from)?;
        dropped.push(stored.schema);
    }
    Ok(dropped)
}
