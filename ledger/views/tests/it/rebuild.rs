//! Rebuilding while hubs go on, versions beside each other, and pruning.

use std::sync::Arc;

use daybook_store::project::{Fold, MAX_FOLD, Projector, Start, Table, View, list, prune, rebuild};
use daybook_views::{JobFilter, Page};

use crate::support::{LIMIT, Log, everything, until};

#[tokio::test(flavor = "multi_thread")]
async fn rebuild_goes_on_beside_appends_and_readers_see_no_break() {
    let entries = everything().entries();
    let mut log = Log::with(&entries[..50]).await;
    let projector = log.projector(4).await;
    until("it has begun", async || projector.progress().size("jobs") >= 50).await;
    // One connection, whose statements are prepared once: they must outlive every swap.
    let views = log.views(&projector);
    let seen = Page {
        at_least: Some(50),
        ..Page::default()
    };
    assert_eq!(views.jobs(&JobFilter::default(), &seen).await.unwrap().as_of, 50);
    let address = log.db.config().into();
    let rebuilding = tokio::spawn(async move {
        let mut sizes = Vec::new();
        for _ in 0..3 {
            for view in daybook_views::all().iter() {
                sizes.push(rebuild(&address, view.as_ref(), |_, _| {}).await.unwrap());
            }
        }
        sizes
    });
    let mut as_of = 50;
    for entry in entries[50..].chunks(3) {
        log.append(entry).await;
        let listed = views.jobs(&JobFilter::default(), &Page::default()).await.unwrap();
        assert!(listed.as_of >= as_of, "no answer is older than the one before");
        as_of = listed.as_of;
        let waiting = everything_submitted_before(as_of);
        let known = views
            .jobs(
                &JobFilter::default(),
                &Page {
                    limit: 200,
                    ..Page::default()
                },
            )
            .await
            .unwrap();
        assert!(known.rows.len() >= waiting, "{} of {waiting}", known.rows.len());
        projector_is_well(&projector);
    }
    let sizes = tokio::time::timeout(LIMIT, rebuilding).await.unwrap().unwrap();
    assert_eq!(sizes.len(), 3 * daybook_views::all().len());
    log.until_folded(&projector).await;
    projector.stop().await;
    log.check().await;
}

/// Jobs that the first entries submit.
fn everything_submitted_before(size: u64) -> usize {
    let entries = everything().entries().iter().take(usize::try_from(size).unwrap());
    entries
        .filter_map(|event| event.claims().data.get("jobs")?.as_object())
        .map(serde_json::Map::len)
        .sum()
}

fn projector_is_well(projector: &Projector) {
    assert!(projector.progress().stopped().is_empty());
}

/// The jobs as a later program might fold them: another version.
struct Later;

impl View for Later {
    fn name(&self) -> &'static str {
        daybook_views::jobs::NAME
    }

    fn version(&self) -> u32 {
        daybook_views::jobs::VERSION + 1
    }

    fn tables(&self) -> &'static [&'static Table] {
        daybook_views::jobs::View.tables()
    }

    fn begin(&self) -> Box<dyn Fold> {
        daybook_views::jobs::View.begin()
    }
}

fn later(log: &Log) -> Start {
    let mut views: Vec<Arc<dyn View>> = daybook_views::all().to_vec();
    let jobs = views.iter().position(|view| view.name() == "jobs").unwrap();
    views[jobs] = Arc::new(Later);
    Start {
        views: views.into(),
        ..log.start(MAX_FOLD)
    }
}

async fn schemas(log: &Log) -> Vec<String> {
    let sql = "SELECT nspname::text FROM pg_namespace WHERE nspname ~ '^jobs_v' ORDER BY 1";
    let rows = log.owner.query(sql, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_stand_beside_each_other_and_one_that_is_read_is_not_pruned() {
    let entries = everything().entries();
    let mut log = Log::with(&entries[..40]).await;
    let old = log.fold().await;
    let address = log.db.config().into();
    let new = later(&log);
    let new_views = new.views.clone();
    let new = Projector::start(new).await.unwrap();
    log.append(&entries[40..]).await;
    log.until_folded(&old).await;
    log.until_folded(&new).await;
    assert_eq!(schemas(&log).await, ["jobs_v1", "jobs_v2"]);

    let wanted = ["jobs_v1".to_owned(), "jobs_v2".to_owned(), "keys_v1".to_owned()];
    let stored = list(&address, &new_views).await.unwrap();
    let jobs: Vec<_> = stored
        .iter()
        .filter(|stored| stored.view == "jobs")
        .map(|stored| {
            (
                stored.version,
                stored.is_ours,
                stored.is_read,
                stored.size == log.size,
            )
        })
        .collect();
    assert_eq!(jobs, [(1, false, true, true), (2, true, true, true)]);
    assert!(
        prune(&address, &new_views, &wanted).await.unwrap().is_empty(),
        "a hub that runs reads it"
    );

    old.stop().await;
    until("its session has ended", async || {
        let stored = list(&address, &new_views).await.unwrap();
        stored
            .iter()
            .any(|stored| stored.schema == "jobs_v1" && !stored.is_read)
    })
    .await;
    assert!(
        prune(&address, &new_views, &[]).await.unwrap().is_empty(),
        "nothing that was not asked for"
    );
    assert_eq!(prune(&address, &new_views, &wanted).await.unwrap(), ["jobs_v1"]);
    assert_eq!(schemas(&log).await, ["jobs_v2"]);
    new.stop().await;
    until("its session has ended", async || {
        let stored = list(&address, &new_views).await.unwrap();
        stored.iter().all(|stored| !stored.is_read)
    })
    .await;
    assert!(
        prune(&address, &new_views, &wanted).await.unwrap().is_empty(),
        "what this program reads stays"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn view_that_is_being_filled_keeps_none_waiting_that_follows_the_head() {
    let entries = everything().entries();
    let mut log = Log::with(&entries[..entries.len() - 1]).await;
    log.fold().await.stop().await;
    log.append(&entries[entries.len() - 1..]).await;
    // The database itself takes down who moves when: whoever asks may come when all is done.
    let note = "CREATE TABLE moves (nth BIGINT GENERATED ALWAYS AS IDENTITY, schema TEXT);
        CREATE RULE note AS ON UPDATE TO view_cursors
        DO ALSO INSERT INTO moves (schema) VALUES (new.schema)";
    log.owner.batch_execute(note).await.unwrap();
    // One entry a step, so that filling takes many more steps than following.
    let new = Projector::start(Start {
        batch: 1,
        ..later(&log)
    })
    .await
    .unwrap();
    log.until_folded(&new).await;
    new.stop().await;
    let moves = log
        .owner
        .query("SELECT schema FROM moves ORDER BY nth", &[])
        .await;
    let schemas: Vec<String> = moves.unwrap().iter().map(|row| row.get(0)).collect();
    let followed = schemas.iter().position(|schema| schema == "keys_v1").unwrap();
    let filled = schemas.iter().rposition(|schema| schema == "jobs_v2").unwrap();
    assert!(
        followed < filled,
        "it is still being filled when the others have followed"
    );
}

#[tokio::test]
async fn rebuild_that_broke_off_leaves_nothing_in_the_way() {
    let log = Log::with(everything().entries()).await;
    log.fold().await.stop().await;
    let left = "CREATE SCHEMA keys_v1_rebuild AUTHORIZATION daybook_view;
        INSERT INTO view_cursors (schema, view, version, is_copy, shape, size)
        VALUES ('keys_v1_rebuild', 'keys', 1, TRUE, sha256(''), 7)";
    log.owner.batch_execute(left).await.unwrap();
    let views = daybook_views::all();
    let keys = views.iter().find(|view| view.name() == "keys").unwrap();
    assert_eq!(
        rebuild(&log.db.config().into(), keys.as_ref(), |_, _| {})
            .await
            .unwrap(),
        log.size
    );
    log.check().await;
}

#[tokio::test]
async fn rebuild_gives_way_to_another_and_says_so() {
    let log = Log::with(everything().entries()).await;
    log.fold().await.stop().await;
    log.owner
        .batch_execute(&format!(
            "SELECT pg_advisory_lock({})",
            0x64_62_76_69_65_77_74_i64
        ))
        .await
        .unwrap();
    let views = daybook_views::all();
    let error = rebuild(&log.db.config().into(), views[0].as_ref(), |_, _| {})
        .await
        .unwrap_err();
    assert!(error.to_string().contains("another process"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn view_that_is_pruned_while_a_hub_begins_is_made_anew() {
    let log = Log::with(everything().entries()).await;
    // As a pruner that has seen that nobody reads the view, and is dropping it.
    let class = 0x76_69_65_77;
    let keep_out = format!("SELECT pg_advisory_lock({class}, hashtext('keys_v1'))");
    log.fold().await.stop().await;
    let gone = format!(
        "SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid = {class}
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    );
    until("the old hub has gone", async || {
        log.owner.query(&gone, &[]).await.unwrap().is_empty()
    })
    .await;
    log.owner.batch_execute(&keep_out).await.unwrap();
    let projector = log.projector(MAX_FOLD).await;
    let waits = format!("{gone} AND NOT granted");
    until("a hub that begins waits", async || {
        !log.owner.query(&waits, &[]).await.unwrap().is_empty()
    })
    .await;
    let dropped = "DROP SCHEMA keys_v1 CASCADE; DELETE FROM view_cursors WHERE schema = 'keys_v1'";
    log.owner.batch_execute(dropped).await.unwrap();
    log.owner
        .batch_execute("SELECT pg_advisory_unlock_all()")
        .await
        .unwrap();
    log.until_folded(&projector).await;
    projector.stop().await;
    log.check().await;
}
