//! What callers are told when connections break, also in the middle of a commit.

use std::time::Duration;

use daybook_store::append::{AppendError, Candidate, Receipt};
use daybook_testkit::TestLog;
use futures::future::join_all;

use crate::support::{check_receipts, check_whole, number};

/// Offers the same bytes until the answer is known, as every author does.
async fn insist(log: &TestLog, candidate: &Candidate) -> Receipt {
    loop {
        match log.offer(candidate).await {
            Ok(receipt) => return receipt,
            Err(AppendError::OutcomeUnknown | AppendError::Store(_) | AppendError::Busy) => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(other) => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_connections_lose_nothing_and_repeat_nothing() {
    let mut log = TestLog::founded().await;
    let all = log.workflows("one", 1_200).await;
    let owner = log.owner().await;
    let end = "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'daybook writer' AND xact_start IS NOT NULL";
    let (mut receipts, mut broken) = (Vec::new(), 0);
    for (n, chunk) in (0..).zip(all.chunks(100)) {
        let breaks = async {
            // A little later each time: at another statement of the transaction, its commit among them.
            tokio::time::sleep(Duration::from_micros(1_200 * n)).await;
            number(&owner, end).await
        };
        let offers = join_all(chunk.iter().map(|one| insist(&log, one)));
        let (ended, answers) = futures::join!(breaks, offers);
        broken += ended;
        receipts.extend(answers);
    }
    assert!(broken >= 1, "{broken}");
    assert_eq!(log.store.health.stopped(), None);
    let leaves = check_whole(&owner).await;
    assert_eq!(leaves.len(), log.world.entries().len() + 1_200);
    check_receipts(&leaves, &receipts);
    log.store
        .published
        .clone()
        .covering(leaves.len() as u64)
        .await
        .unwrap();
    check_whole(&owner).await;
}

#[tokio::test]
async fn callers_who_wait_while_the_database_is_away_are_answered_when_it_is_back() {
    let mut log = TestLog::founded().await;
    let all = log.workflows("one", 20).await;
    // The key is in memory then, so that the events reach the queue.
    log.offer(&all[0]).await.unwrap();
    // From another database: nobody is let into this one.
    let elsewhere = daybook_testkit::TestDb::empty().await;
    let elsewhere = daybook_store::open(&elsewhere.config(), "daybook test")
        .await
        .unwrap();
    let name = log.db.name();
    let allow = async |allowed: bool| {
        let sql = format!("ALTER DATABASE {name} ALLOW_CONNECTIONS {allowed}");
        elsewhere.batch_execute(&sql).await.unwrap();
    };
    allow(false).await;
    let end =
        format!("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{name}'");
    number(&elsewhere, &end).await;
    let outage = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        allow(true).await;
    };
    let (answers, ()) = futures::join!(join_all(all.iter().map(|one| log.offer(one))), outage);
    let receipts: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    let owner = log.owner().await;
    let leaves = check_whole(&owner).await;
    assert_eq!(leaves.len(), log.world.entries().len() + 20);
    check_receipts(&leaves, &receipts);
    assert_eq!(log.store.health.stopped(), None);
    log.store
        .published
        .clone()
        .covering(leaves.len() as u64)
        .await
        .unwrap();
}

#[tokio::test]
async fn queue_takes_so_many_bytes_and_no_more() {
    let mut log = TestLog::founded().await;
    // 5,000 more than may wait, all of which the database keeps waiting.
    let holder = log.owner().await;
    let one = log.workflows("one", 1).await.remove(0);
    log.offer(&one).await.unwrap();
    holder
        .batch_execute("BEGIN; SELECT * FROM log_head FOR UPDATE")
        .await
        .unwrap();
    let mut offers: Vec<_> = (0..5_000).map(|_| Box::pin(log.offer(&one))).collect();
    let mut busy = 0;
    for offer in &mut offers {
        if let std::task::Poll::Ready(answer) = futures::poll!(offer) {
            assert!(matches!(answer, Err(AppendError::Busy)), "{answer:?}");
            busy += 1;
        }
    }
    assert!(
        (400..=904).contains(&busy),
        "{busy} of 5,000 were refused; 4,096 may wait"
    );
    holder.batch_execute("COMMIT").await.unwrap();
    drop(offers);
    // Whoever went away has left the queue: it takes again.
    let two = log.workflows("two", 1).await.remove(0);
    let receipt = insist(&log, &two).await;
    assert!(!receipt.is_repeat);
}
