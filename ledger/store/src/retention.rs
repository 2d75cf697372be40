//! Openings go by themselves when the time for which their class is kept has ended.
//!
//! No event says so, for `fields-erased` is the operator's to sign: the rule table in the log says for how long each class
//! is kept, and a restored copy brings the times back with the rows. See decision 0022.

use std::time::Duration;

use deadpool_postgres::{GenericClient, Pool};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{Address, StoreError, connect, sql};

/// How often it is looked.
const EVERY: Duration = Duration::from_mins(15);
/// Openings that one statement deletes.
const PAGE: i64 = 1_000;

/// Deletes what is over its time, while a hub runs.
#[derive(Clone)]
pub struct Retention {
    pool: Pool,
}

impl Retention {
    pub(crate) fn new(pool: Pool) -> Self {
        Self { pool }
    }

    /// Looks until told to stop. Several hubs do no harm to each other.
    pub async fn run(self, stop: CancellationToken) {
        let mut every = tokio::time::interval(EVERY);
        loop {
            tokio::select! {
                _ = every.tick() => {}
                () = stop.cancelled() => return,
            }
            let deleted = tokio::select! {
                deleted = self.delete_due() => deleted,
                // What is left goes at the next start.
                () = stop.cancelled() => return,
            };
            match deleted {
                Ok(0) => {}
                Ok(deleted) => info!(deleted, "Deleted {deleted} openings whose time had ended"),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    warn!(
                        error,
                        "Openings whose time has ended could not be deleted; trying again"
                    );
                }
            }
        }
    }

    /// Deletes what is due, and answers how many openings.
    pub async fn delete_due(&self) -> Result<u64, StoreError> {
        delete_due(&self.pool.get().await?).await
    }
}

/// Deletes what is due by the database's clock, a page at a time.
pub(crate) async fn delete_due(client: &impl GenericClient) -> Result<u64, StoreError> {
    let mut all = 0;
    loop {
        let deleted = sql::execute(
            client,
            "-- delete_due_openings
             DELETE FROM openings AS o
             USING (
                 SELECT idx, digest
                 FROM openings
                 WHERE retain_until <= now()
                 ORDER BY retain_until
                 LIMIT $1
             ) AS due
             WHERE o.idx = due.idx AND o.digest = due.digest",
            &[/* limit */ &PAGE],
        )
        .await?;
        all += deleted;
        if deleted < PAGE.unsigned_abs() {
            return Ok(all);
        }
    }
}

/// Rewrites the tables in which values lie, so that nothing of what was deleted is left in the server's files: neither in pages,
/// nor in statistics, nor, where the server drops old segments, in the write-ahead log.
///
/// As whoever the address names, who must own the tables. Appends wait meanwhile: about a second for a million openings.
/// Answers what the server's own settings still keep, in words; empty where nothing is left.
pub async fn scrub(address: &Address) -> Result<Vec<String>, StoreError> {
    let client = connect::open(address, "daybook scrub").await?;
    client
        .batch_execute("SET statement_timeout = 0; SET lock_timeout = '60s'")
        .await?;
    let tables = client
        .query(
            "-- tables_with_values
             SELECT format('%I.%I', n.nspname, c.relname)
             FROM pg_class AS c
             JOIN pg_namespace AS n ON n.oid = c.relnamespace
             WHERE c.relkind = 'r'
                 AND (c.relname = 'openings' AND n.nspname = current_schema()
                     OR n.nspname IN (SELECT schema FROM view_cursors WHERE view = 'register'))
             ORDER BY 1",
            &[],
        )
        .await?;
    for row in &tables {
        let table: String = row.try_get(0)?;
        // Not prepared: it cannot run in a transaction, and says nothing but a name that the server has quoted.
        client
            .batch_execute(&format!("VACUUM (FULL, ANALYZE) {table}"))
            .await?;
    }
    let mut left = Vec::new();
    for (statement, words) in [
        (
            "VACUUM FULL pg_catalog.pg_statistic",
            "statistics of columns: have a superuser run VACUUM FULL pg_catalog.pg_statistic",
        ),
        ("CHECKPOINT", "files until the server's next checkpoint"),
        (
            "SELECT pg_switch_wal()",
            "the write-ahead log until its segment is full",
        ),
        (
            "CHECKPOINT",
            "old segments of the write-ahead log until two checkpoints later",
        ),
    ] {
        if let Err(error) = client.batch_execute(statement).await {
            if error.as_db_error().is_none() {
                return Err(error.into());
            }
            left.push(words.to_owned());
        }
    }
    let row = client
        .query_one(
            "-- what_keeps_segments
             SELECT current_setting('wal_recycle'), current_setting('archive_mode'),
                 (SELECT count(*) FROM pg_replication_slots)",
            &[],
        )
        .await?;
    let (recycles, archives, slots): (String, String, i64) =
        (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    if recycles == "on" {
        left.push(
            "segments of the write-ahead log that the server keeps to write over (wal_recycle)".to_owned(),
        );
    }
    if archives != "off" || slots > 0 {
        left.push("the archive of the write-ahead log, and standbys until they have followed".to_owned());
    }
    left.dedup();
    Ok(left)
}
