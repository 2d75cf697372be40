//! Programs and schemas of different age on one database.

use daybook_store::{Identity, OpenError, Store, StoreError, initialise, migrate, newest};
use daybook_testkit::{TestDb, TestLog, options};
use tokio_postgres::Client;

/// What a newer program's migration would leave: a version that we do not know, and something more in the tables.
async fn a_newer_schema(client: &Client, oldest: i32) {
    let sql = format!(
        "INSERT INTO refinery_schema_history (version, name, applied_on, checksum)
         SELECT {}, 'from_the_future', applied_on, '0' FROM refinery_schema_history LIMIT 1;
         ALTER TABLE entries ADD COLUMN mood text DEFAULT 'good';
         UPDATE schema_window SET min_binary_schema = {oldest}",
        newest() + 3
    );
    client.batch_execute(&sql).await.unwrap();
}

#[tokio::test]
async fn older_program_works_on_a_newer_schema_within_the_window() {
    let mut log = TestLog::founded().await;
    a_newer_schema(&log.owner().await, newest()).await;
    let older = Store::open(log.options()).await.unwrap();
    let event = log.workflows("one", 1).await.remove(0);
    older.appender.append(event, log.world.now).await.unwrap();
    older.close().await;
    // Its `migrate` has nothing to do and takes nothing back.
    assert_eq!(migrate(&log.db.config()).await.unwrap(), newest() + 3);
}

#[tokio::test]
async fn program_older_than_the_window_refuses_to_open_and_to_migrate() {
    let log = TestLog::founded().await;
    a_newer_schema(&log.owner().await, newest() + 1).await;
    let Err(OpenError::Store(error)) = Store::open(log.options()).await else {
        panic!("a program that is too old opened the log")
    };
    let expected = (newest() + 3, newest() + 1, newest());
    assert!(
        matches!(error, StoreError::TooOld { found, oldest, known } if (found, oldest, known) == expected),
        "{error:?}"
    );
    assert!(error.to_string().contains("install the newer program"));
    assert!(matches!(
        migrate(&log.db.config()).await,
        Err(StoreError::TooOld { .. })
    ));
}

#[tokio::test]
async fn newer_program_on_an_older_schema_says_to_migrate() {
    let db = TestDb::new().await;
    let client = daybook_store::open(&db.config(), "daybook test").await.unwrap();
    let Identity { origin, log_key } = daybook_testkit::identity();
    initialise(&client, &Identity { origin, log_key }).await.unwrap();
    let sql = format!("DELETE FROM refinery_schema_history WHERE version = {}", newest());
    client.batch_execute(&sql).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let Err(OpenError::Store(error)) = Store::open(options(db.config(), &folder.path().join("guard"))).await
    else {
        panic!("an older schema was taken")
    };
    assert!(matches!(error, StoreError::Schema { .. }), "{error:?}");
    assert!(error.to_string().contains("`daybook migrate`"));
}
