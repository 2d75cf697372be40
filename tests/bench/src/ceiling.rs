//! The ceiling: the same bytes put into the same server by nothing but `unnest` inserts, in a database of their own.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result};
use daybook::config::{Config, Secrets};
use daybook::hub::Database;
use daybook_core::event::Event;
use serde_json::Value;
use tokio_postgres::types::Type;

/// What an insert takes at most.
const BATCH: usize = 256;

/// Events a second: with the table's four indexes, and with the index of positions alone.
pub(crate) async fn rates(config: &Path, events: &Path) -> Result<[f64; 2]> {
    let config = Config::read(config)?;
    let database = Database::start(&config, &Secrets::default()).await?;
    let outcome = measure(&database, events).await;
    database.stop().await?;
    outcome
}

async fn measure(database: &Database, events: &Path) -> Result<[f64; 2]> {
    let texts = std::fs::read_to_string(events)?;
    let mut parsed = Vec::new();
    for line in texts.lines().filter(|line| !line.is_empty()) {
        let body: Value = serde_json::from_str(line)?;
        parsed.push(Event::parse(body["event"].as_str().context("no event")?)?);
    }
    drop(texts);
    let client = daybook_store::open(&database.config(), "daybook bench").await?;
    client
        .batch_execute(
            "-- make_ceilings
             DROP TABLE IF EXISTS ceiling_indexed, ceiling_plain;
             CREATE TABLE ceiling_indexed (LIKE entries INCLUDING DEFAULTS INCLUDING INDEXES INCLUDING STORAGE);
             CREATE TABLE ceiling_plain (LIKE entries INCLUDING DEFAULTS INCLUDING STORAGE);
             ALTER TABLE ceiling_plain ADD PRIMARY KEY (idx)",
        )
        .await?;
    let indexed = insert(&client, "ceiling_indexed", &parsed).await?;
    let plain = insert(&client, "ceiling_plain", &parsed).await?;
    client
        .batch_execute(
            "-- drop_ceilings
             DROP TABLE ceiling_indexed, ceiling_plain",
        )
        .await?;
    Ok([indexed, plain])
}

#[expect(clippy::cast_precision_loss, reason = "a number of events")]
async fn insert(client: &tokio_postgres::Client, table: &str, events: &[Event]) -> Result<f64> {
    let sql = format!(
        "-- insert_ceiling
         INSERT INTO {table} (idx, leaf, stream, seq, iss, jti, type, event)
         SELECT *
         FROM unnest($1::bigint[], $2::bytea[], $3::text[], $4::bigint[], $5::text[], $6::uuid[], $7::text[],
             $8::text[])"
    );
    let types = [
        Type::INT8_ARRAY,
        Type::BYTEA_ARRAY,
        Type::TEXT_ARRAY,
        Type::INT8_ARRAY,
        Type::TEXT_ARRAY,
        Type::UUID_ARRAY,
        Type::TEXT_ARRAY,
        Type::TEXT_ARRAY,
    ];
    let statement = client.prepare_typed(&sql, &types).await?;
    let start = Instant::now();
    let mut from = 0_i64;
    for batch in events.chunks(BATCH) {
        let end = from + i64::try_from(batch.len())?;
        let indexes: Vec<i64> = (from..end).collect();
        let leaves: Vec<&[u8]> = batch.iter().map(|event| event.leaf().as_ref()).collect();
        let streams: Vec<String> = batch.iter().map(|event| event.claims().sub.to_string()).collect();
        let seqs: Vec<i64> = batch
            .iter()
            .map(|event| event.claims().seq.cast_signed())
            .collect();
        let authors: Vec<String> = batch.iter().map(|event| event.claims().iss.to_string()).collect();
        let jtis: Vec<uuid::Uuid> = batch.iter().map(|event| event.claims().jti).collect();
        let kinds: Vec<&str> = batch.iter().map(|event| event.claims().kind.as_str()).collect();
        let texts: Vec<&str> = batch.iter().map(Event::as_str).collect();
        client
            .execute(
                &statement,
                &[
                    /* idx */ &indexes, /* leaf */ &leaves, /* stream */ &streams,
                    /* seq */ &seqs, /* iss */ &authors, /* jti */ &jtis,
                    /* type */ &kinds, /* event */ &texts,
                ],
            )
            .await?;
        from = end;
    }
    Ok(events.len() as f64 / start.elapsed().as_secs_f64())
}
