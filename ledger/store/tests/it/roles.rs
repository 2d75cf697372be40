//! What the database itself refuses, whoever asks.

use daybook_testkit::TestLog;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::support::check_whole;

const IMMUTABLE: [&str; 6] = [
    "entries",
    "tiles",
    "checkpoints",
    "cosignatures",
    "keys",
    "log_identity",
];

fn changes(table: &str) -> [String; 3] {
    let column = match table {
        "entries" => "event",
        "tiles" => "data",
        "checkpoints" => "note",
        "cosignatures" => "line",
        "keys" => "actor",
        _ => "origin",
    };
    [
        format!("UPDATE {table} SET {column} = {column}"),
        format!("DELETE FROM {table}"),
        format!("TRUNCATE {table} CASCADE"),
    ]
}

async fn refused(client: &Client, sql: &str) -> (SqlState, String) {
    let error = client.batch_execute(sql).await.expect_err(sql);
    let error = error.as_db_error().unwrap();
    (error.code().clone(), error.message().to_owned())
}

#[tokio::test]
async fn role_of_the_hub_can_change_nothing_that_is_in_the_log() {
    let log = TestLog::founded().await;
    let client = log.owner().await;
    client.batch_execute("SET ROLE daybook_log").await.unwrap();
    for sql in IMMUTABLE.iter().flat_map(|table| changes(table)) {
        assert_eq!(
            refused(&client, &sql).await.0,
            SqlState::INSUFFICIENT_PRIVILEGE,
            "{sql}"
        );
    }
    for sql in [
        "DELETE FROM log_head",
        "DELETE FROM publication",
        "DELETE FROM stream_heads",
        "DELETE FROM actor_seen",
        "UPDATE openings SET opening = ''",
        "INSERT INTO log_identity (origin, log_key) VALUES ('', '')",
        "ALTER TABLE entries DISABLE TRIGGER ALL",
        "DROP TABLE openings",
        "CREATE TABLE mine ()",
    ] {
        assert_eq!(
            refused(&client, sql).await.0,
            SqlState::INSUFFICIENT_PRIVILEGE,
            "{sql}"
        );
    }
    check_whole(&log.owner().await).await;
}

#[tokio::test]
async fn owner_of_the_database_is_told_no_by_the_trigger() {
    let log = TestLog::founded().await;
    let client = log.owner().await;
    for table in IMMUTABLE {
        for sql in changes(table) {
            let (_, message) = refused(&client, &sql).await;
            assert!(message.contains("append-only"), "{sql}: {message}");
        }
    }
}

#[tokio::test]
async fn role_of_the_readers_can_write_nothing() {
    let log = TestLog::founded().await;
    let client = log.owner().await;
    let tables = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'";
    let rows = client.query(tables, &[]).await.unwrap();
    let tables: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert!(tables.len() >= 12, "{tables:?}");
    client.batch_execute("SET ROLE daybook_reader").await.unwrap();
    for table in tables {
        for sql in [
            format!("INSERT INTO {table} DEFAULT VALUES"),
            format!("DELETE FROM {table}"),
            format!("TRUNCATE {table} CASCADE"),
        ] {
            assert_eq!(
                refused(&client, &sql).await.0,
                SqlState::INSUFFICIENT_PRIVILEGE,
                "{sql}"
            );
        }
    }
    let may_update =
        "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
        AND has_table_privilege(oid, 'UPDATE')";
    assert_eq!(crate::support::number(&client, may_update).await, 0);
}
