//! What the tests of the log share.

use std::time::Duration;

use daybook_core::Hash;
use daybook_core::event::{Claims, Event};
use daybook_store::append::{AppendError, Appender, Candidate, Receipt};
use daybook_testkit::TestLog;
use daybook_world::Draft;
use futures::future::join_all;
use tokio::time::Instant;
use tokio_postgres::Client;

/// Nothing here takes longer unless it hangs.
pub(crate) const LIMIT: Duration = Duration::from_mins(2);

/// Asks again and again until the answer is yes.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !holds().await {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Appends an event. Asks again while it is not known whether it was: on a slow machine a caller's patience may end early.
pub(crate) async fn append(
    appender: &Appender,
    candidate: &Candidate,
    now: i64,
) -> Result<Receipt, AppendError> {
    loop {
        match appender.append(candidate.clone(), now).await {
            Err(AppendError::OutcomeUnknown) => {}
            answer => return answer,
        }
    }
}

/// A number from a query of one row and one column.
pub(crate) async fn number(client: &Client, sql: &str) -> i64 {
    client.query_one(sql, &[]).await.unwrap().get(0)
}

/// RFC 6962 §2.1, as it is written there.
pub(crate) fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Hash::empty_root(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            Hash::node(&root(left), &root(right))
        }
    }
}

/// The leaf hashes, computed from the bytes of the entries; the entries' own columns must say the same.
pub(crate) async fn leaves(client: &Client) -> Vec<Hash> {
    let sql = "SELECT idx, leaf, stream, seq, iss, jti, type, event FROM entries ORDER BY idx";
    let rows = client.query(sql, &[]).await.unwrap();
    let check = |(index, row): (usize, &tokio_postgres::Row)| {
        assert_eq!(
            row.get::<_, i64>(0),
            i64::try_from(index).unwrap(),
            "indexes have no gap"
        );
        let text: &str = row.get(7);
        let leaf = Hash::leaf(text.as_bytes());
        assert_eq!(row.get::<_, &[u8]>(1), leaf.as_ref());
        let claims = Event::parse(text).unwrap().claims().clone();
        assert_eq!(row.get::<_, &str>(2), claims.sub.to_string());
        assert_eq!(row.get::<_, i64>(3), i64::try_from(claims.seq).unwrap());
        assert_eq!(row.get::<_, &str>(4), claims.iss.to_string());
        assert_eq!(row.get::<_, uuid::Uuid>(5), claims.jti);
        assert_eq!(row.get::<_, &str>(6), claims.kind);
        leaf
    };
    rows.iter().enumerate().map(check).collect()
}

/// The log is whole: no gap, no leaf twice, and head and every checkpoint name the root of their entries.
pub(crate) async fn check_whole(client: &Client) -> Vec<Hash> {
    let leaves = leaves(client).await;
    let distinct: std::collections::BTreeSet<_> = leaves.iter().collect();
    assert_eq!(distinct.len(), leaves.len(), "no event is there twice");
    let sql = "SELECT size, root FROM log_head UNION ALL SELECT size, root FROM checkpoints";
    for row in client.query(sql, &[]).await.unwrap() {
        let size = usize::try_from(row.get::<_, i64>(0)).unwrap();
        assert_eq!(
            row.get::<_, &[u8]>(1),
            root(&leaves[..size]).as_ref(),
            "root of size {size}"
        );
    }
    assert_eq!(
        number(client, "SELECT size FROM log_head").await,
        i64::try_from(leaves.len()).unwrap()
    );
    leaves
}

/// Every receipt is true.
pub(crate) fn check_receipts<'a>(leaves: &[Hash], receipts: impl IntoIterator<Item = &'a Receipt>) {
    for receipt in receipts {
        assert_eq!(leaves[usize::try_from(receipt.index).unwrap()], receipt.leaf);
    }
}

/// Offers an event that must be refused, and checks that nothing was appended.
pub(crate) async fn refusal(log: &TestLog, candidate: &Candidate) -> AppendError {
    let owner = log.owner().await;
    let before = number(&owner, "SELECT size FROM log_head").await;
    let refusal = log.offer(candidate).await.unwrap_err();
    assert_eq!(number(&owner, "SELECT size FROM log_head").await, before);
    assert_eq!(number(&owner, "SELECT count(*) FROM entries").await, before);
    refusal
}

/// The code of a refusal by the rules.
pub(crate) fn code(error: &AppendError) -> &'static str {
    match error {
        AppendError::Refused(refusal) => refusal.code(),
        other => panic!("not refused by the rules: {other:?}"),
    }
}

/// Signs a draft after a change of its claims, with its author's key.
pub(crate) async fn signed(log: &mut TestLog, draft: &Draft, change: impl FnOnce(&mut Claims)) -> Candidate {
    let mut candidate = log.sign(draft).await;
    let mut claims = candidate.event.claims().clone();
    change(&mut claims);
    candidate.event = Event::sign(&claims, &log.world.key(&draft.actor)).unwrap();
    candidate
}

/// Offers events so that one batch takes them all, in this order: the head is locked while they queue up behind a first one.
pub(crate) async fn in_one_batch(
    log: &mut TestLog,
    candidates: &[Candidate],
) -> Vec<Result<Receipt, AppendError>> {
    // What a key needs from the database is in memory afterwards, so that nobody is overtaken at the door.
    for candidate in candidates {
        let mut claims = candidate.event.claims().clone();
        (claims.seq, claims.prev) = (999, Some(Hash::empty_root()));
        claims.jti = daybook_world::id(&format!("warm {}", candidate.event.leaf()));
        let event = Event::sign(&claims, &log.world.key(&claims.iss)).unwrap();
        log.offer(&Candidate {
            event,
            openings: Vec::new(),
        })
        .await
        .unwrap_err();
    }
    let first = log
        .workflows(&format!("plug of {}", candidates[0].event.leaf()), 1)
        .await
        .remove(0);
    let owner = log.owner().await;
    owner
        .batch_execute("BEGIN; SELECT * FROM log_head FOR UPDATE")
        .await
        .unwrap();
    let others = async {
        let watcher = log.owner().await;
        let waits = "SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '-- lock_head%'";
        until("the first event waits for the lock", async || {
            number(&watcher, waits).await > 0
        })
        .await;
        let mut offers: Vec<_> = candidates
            .iter()
            .map(|candidate| Box::pin(log.offer(candidate)))
            .collect();
        for offer in &mut offers {
            assert!(futures::poll!(offer).is_pending());
        }
        owner.batch_execute("COMMIT").await.unwrap();
        join_all(offers).await
    };
    let (first, answers) = futures::join!(log.offer(&first), others);
    first.unwrap();
    answers
}

/// The transactions that appended these entries, each named once.
pub(crate) async fn transactions(client: &Client, from: u64) -> Vec<String> {
    let sql = "SELECT DISTINCT xmin::text FROM entries WHERE idx >= $1";
    let rows = client.query(sql, &[&i64::try_from(from).unwrap()]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}
