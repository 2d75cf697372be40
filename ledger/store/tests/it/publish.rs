//! The publisher: what it lets out, in which order, and that nothing else signs.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use daybook_core::checkpoint::Checkpoint;
use daybook_core::note::Note;
use daybook_store::guard::Guard;
use daybook_store::log::TreeHead;
use daybook_store::publish::Released;
use daybook_store::{OpenError, Options, Store};
use daybook_testkit::{TestLog, identity};
use daybook_world::ORIGIN;
use futures::future::join_all;

use crate::support::{check_whole, number, until};

/// The head that a released note states.
fn opened(released: &Released) -> TreeHead {
    let note = Note::parse(released.note.as_bytes()).unwrap();
    let checkpoint = Checkpoint::open(&note, &identity().log_key, ORIGIN).unwrap();
    let head = TreeHead {
        size: checkpoint.size(),
        root: *checkpoint.root(),
    };
    assert_eq!(head, released.head);
    head
}

async fn second_hub(log: &TestLog) -> Result<Store, OpenError> {
    let guard_path = log.folder().join("second/guard");
    Store::open(Options {
        guard_path,
        trust_database: true,
        ..log.options()
    })
    .await
}

#[tokio::test]
async fn checkpoint_covers_what_is_committed_and_only_grows() {
    let mut log = TestLog::founded().await;
    let all = log.workflows("one", 600).await;
    let mut published = log.store.published.clone();
    let owner = log.owner().await;
    let guard = log.options().guard_path;
    let target = log.store.head.borrow().size + 600;
    let watch = async {
        let mut seen = Vec::new();
        while seen.last().is_none_or(|head: &TreeHead| head.size < target) {
            let next = seen.last().map_or(1, |head| head.size + 1);
            let released = published.covering(next).await.unwrap();
            let head = opened(&released);
            // What is out is committed, and stands in the guard file already.
            let committed = number(&owner, "SELECT size FROM log_head").await;
            assert!(head.size <= u64::try_from(committed).unwrap());
            assert!(Guard::open(&guard).unwrap().released().unwrap().size >= head.size);
            let row = owner
                .query_one("SELECT max(size) FROM checkpoints", &[])
                .await
                .unwrap();
            assert!(u64::try_from(row.get::<_, i64>(0)).unwrap() >= head.size);
            seen.push(head);
        }
        seen
    };
    let load = async {
        for chunk in all.chunks(20) {
            join_all(chunk.iter().map(|one| log.offer(one))).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let (seen, ()) = futures::join!(watch, load);
    assert!(seen.len() >= 3, "{}", seen.len());
    assert!(seen.is_sorted_by(|old, new| old.size < new.size));
    check_whole(&owner).await;
}

#[tokio::test]
async fn idle_log_is_looked_at_without_a_lock_and_not_published_again() {
    let log = TestLog::founded().await;
    let size = log.store.head.borrow().size;
    log.store.published.clone().covering(size).await.unwrap();
    let owner = log.owner().await;
    let looked = "SELECT query_start::text FROM pg_stat_activity
        WHERE datname = current_database() AND query LIKE '-- news%'";
    let mut times = std::collections::BTreeSet::new();
    // A row's lock leaves its transaction in `xmax`.
    let traces = "SELECT h.xmax::text || ' ' || p.xmax::text || ' ' || (SELECT count(*) FROM checkpoints)
        FROM log_head AS h, publication AS p";
    let trace = async || owner.query_one(traces, &[]).await.unwrap().get::<_, String>(0);
    let mut look = async || {
        times.extend(
            owner
                .query(looked, &[])
                .await
                .unwrap()
                .iter()
                .map(|row| row.get::<_, String>(0)),
        );
        times.len()
    };
    until("the publisher has nothing to do", async || look().await > 1).await;
    let before = trace().await;
    let base = look().await;
    until("the publisher has looked several times", async || {
        look().await > base + 3
    })
    .await;
    assert_eq!(trace().await, before);
}

/// Appends an event while the guard cannot be written, and gives what the publisher says of it.
async fn appended_without_a_guard(log: &mut TestLog, name: &str) -> (u64, String) {
    let owner = log.owner().await;
    let published = log.store.published.latest().unwrap().head.size;
    let before = number(&owner, "SELECT count(*) FROM checkpoints").await;
    let one = log.workflows(name, 1).await.remove(0);
    let receipt = log.offer(&one).await.unwrap();
    let mut words = String::new();
    until("the publisher has failed twice", async || {
        let trouble = log.store.health.publisher().trouble();
        trouble.is_some_and(|trouble| {
            words = trouble.words;
            trouble.count >= 2
        })
    })
    .await;
    assert_eq!(log.store.health.stopped(), None, "a disk is no contradiction");
    assert_eq!(number(&owner, "SELECT count(*) FROM checkpoints").await, before);
    assert_eq!(log.store.published.latest().unwrap().head.size, published);
    let checks = log.store.monitor.checks(log.world.now).await;
    let told = checks.iter().find(|check| check.name == "publisher").unwrap();
    assert!(!told.holds && told.words.contains("guard"), "{told:?}");
    (receipt.index + 1, words)
}

#[tokio::test]
async fn a_guard_on_a_full_disk_holds_checkpoints_back_until_there_is_room() {
    let mut log = TestLog::founded().await;
    let size = log.store.head.borrow().size;
    log.store.published.clone().covering(size).await.unwrap();
    let guard = log.options().guard_path;
    // Whatever is written to that device meets a full disk.
    let new = guard.with_extension("new");
    std::os::unix::fs::symlink("/dev/full", &new).unwrap();
    let (size, words) = appended_without_a_guard(&mut log, "full").await;
    assert!(words.contains("no storage space"), "{words}");
    assert!(Guard::open(&guard).unwrap().released().unwrap().size < size);
    fs::remove_file(&new).unwrap();
    let released = log.store.published.clone().covering(size).await.unwrap();
    assert_eq!(Guard::open(&guard).unwrap().released(), Some(released.head));
    until("the trouble is over", async || {
        log.store.health.publisher().trouble().is_none()
    })
    .await;
}

#[tokio::test]
async fn a_guard_whose_folder_is_away_holds_checkpoints_back_until_it_is_there_again() {
    let mut log = TestLog::founded().await;
    let size = log.store.head.borrow().size;
    log.store.published.clone().covering(size).await.unwrap();
    // Not even root can read or write a file where a folder is.
    let guard = log.options().guard_path;
    let away = guard.with_extension("away");
    fs::rename(&guard, &away).unwrap();
    fs::create_dir(&guard).unwrap();
    let (size, _) = appended_without_a_guard(&mut log, "away").await;
    fs::remove_dir(&guard).unwrap();
    fs::rename(&away, &guard).unwrap();
    log.store.published.clone().covering(size).await.unwrap();
    assert_eq!(Guard::open(&guard).unwrap().released().unwrap().size, size);
}

#[tokio::test]
async fn a_guard_that_says_otherwise_stops_the_hub() {
    let mut log = TestLog::founded().await;
    let size = log.store.head.borrow().size;
    log.store.published.clone().covering(size).await.unwrap();
    let guard = log.options().guard_path;
    let [one, two] = log.workflows("one", 2).await.try_into().unwrap();
    // Somebody else has released another tree of the size that comes next.
    let mut other = Guard::open(&guard).unwrap();
    let mut mark = other.mark().unwrap().clone();
    mark.size += 1;
    mark.root = daybook_core::Hash::of(b"another tree").to_base64url();
    other.raise(mark).unwrap();
    log.offer(&one).await.unwrap();
    until("the hub has stopped", async || {
        log.store.health.stopped().is_some()
    })
    .await;
    let reason = log.store.health.stopped().unwrap();
    assert!(
        reason.contains("not a continuation of the published log"),
        "{reason}"
    );
    assert_eq!(log.store.published.latest().unwrap().head.size, size);
    let refused = log.offer(&two).await.unwrap_err();
    assert!(
        matches!(refused, daybook_store::append::AppendError::Stopped(_)),
        "{refused}"
    );
}

#[tokio::test]
async fn a_hub_whose_guard_cannot_be_written_does_not_start() {
    let log = TestLog::founded().await;
    let options = log.options();
    let probe = options.guard_path.with_extension("probe");
    std::os::unix::fs::symlink("/dev/full", &probe).unwrap();
    let refused = Store::open(options).await.err().unwrap();
    assert!(matches!(refused, OpenError::Guard(error) if error.is_passing()));
}

#[tokio::test]
async fn another_instance_lets_out_the_same_note_and_raises_its_own_guard() {
    let mut log = TestLog::founded().await;
    let second = second_hub(&log).await.unwrap();
    for n in 0..3 {
        let one = log.workflows(&format!("one {n}"), 1).await.remove(0);
        let appended = log.offer(&one).await.unwrap();
        let ours = log
            .store
            .published
            .clone()
            .covering(appended.index + 1)
            .await
            .unwrap();
        let theirs = second
            .published
            .clone()
            .covering(appended.index + 1)
            .await
            .unwrap();
        assert_eq!(ours, theirs);
        opened(&ours);
        let guard = Guard::open(&log.folder().join("second/guard")).unwrap();
        assert_eq!(guard.released().unwrap(), theirs.head);
    }
    second.close().await;
}

#[tokio::test]
async fn note_in_the_database_that_the_hub_would_not_sign_is_never_let_out() {
    let log = TestLog::founded().await;
    let size = log.store.head.borrow().size;
    log.store.published.clone().covering(size).await.unwrap();
    let owner = log.owner().await;
    let forge = format!(
        "BEGIN;
         ALTER TABLE checkpoints DISABLE TRIGGER ALL;
         UPDATE checkpoints SET note = replace(note, '{ORIGIN}', 'log.example/other') WHERE size = {size};
         COMMIT"
    );
    owner.batch_execute(&forge).await.unwrap();
    let refused = second_hub(&log).await.err().unwrap().to_string();
    assert!(
        refused.contains("note") && refused.contains("log's key"),
        "{refused}"
    );
}

#[tokio::test]
async fn waiting_for_a_checkpoint_ends_with_the_hub() {
    let log = TestLog::founded().await;
    let mut published = log.store.published.clone();
    let never = published.covering(u64::MAX);
    let (waited, ()) = futures::join!(never, log.store.close());
    assert_eq!(waited, None);
}

#[tokio::test]
async fn closing_appends_and_publishes_what_waits_whoever_holds_an_appender() {
    let mut log = TestLog::founded().await;
    let all = log.workflows("one", 200).await;
    let late = log.workflows("late", 1).await.remove(0);
    let (appender, options, now) = (log.store.appender.clone(), log.options(), log.world.now);
    let mut offers: Vec<_> = all
        .iter()
        .map(|one| Box::pin(appender.append(one.clone(), now)))
        .collect();
    // The first brings the key into memory; the others are then in the queue before the log is closed.
    offers.remove(0).await.unwrap();
    for offer in &mut offers {
        assert!(futures::poll!(offer).is_pending());
    }
    let (answers, ()) = futures::join!(join_all(offers), log.store.close());
    assert!(answers.iter().all(Result::is_ok));
    let refused = appender.append(late, now).await.unwrap_err();
    assert!(
        matches!(refused, daybook_store::append::AppendError::Stopped(_)),
        "{refused}"
    );
    let size = answers
        .iter()
        .map(|answer| answer.as_ref().unwrap().index + 1)
        .max();
    assert_eq!(
        Guard::open(&options.guard_path)
            .unwrap()
            .released()
            .map(|head| head.size),
        size
    );
}

#[tokio::test]
async fn dropped_store_ends_its_loops() {
    let log = TestLog::founded().await;
    let (mut published, appender) = (log.store.published.clone(), log.store.appender.clone());
    drop(log.store);
    assert_eq!(published.covering(u64::MAX).await, None);
    drop(appender);
}

/// The Rust sources below a folder, tests left out.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() && !["target", "tests", ".git", "node_modules"].contains(&name.as_str()) {
            sources(&path, found);
        } else if path.extension().is_some_and(|it| it == "rs") && name != "tests.rs" {
            found.push(path);
        }
    }
}

#[test]
fn no_code_but_the_publisher_signs_a_statement_about_the_tree() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap();
    let mut found = Vec::new();
    sources(&workspace, &mut found);
    assert!(found.len() > 50, "{}", found.len());
    let (exempt, publisher) = (
        workspace.join("ledger/core"),
        workspace.join("ledger/store/src/publish.rs"),
    );
    // The auditor writes a statement anew to verify what others signed under it, and holds no key.
    let auditor = workspace.join("ledger/audit/src/vouch.rs");
    let mut publisher_signs = false;
    for path in found
        .iter()
        .filter(|path| !path.starts_with(&exempt) && **path != auditor)
    {
        let text = fs::read_to_string(path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        // Whoever cosigns or vouches takes a note's text as it is, and makes no statement of its own.
        let code = code.replace("Note::new(note.text())", "");
        // What is to be signed is made first, and signed by a `NoteSigner`.
        let makes = code.contains("Checkpoint::new(") || code.contains("Note::new(");
        let makes = makes || (code.contains("NoteSigner") && code.contains(".sign("));
        if path == &publisher {
            publisher_signs = makes;
        } else {
            assert!(!makes, "{} signs a checkpoint or a note", path.display());
        }
    }
    assert!(
        publisher_signs,
        "the publisher is recognised by what is looked for"
    );
}

#[tokio::test]
async fn nothing_smaller_leaves_than_another_hub_has_let_out_by_the_same_guard() {
    let mut log = TestLog::founded().await;
    let size = log.store.head.borrow().size;
    log.store.published.clone().covering(size).await.unwrap();
    let path = log.options().guard_path;
    // Another hub, on a copy of this database that went its own way.
    let mut guard = Guard::open(&path).unwrap();
    let mark = guard.mark().unwrap().clone();
    let root = daybook_core::Hash::of(b"elsewhere").to_base64url();
    let further = daybook_store::guard::Mark {
        size: size + 100,
        root,
        ..mark
    };
    guard.raise(further).unwrap();
    let one = log.workflows("smaller", 1).await.remove(0);
    log.offer(&one).await.unwrap();
    until("the hub has stopped", async || {
        log.store.health.stopped().is_some()
    })
    .await;
    let reason = log.store.health.stopped().unwrap();
    assert!(reason.contains("older copy"), "{reason}");
    assert_eq!(log.store.published.latest().unwrap().head.size, size);
    let owner = log.owner().await;
    let signed = number(&owner, "SELECT max(size) FROM checkpoints").await;
    assert_eq!(u64::try_from(signed).unwrap(), size, "nothing was signed");
}
