//! The integrity check: silent about a log that is whole, and never about one that is not.

mod changes;
mod start;

use daybook_core::id::{Stream, TreRole};
use daybook_store::audit::{Audit, Options, Progress, Report};
use daybook_store::open;
use daybook_testkit::{TestDb, TestLog, signer};
use daybook_world::{Cast, Draft, Ending, ORIGIN};
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio_postgres::Client;

use crate::support::number;

/// How the check of this log is made.
pub(crate) fn options(log: &TestLog) -> Options {
    Options {
        config: log.options().config,
        origin: ORIGIN.to_owned(),
        log_key: signer().verifier().clone(),
        guard_path: Some(log.options().guard_path),
        scratch_folder: log.folder().to_owned(),
    }
}

pub(crate) async fn audit(log: &TestLog) -> Report {
    let audit = Audit::open(options(log)).await.unwrap();
    audit.run(&watch::Sender::new(Progress::default())).await.unwrap()
}

/// Does as its owner what no hub may, with the triggers off.
pub(crate) async fn tamper(client: &Client, sql: &str) {
    client
        .batch_execute(&format!(
            "SET session_replication_role = replica; {sql}; SET session_replication_role = DEFAULT"
        ))
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
}

/// A closed log of which damaged copies are made.
pub(crate) struct Copies {
    db: TestDb,
    guard: TempDir,
}

impl Copies {
    pub(crate) async fn of(log: TestLog) -> Self {
        settle(&log).await;
        let (path, guard) = (log.options().guard_path, tempfile::tempdir().unwrap());
        let TestLog { store, db, .. } = log;
        store.close().await;
        std::fs::copy(path, guard.path().join("guard")).unwrap();
        Self { db, guard }
    }

    /// A copy after a change behind the hub's back.
    pub(crate) async fn changed(&self, sql: &str) -> TestDb {
        let copy = self.db.copy().await;
        tamper(&open(&copy.config(), "daybook test").await.unwrap(), sql).await;
        copy
    }

    /// How a hub would start on a copy.
    pub(crate) fn start(&self, db: &TestDb) -> daybook_store::Options {
        daybook_testkit::options(db.config(), &self.guard.path().join("guard"))
    }

    pub(crate) async fn audit(&self, db: &TestDb) -> Report {
        let options = Options {
            config: db.config().into(),
            origin: ORIGIN.to_owned(),
            log_key: signer().verifier().clone(),
            guard_path: Some(self.guard.path().join("guard")),
            scratch_folder: self.guard.path().to_owned(),
        };
        let audit = Audit::open(options).await.unwrap();
        audit.run(&watch::Sender::new(Progress::default())).await.unwrap()
    }
}

/// Waits until all that was appended is published.
pub(crate) async fn settle(log: &TestLog) {
    let size = log.store.head.borrow().size;
    log.store.published.clone().covering(size).await.unwrap();
}

/// A log in which something of everything has happened: jobs, keys added and revoked, fields erased, full tiles.
pub(crate) async fn eventful() -> TestLog {
    let mut log = TestLog::founded().await;
    for ending in [Ending::ReleasedInPart, Ending::Withheld] {
        let submission = log.world.usual("job-submitted");
        let (submitted, _) = log.say(&submission).await;
        let job = submitted.event.claims().data["jobs"]["wessex"]["job"]
            .as_str()
            .unwrap();
        log.world.job = Some(job.parse().unwrap());
        for kind in ending.steps() {
            let mut draft = log.world.usual(kind);
            if ending == Ending::ReleasedInPart && kind == "disclosure-approved" {
                draft = draft
                    .with("extent", "part".into())
                    .with("outputs", daybook_world::digest("the approved part").into());
            }
            log.say(&draft).await;
        }
    }
    let added = log.world.usual("key-added");
    log.say(&added).await;
    log.world.renew_key(&Cast::tre("wessex", TreRole::Relay));
    let amended = Draft::new(
        &Cast::tre("wessex", TreRole::Relay),
        &"tre/wessex".parse().unwrap(),
        "tre-reported",
        json!({ "acknowledged": 1, "journal": daybook_world::digest("j"), "made": 1, "runs": 1, "waiting": 0 }),
    );
    log.say(&amended).await;
    erase_first_opening(&mut log).await;
    while log.store.head.borrow().size < 300 {
        let name = format!("round {}", log.store.head.borrow().size);
        for candidate in log.workflows(&name, 40).await {
            log.offer(&candidate).await.unwrap();
        }
    }
    settle(&log).await;
    log
}

/// Erases one opening of an entry that has several, and gives the entry's index.
pub(crate) async fn erase_first_opening(log: &mut TestLog) -> u64 {
    let owner = log.owner().await;
    let sql = "SELECT idx, digest FROM openings ORDER BY idx DESC, digest LIMIT 1";
    let row = owner.query_one(sql, &[]).await.unwrap();
    let (index, digest) = (row.get::<_, i64>(0), row.get::<_, Vec<u8>>(1));
    let leaf: Vec<u8> = owner
        .query_one("SELECT leaf FROM entries WHERE idx = $1", &[&index])
        .await
        .unwrap()
        .get(0);
    let encode = daybook_core::base64url::encode;
    let fields = json!([{ "digests": [encode(&digest)], "event": encode(&leaf) }]);
    let stream = Stream::Erasure(daybook_world::id(&format!("erasure {index}")));
    let operator = log.world.cast.operator.clone();
    let data = json!({ "fields": fields, "reason": "request" });
    log.say(&Draft::new(&operator, &stream, "fields-erased", data))
        .await;
    index.unsigned_abs()
}

#[tokio::test]
async fn log_that_is_whole_has_no_finding() {
    let log = eventful().await;
    let report = audit(&log).await;
    assert!(report.holds(), "{:#?}", report.findings);
    let owner = log.owner().await;
    let count = async |table: &str| {
        let sql = format!("SELECT count(*) FROM {table}");
        number(&owner, &sql).await.unsigned_abs()
    };
    assert_eq!(report.entries, count("entries").await);
    assert_eq!(report.streams, count("stream_heads").await);
    assert_eq!(report.checkpoints, count("checkpoints").await);
    assert_eq!(report.tiles, count("tiles").await);
    assert_eq!(report.openings, count("openings").await);
    let head = *log.store.head.borrow();
    assert_eq!(report.root, Some(head.root.to_base64()));
    assert!(report.tiles >= 1 && report.openings > 10, "{report:?}");
}

#[tokio::test]
async fn log_without_entries_has_no_finding() {
    let log = TestLog::empty().await;
    let report = audit(&log).await;
    assert!(report.holds(), "{:#?}", report.findings);
    assert_eq!((report.entries, report.streams), (0, 0));
}

#[tokio::test]
async fn check_sees_one_moment_however_much_is_appended_meanwhile() {
    let mut log = TestLog::founded().await;
    settle(&log).await;
    let before = log.store.head.borrow().size;
    let audit = Audit::open(options(&log)).await.unwrap();
    // The first read fixes what is seen.
    let first = audit.run(&watch::Sender::new(Progress::default())).await.unwrap();
    for candidate in log.workflows("meanwhile", 5).await {
        log.offer(&candidate).await.unwrap();
    }
    assert_eq!((first.holds(), first.entries), (true, before), "{first:#?}");
    let progress = watch::Sender::new(Progress::default());
    assert_eq!(self::audit(&log).await.entries, before + 5);
    let told = progress.borrow().of;
    assert_eq!(told, 0);
}

#[tokio::test]
async fn every_opening_that_the_rules_ask_for_is_missed() {
    let log = TestLog::founded().await;
    settle(&log).await;
    let owner = log.owner().await;
    let sql = "DELETE FROM openings WHERE name = 'lay_summary'";
    let missing = owner.execute(sql, &[]).await.unwrap();
    let report = audit(&log).await;
    assert!(missing > 0);
    assert_eq!(report.total(), missing);
    assert_eq!(report.counts["openings, row"], missing, "{:#?}", report.findings);
}

#[tokio::test]
async fn hub_that_goes_on_meanwhile_is_no_finding() {
    let mut log = TestLog::founded().await;
    settle(&log).await;
    let audit = Audit::open(options(&log)).await.unwrap();
    for candidate in log.workflows("meanwhile", 3).await {
        log.offer(&candidate).await.unwrap();
    }
    settle(&log).await;
    let report = audit.run(&watch::Sender::new(Progress::default())).await.unwrap();
    assert!(report.holds(), "{:#?}", report.findings);
}
