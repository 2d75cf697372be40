//! Who may do what with views.

use daybook_store::project::{MAX_FOLD, Projector, Start, rebuild};
use daybook_testkit::TestDb;

use crate::support::{Log, connect, everything, until};

#[tokio::test]
async fn reader_may_read_views_and_nothing_else_of_them() {
    let log = Log::with(everything().entries()).await;
    log.fold().await.stop().await;
    let refused = async |role: &str, sql: &str| {
        let client = connect(&log.db).await;
        client.batch_execute(&format!("SET ROLE {role}")).await.unwrap();
        let error = client.batch_execute(sql).await.expect_err(sql);
        error.as_db_error().unwrap().code().clone()
    };
    let denied = tokio_postgres::error::SqlState::INSUFFICIENT_PRIVILEGE;
    for sql in [
        "UPDATE jobs_v1.jobs SET state = 'released'",
        "DELETE FROM keys_v1.keys",
        "UPDATE view_cursors SET size = 0",
        "DROP SCHEMA jobs_v1 CASCADE",
    ] {
        assert_eq!(refused("daybook_reader", sql).await, denied, "{sql}");
        assert_eq!(refused("daybook_log", sql).await, denied, "{sql}");
    }
    for sql in [
        "SELECT * FROM openings",
        "INSERT INTO entries (idx, leaf, stream, seq, iss, jti, type, event)
            VALUES (1, '', '', 1, '', gen_random_uuid(), '', '')",
        "UPDATE log_head SET size = 1",
        "DELETE FROM entries",
        "SELECT * FROM stream_heads",
    ] {
        assert_eq!(refused("daybook_view", sql).await, denied, "{sql}");
    }
    let comments = "SELECT count(*) FROM pg_attribute AS a
        JOIN pg_class AS c ON c.oid = a.attrelid
        JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname ~ '_v1$' AND c.relkind = 'r' AND a.attnum > 0 AND col_description(c.oid, a.attnum) IS NULL";
    assert_eq!(
        log.owner.query_one(comments, &[]).await.unwrap().get::<_, i64>(0),
        0,
        "every column is commented"
    );
}

/// As OPERATING tells an administrator to prepare it: a role that owns its database and is no superuser.
#[tokio::test]
async fn owner_of_a_database_who_is_no_superuser_can_have_views() {
    // The roles are there once any database of this server was migrated.
    let other = TestDb::new().await;
    let db = TestDb::empty().await;
    let name = db.name();
    let sql = format!(
        "CREATE ROLE plain_{name} LOGIN;
         GRANT daybook_log, daybook_view, daybook_reader TO plain_{name} WITH ADMIN OPTION;
         ALTER DATABASE {name} OWNER TO plain_{name}"
    );
    connect(&other).await.batch_execute(&sql).await.unwrap();
    let mut config = db.config();
    config.user(format!("plain_{name}"));
    daybook_store::migrate(&config).await.unwrap();
    let (_head, seen) = tokio::sync::watch::channel(daybook_store::log::TreeHead {
        size: 0,
        root: daybook_core::Hash::empty_root(),
    });
    let projector = Projector::start(Start {
        address: config.clone().into(),
        views: daybook_views::all(),
        head: seen,
        batch: MAX_FOLD,
    });
    let projector = projector.await.unwrap();
    let mut log = Log::of(db).await;
    log.append(&everything().entries()[..20]).await;
    until("it has followed", async || {
        projector.progress().size("keys") == 20
    })
    .await;
    for view in daybook_views::all().iter() {
        assert_eq!(
            rebuild(&config.clone().into(), view.as_ref(), |_, _| {})
                .await
                .unwrap(),
            20
        );
    }
    projector.stop().await;
    log.check().await;
}
