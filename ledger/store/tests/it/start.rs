//! What a hub checks before it writes, and what makes it stop.

use std::fs;

use daybook_core::note::NoteSigner;
use daybook_store::append::{AppendError, Candidate};
use daybook_store::guard::{Guard, GuardError, Mark};
use daybook_store::{OpenError, Options, Store, StoreError, migrate, newest};
use daybook_testkit::{TestDb, TestLog, options};
use futures::future::join_all;
use tempfile::TempDir;
use tokio_postgres::Client;

use crate::support::{number, until};

async fn connect(db: &TestDb) -> Client {
    daybook_store::open(&db.config(), "daybook test").await.unwrap()
}

/// Everything that a hub could have written.
async fn written(client: &Client) -> String {
    let sql = "SELECT concat_ws(' ', (SELECT count(*) FROM entries), (SELECT size FROM log_head),
        (SELECT count(*) FROM checkpoints), (SELECT size FROM publication), (SELECT count(*) FROM stream_heads))";
    client.query_one(sql, &[]).await.unwrap().get(0)
}

async fn refused(options: Options) -> OpenError {
    match Store::open(options).await {
        Ok(_) => panic!("the log was opened"),
        Err(error) => error,
    }
}

/// A log of which a copy was made, and which then went on.
struct Overtaken {
    copy: TestDb,
    /// Of the log that went on.
    guard: TempDir,
    /// Not in the copy; the first of them is in the log.
    events: Vec<Candidate>,
    now: i64,
    _original: TestDb,
}

impl Overtaken {
    async fn new() -> Self {
        let mut log = TestLog::founded().await;
        let events = log.workflows("one", 3).await;
        let (guard, now) = (tempfile::tempdir().unwrap(), log.world.now);
        let TestLog { store, db, .. } = log;
        store.close().await;
        let copy = db.copy().await;
        let original = options(db.config(), &guard.path().join("guard"));
        let store = Store::open(Options {
            trust_database: true,
            ..original
        })
        .await
        .unwrap();
        let receipt = store.appender.append(events[0].clone(), now).await.unwrap();
        store.published.clone().covering(receipt.index + 1).await.unwrap();
        store.close().await;
        Self {
            copy,
            guard,
            events,
            now,
            _original: db,
        }
    }

    fn options(&self) -> Options {
        options(self.copy.config(), &self.guard.path().join("guard"))
    }
}

#[tokio::test]
async fn older_copy_of_the_database_is_refused_and_left_alone() {
    let overtaken = Overtaken::new().await;
    let client = connect(&overtaken.copy).await;
    let before = written(&client).await;
    for trust_database in [false, true] {
        match refused(Options {
            trust_database,
            ..overtaken.options()
        })
        .await
        {
            OpenError::Guard(GuardError::Older { found, released }) => assert_eq!(found + 1, released),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(written(&client).await, before);
}

#[tokio::test]
async fn copy_that_went_on_by_itself_is_refused_and_left_alone() {
    let overtaken = Overtaken::new().await;
    let elsewhere = tempfile::tempdir().unwrap();
    let alone = options(overtaken.copy.config(), &elsewhere.path().join("guard"));
    let alone = Store::open(Options {
        trust_database: true,
        ..alone
    })
    .await
    .unwrap();
    for event in &overtaken.events[1..] {
        alone.appender.append(event.clone(), overtaken.now).await.unwrap();
    }
    alone.close().await;
    let client = connect(&overtaken.copy).await;
    let before = written(&client).await;
    let released = Guard::open(&overtaken.options().guard_path)
        .unwrap()
        .released()
        .unwrap();
    for trust_database in [false, true] {
        let error = refused(Options {
            trust_database,
            ..overtaken.options()
        })
        .await;
        assert!(
            matches!(error, OpenError::Guard(GuardError::Fork(size)) if size == released.size),
            "{error:?}"
        );
    }
    assert_eq!(written(&client).await, before);
}

#[tokio::test]
async fn log_that_published_is_not_opened_without_its_guard_unless_a_person_says_so() {
    let log = TestLog::founded().await;
    let guard_path = log.folder().join("nowhere/guard");
    let without = || Options {
        guard_path: guard_path.clone(),
        ..log.options()
    };
    let size = log.store.head.borrow().size;
    assert!(matches!(
        refused(without()).await,
        OpenError::Guard(GuardError::Missing { size: found, .. }) if found == size
    ));
    let trusted = Store::open(Options {
        trust_database: true,
        ..without()
    })
    .await
    .unwrap();
    trusted.published.clone().covering(size).await.unwrap();
    trusted.close().await;
    Store::open(without()).await.unwrap().close().await;
    fs::write(&guard_path, "nonsense").unwrap();
    assert!(matches!(
        refused(without()).await,
        OpenError::Guard(GuardError::Unreadable(_))
    ));
}

#[tokio::test]
async fn guard_of_another_server_or_log_is_refused() {
    let log = TestLog::founded().await;
    let path = log.options().guard_path;
    let size = log.store.head.borrow().size;
    log.store.published.clone().covering(size).await.unwrap();
    let mark = Guard::open(&path).unwrap().mark().unwrap().clone();
    let write = |mark: &Mark| {
        fs::remove_file(&path).unwrap();
        Guard::open(&path).unwrap().raise(mark.clone()).unwrap();
    };
    write(&Mark {
        origin: "log.example/other".into(),
        ..mark.clone()
    });
    assert!(matches!(
        refused(log.options()).await,
        OpenError::Guard(GuardError::OtherLog { .. })
    ));
    for other in [
        Mark {
            system_identifier: "1".into(),
            ..mark.clone()
        },
        Mark {
            timeline: mark.timeline + 1,
            ..mark.clone()
        },
    ] {
        write(&other);
        assert!(matches!(
            refused(log.options()).await,
            OpenError::Guard(GuardError::OtherServer { .. })
        ));
    }
    let trusted = Store::open(Options {
        trust_database: true,
        ..log.options()
    })
    .await
    .unwrap();
    trusted.published.clone().covering(size).await.unwrap();
    trusted.close().await;
    assert_eq!(Guard::open(&path).unwrap().mark(), Some(&mark));
}

#[tokio::test]
async fn database_without_this_log_is_refused() {
    let log = TestLog::founded().await;
    let origin = Options {
        origin: "log.example/other".into(),
        ..log.options()
    };
    assert!(matches!(
        refused(origin).await,
        OpenError::Store(StoreError::OtherLog { .. })
    ));
    let name = daybook_world::ORIGIN.parse().unwrap();
    let signer = NoteSigner::from_seed(name, &[7; 32]).unwrap();
    let key = Options {
        signer,
        ..log.options()
    };
    assert!(matches!(
        refused(key).await,
        OpenError::Store(StoreError::OtherLog { .. })
    ));

    let guard = log.folder().join("other");
    let named = TestDb::new().await;
    assert!(matches!(
        refused(options(named.config(), &guard)).await,
        OpenError::Store(StoreError::NotInitialised)
    ));
    let empty = TestDb::empty().await;
    assert!(matches!(
        refused(options(empty.config(), &guard)).await,
        OpenError::Store(StoreError::Schema { found: 0, .. })
    ));
    assert!(!guard.exists());
}

#[tokio::test]
async fn schema_must_be_as_new_as_the_program_and_may_be_newer() {
    let log = TestLog::founded().await;
    let owner = log.owner().await;
    owner
        .batch_execute("UPDATE refinery_schema_history SET version = version + 100")
        .await
        .unwrap();
    Store::open(log.options()).await.unwrap().close().await;
    owner
        .batch_execute(
            "DELETE FROM refinery_schema_history WHERE version > 101;
             UPDATE refinery_schema_history SET version = 0",
        )
        .await
        .unwrap();
    assert!(matches!(
        refused(log.options()).await,
        OpenError::Store(StoreError::Schema { found: 0, needed, .. }) if needed == newest()
    ));
}

#[tokio::test]
async fn migrations_run_once_however_many_start_them() {
    let db = TestDb::empty().await;
    let config = db.config();
    let all = join_all((0..4).map(|_| migrate(&config))).await;
    assert!(
        all.iter()
            .all(|version| version.as_ref().is_ok_and(|version| *version == newest())),
        "{all:?}"
    );
    let client = connect(&db).await;
    assert_eq!(
        number(&client, "SELECT count(*) FROM refinery_schema_history").await,
        number(
            &client,
            "SELECT max(version)::bigint FROM refinery_schema_history"
        )
        .await,
    );
    // A program that is older than the schema finds nothing to do.
    let newer = "INSERT INTO refinery_schema_history SELECT 100, 'later', applied_on, '1' FROM refinery_schema_history LIMIT 1";
    client.batch_execute(newer).await.unwrap();
    assert_eq!(migrate(&config).await.unwrap(), 100);
}

#[tokio::test]
async fn server_that_forgets_in_a_crash_is_refused() {
    let log = TestLog::founded().await;
    let strict = Options {
        require_durability: true,
        ..log.options()
    };
    let error = refused(strict).await;
    assert!(
        matches!(
            &error,
            OpenError::Store(StoreError::Unsafe { setting: "fsync", .. })
        ),
        "{error:?}"
    );
}

/// Does as its owner what no hub may, with the triggers off.
async fn tamper(client: &Client, sql: &str) {
    client
        .batch_execute(&format!(
            "SET session_replication_role = replica; {sql}; SET session_replication_role = DEFAULT"
        ))
        .await
        .unwrap();
}

#[tokio::test]
async fn entries_that_do_not_give_the_head_are_found_at_start() {
    for sql in [
        "UPDATE entries SET leaf = sha256('other') WHERE idx = (SELECT max(idx) FROM entries)",
        "DELETE FROM entries WHERE idx = (SELECT max(idx) FROM entries)",
        "UPDATE log_head SET root = sha256('other')",
        "UPDATE log_head SET size = size - 1",
    ] {
        let log = TestLog::founded().await;
        let (client, guarded) = (log.owner().await, log.options());
        let size = log.store.head.borrow().size;
        log.store.published.clone().covering(size).await.unwrap();
        log.store.close().await;
        tamper(&client, sql).await;
        let error = refused(guarded).await;
        let is_found = matches!(
            &error,
            OpenError::Guard(GuardError::Fork(_) | GuardError::Older { .. })
                | OpenError::Store(StoreError::Damaged(_))
        );
        assert!(is_found, "{sql}: {error:?}");
        // Where no guard tells, the head does.
        let elsewhere = tempfile::tempdir().unwrap();
        let blind = Options {
            trust_database: true,
            ..options(log.db.config(), &elsewhere.path().join("guard"))
        };
        let error = refused(blind).await;
        assert!(
            matches!(&error, OpenError::Store(StoreError::Damaged(_))),
            "{sql}: {error:?}"
        );
    }
}

#[tokio::test]
async fn hub_stops_when_the_head_is_not_where_it_left_it() {
    for sql in [
        "UPDATE log_head SET size = size - 1",
        "UPDATE log_head SET root = sha256('other')",
        "UPDATE log_head SET size = size + 1",
        "UPDATE entries SET leaf = sha256('other') WHERE idx = 5; UPDATE log_head SET size = size + 1, root = sha256('x')",
    ] {
        let mut log = TestLog::founded().await;
        let size = log.store.head.borrow().size;
        log.store.published.clone().covering(size).await.unwrap();
        let client = log.owner().await;
        let [one, two] = log.workflows("one", 2).await.try_into().unwrap();
        tamper(&client, sql).await;
        let before = written(&client).await;
        let refused = log.offer(&one).await.unwrap_err();
        assert!(matches!(refused, AppendError::Stopped(_)), "{sql}: {refused:?}");
        until("the hub has stopped", async || {
            log.store.health.stopped().is_some()
        })
        .await;
        assert!(matches!(log.offer(&two).await, Err(AppendError::Stopped(_))));
        assert_eq!(written(&client).await, before, "{sql}");
        assert_eq!(log.store.published.latest().unwrap().head.size, size);
    }
}

#[tokio::test]
async fn database_that_falls_back_under_a_running_hub_stops_it_before_it_publishes() {
    let mut log = TestLog::founded().await;
    let [one] = log.workflows("one", 1).await.try_into().unwrap();
    let receipt = log.offer(&one).await.unwrap();
    log.store
        .published
        .clone()
        .covering(receipt.index + 1)
        .await
        .unwrap();
    // As a restored copy would be: whole in itself, and older than what was let out.
    let client = log.owner().await;
    let last = receipt.index;
    let published = "SELECT encode(root, 'hex') FROM checkpoints ORDER BY size DESC OFFSET 1 LIMIT 1";
    let root: String = client.query_one(published, &[]).await.unwrap().get(0);
    let undo = format!(
        "DELETE FROM openings WHERE idx = {last}; DELETE FROM entries WHERE idx = {last};
         DELETE FROM checkpoints WHERE size > {last};
         UPDATE publication SET size = {last}, root = '\\x{root}'; UPDATE log_head SET size = {last}, root = '\\x{root}'"
    );
    tamper(&client, &undo).await;
    until("the hub has stopped", async || {
        log.store.health.stopped().is_some()
    })
    .await;
    let reason = log.store.health.stopped().unwrap();
    assert!(reason.contains("older copy"), "{reason}");
}
