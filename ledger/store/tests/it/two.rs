//! Two hubs on one database, and what one hub does when another stands in its way.

use std::time::Duration;

use daybook_store::append::{AppendError, Candidate};
use daybook_store::packets::{Begun, Finished, Packet, PacketKind, Quota};
use daybook_store::{Options, Store};
use daybook_testkit::TestLog;
use daybook_world::{Ending, id};
use futures::future::{join_all, try_join_all};
use tokio::time::Instant;
use tokio_postgres::NoTls;

use crate::support::{LIMIT, append, check_receipts, check_whole, number, until};

async fn second_hub(log: &TestLog) -> Store {
    let guard_path = log.folder().join("second/guard");
    Store::open(Options {
        guard_path,
        trust_database: true,
        ..log.options()
    })
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hubs_under_load_make_one_log_without_gap_or_fork() {
    let mut log = TestLog::founded().await;
    let second = second_hub(&log).await;
    let (ours, theirs, both) = (
        log.workflows("ours", 500).await,
        log.workflows("theirs", 500).await,
        log.workflows("both", 200).await,
    );
    let now = log.world.now;
    // Small groups at a time, so that the head changes hands often.
    let load = async |store: &Store, own: &[Candidate]| {
        let mut receipts = Vec::new();
        for (own, shared) in own.chunks(10).zip(both.chunks(4)) {
            let offers = own
                .iter()
                .chain(shared)
                .map(|one| store.appender.append(one.clone(), now));
            receipts.extend(try_join_all(offers).await.unwrap());
        }
        receipts
    };
    let (first, other) = futures::join!(load(&log.store, &ours), load(&second, &theirs));
    let owner = log.owner().await;
    let leaves = check_whole(&owner).await;
    assert_eq!(leaves.len(), log.world.entries().len() + 1_200);
    check_receipts(&leaves, first.iter().chain(&other));
    let repeats = first
        .iter()
        .chain(&other)
        .filter(|receipt| receipt.is_repeat)
        .count();
    assert_eq!(repeats, 200, "of each shared event one receipt is the first");
    let all = leaves.len() as u64;
    let released = [
        log.store.published.clone().covering(all).await,
        second.published.clone().covering(all).await,
    ];
    assert_eq!(released[0], released[1]);
    second.close().await;
}

/// Holds the lock of the head as a hub would that has frozen between two statements, without the server's own limit.
async fn hold_the_head(log: &TestLog) -> tokio_postgres::Client {
    let client = log.owner().await;
    client
        .batch_execute("BEGIN; SELECT * FROM log_head FOR UPDATE")
        .await
        .unwrap();
    client
}

#[tokio::test]
async fn caller_is_told_within_ten_seconds_that_the_outcome_is_unknown_and_the_queue_forgets_the_event() {
    let mut log = TestLog::founded().await;
    let [unknown, given_up, later] = log.workflows("one", 3).await.try_into().unwrap();
    let owner = log.owner().await;
    let before = number(&owner, "SELECT size FROM log_head").await;
    let holder = hold_the_head(&log).await;
    let offer = tokio::time::timeout(LIMIT, log.offer(&unknown));
    let impatient = tokio::time::timeout(Duration::from_secs(1), log.offer(&given_up));
    let (answer, impatient) = futures::join!(offer, impatient);
    assert!(
        matches!(answer, Ok(Err(AppendError::OutcomeUnknown))),
        "{answer:?}"
    );
    assert!(impatient.is_err());
    // The attempt that now waits for the lock may still carry them; the one after it must not.
    let waits = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '-- lock_head%'";
    until("no attempt waits any more", async || {
        number(&owner, waits).await == 0
    })
    .await;
    holder.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(
        i64::try_from(log.offer(&later).await.unwrap().index).unwrap(),
        before
    );
    assert_eq!(log.store.health.stopped(), None);
    assert!(!log.offer(&unknown).await.unwrap().is_repeat);
    check_whole(&owner).await;
}

#[tokio::test]
async fn hard_stop_ends_a_hub_that_the_database_keeps_waiting() {
    let mut log = TestLog::founded().await;
    let one = log.workflows("one", 1).await.remove(0);
    let _holder = hold_the_head(&log).await;
    let (appender, now, hard_stop) = (log.store.appender.clone(), log.world.now, log.store.hard_stop());
    let owner = log.owner().await;
    let waits = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '-- lock_head%'";
    let ends = async {
        until("the event waits for the lock", async || {
            number(&owner, waits).await > 0
        })
        .await;
        hard_stop.cancel();
        tokio::time::timeout(LIMIT, log.store.close()).await.unwrap();
    };
    let began = Instant::now();
    let offer = async {
        let answer = appender.append(one, now).await;
        (answer, began.elapsed())
    };
    let ((answer, waited), ()) = futures::join!(offer, ends);
    assert!(matches!(answer, Err(AppendError::OutcomeUnknown)), "{answer:?}");
    // From then on a caller is told the same without any stop.
    assert!(waited < Duration::from_secs(10), "{waited:?}");
}

/// A hub's connection that has frozen while the server sends it something: to the server it is at work.
fn freeze_while_reading(
    config: tokio_postgres::Config,
) -> (std::thread::JoinHandle<()>, std::sync::mpsc::Sender<()>) {
    let (thaw, frozen) = std::sync::mpsc::channel();
    let (ready, is_ready) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let client = runtime.block_on(async {
            let mut config = config;
            config.application_name("daybook writer");
            let (client, connection) = config.connect(NoTls).await.unwrap();
            tokio::spawn(connection);
            let lock =
                "SET idle_in_transaction_session_timeout = '5s'; BEGIN; SELECT * FROM log_head FOR UPDATE";
            client.batch_execute(lock).await.unwrap();
            let much = client.simple_query("SELECT repeat('x', 1000) FROM generate_series(1, 1000000)");
            tokio::time::timeout(Duration::from_millis(20), much)
                .await
                .unwrap_err();
            client
        });
        ready.send(()).unwrap();
        // From here on nobody drives the connection.
        frozen.recv().unwrap_err();
        drop(client);
    });
    is_ready.recv().unwrap();
    (thread, thaw)
}

#[tokio::test]
async fn hub_that_froze_while_it_was_read_to_does_not_stop_the_others() {
    let mut log = TestLog::founded().await;
    let one = log.workflows("one", 1).await.remove(0);
    let (thread, thaw) = freeze_while_reading(log.db.config());
    let owner = log.owner().await;
    let blocked = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event = 'ClientWrite'";
    until("the server waits for the frozen hub", async || {
        number(&owner, blocked).await == 1
    })
    .await;
    let offer = append(&log.store.appender, &one, log.world.now);
    let receipt = tokio::time::timeout(LIMIT, offer).await.unwrap().unwrap();
    assert_eq!(receipt.index, log.world.entries().len() as u64);
    drop(thaw);
    thread.join().unwrap();
}

#[tokio::test]
async fn packets_that_wait_for_the_database_keep_neither_appends_nor_publications_waiting() {
    let mut log = TestLog::founded().await;
    let one = log.workflows("one", 1).await.remove(0);
    let owner = log.owner().await;
    let quota = Quota {
        bytes: 1000,
        packets: 8,
    };
    let packet = async |n: usize| Packet {
        place: match log
            .store
            .packets
            .begin(id(&format!("packet {n}")), "registrar/main", 6, quota)
            .await
        {
            Ok(Begun::At(place)) => place,
            other => panic!("no place: {other:?}"),
        },
        id: id(&format!("packet {n}")),
        sha256: daybook_core::Hash::of(b"packet"),
        size: 6,
        kind: PacketKind::Request,
        owner: "registrar/main".to_owned(),
    };
    let mut packets = Vec::new();
    for n in 0..8 {
        packets.push(packet(n).await);
    }
    owner.batch_execute("BEGIN; LOCK TABLE packets").await.unwrap();
    let mut inserts: Vec<_> = packets
        .iter()
        .map(|one| Box::pin(log.store.packets.finish(one)))
        .collect();
    for insert in &mut inserts {
        assert!(futures::poll!(insert).is_pending());
    }
    let meanwhile = async {
        let receipt = log.offer(&one).await.unwrap();
        let mut published = log.store.published.clone();
        tokio::time::timeout(LIMIT, published.covering(receipt.index + 1))
            .await
            .unwrap()
            .unwrap();
        owner.batch_execute("COMMIT").await.unwrap();
    };
    let (inserted, ()) = futures::join!(join_all(inserts), meanwhile);
    assert!(
        inserted
            .iter()
            .all(|insert| matches!(insert, Ok(Finished::Listed))),
        "{inserted:?}"
    );
    assert_eq!(
        log.store.packets.find(packets[3].id).await.unwrap().as_ref(),
        Some(&packets[3])
    );
    assert_eq!(
        log.store.packets.finish(&packets[3]).await.unwrap(),
        Finished::GivenUp,
        "the place is the packet's"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn hub_judges_by_what_another_has_appended_since_its_own_last_batch() {
    let mut log = TestLog::founded().await;
    let second = second_hub(&log).await;
    let submitted = log.world.usual("job-submitted");
    log.world.job = submitted.data["jobs"]["wessex"]["job"]
        .as_str()
        .and_then(|id| id.parse().ok());
    log.say(&submitted).await;
    // Each hub knows the job's stream from its own last event, and must not believe that.
    for (n, kind) in Ending::Recalled.steps().iter().enumerate() {
        let draft = log.world.usual(kind);
        let next = log.sign(&draft).await;
        let hub = if n % 2 == 0 { &second } else { &log.store };
        let receipt = hub.appender.append(next.clone(), log.world.now).await;
        assert!(receipt.is_ok(), "{kind}: {receipt:?}");
        log.world.append(&next.event).unwrap();
    }
    // The same for a key that the first hub has just found valid, and that the other sees revoked.
    let amended = log.world.usual("dataset-amended");
    log.say(&amended).await;
    let by_relay = log.world.usual("dataset-amended");
    let by_relay = log.sign(&by_relay).await;
    let revoked = log.world.usual("key-revoked");
    let revoked = log.sign(&revoked).await;
    second.appender.append(revoked, log.world.now).await.unwrap();
    let refused = log.offer(&by_relay).await.unwrap_err();
    let code = match &refused {
        AppendError::Refused(refusal) => refusal.code(),
        other => panic!("{other:?}"),
    };
    assert_eq!(code, "not-your-key");
    second.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_judged_ahead_is_thrown_away_where_another_hub_has_appended() {
    let mut log = TestLog::founded().await;
    let first = log.workflows("first", 3).await;
    // From its second batch on a hub judges ahead.
    for one in &first[..2] {
        log.offer(one).await.unwrap();
    }
    let second = second_hub(&log).await;
    let one = log.workflows("contested", 1).await.remove(0);
    let mut claims = one.event.claims().clone();
    claims.jti = id("another of the same place");
    let event = daybook_core::event::Event::sign(&claims, &log.world.key(&claims.iss)).unwrap();
    let other = Candidate { event, ..one.clone() };
    let (owner, watcher) = (log.owner().await, log.owner().await);
    let waiting = async |count: i64| {
        let sql = "SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '-- lock_head%'";
        until("a hub waits for the lock", async || {
            number(&watcher, sql).await == count
        })
        .await;
    };
    let head = "BEGIN; SELECT * FROM log_head FOR UPDATE";
    owner.batch_execute(head).await.unwrap();
    let now = log.world.now;
    let offer = |hub: &Store, candidate: Candidate| {
        let appender = hub.appender.clone();
        tokio::spawn(async move { append(&appender, &candidate, now).await })
    };
    let third = offer(&log.store, first[2].clone());
    waiting(1).await;
    let theirs = offer(&second, other);
    waiting(2).await;
    let before = log.store.monitor.figures();
    let ours = offer(&log.store, one);
    // Judged ahead of the batch that waits, before the other hub has the lock.
    until("the next one has been taken from the queue", async || {
        let figures = log.store.monitor.figures();
        figures.queue_bytes > before.queue_bytes && figures.queue_events == 0
    })
    .await;
    owner.batch_execute("COMMIT").await.unwrap();
    third.await.unwrap().unwrap();
    // Both want one place of one stream: whoever comes second is told so, and nothing is lost or repeated.
    let told = [ours.await.unwrap(), theirs.await.unwrap()];
    assert_eq!(told.iter().filter(|told| told.is_ok()).count(), 1, "{told:?}");
    let refused = told.into_iter().find_map(Result::err).unwrap();
    assert!(
        matches!(&refused, AppendError::Refused(refusal) if refusal.code() == "not-next"),
        "{refused:?}"
    );
    check_whole(&owner).await;
    second.close().await;
}
