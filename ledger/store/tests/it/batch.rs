//! Many events in one transaction.

use daybook_core::id::{Stream, TreRole};
use daybook_rules::Table;
use daybook_store::append::{AppendError, MAX_BATCH, Receipt};
use daybook_testkit::{TestLog, workflow};
use daybook_world::{Cast, Draft, id};
use futures::future::join_all;
use serde_json::{Value, json};

use crate::support::{check_receipts, check_whole, code, in_one_batch, signed, transactions};

fn withdrawal(of: &Draft) -> Draft {
    Draft::new(
        &of.actor,
        &of.stream,
        "workflow-withdrawn",
        json!({ "reason": "security" }),
    )
}

fn index(answer: &Result<Receipt, AppendError>) -> u64 {
    answer.as_ref().unwrap().index
}

#[tokio::test]
async fn many_callers_share_few_transactions_and_each_receipt_is_true() {
    let mut log = TestLog::founded().await;
    let founded = log.world.entries().len() as u64;
    let all = log.workflows("many", 1_500).await;
    // Once the key is in memory nobody asks the database for it, which would not answer so many in time on a busy machine.
    let first = log.offer(&all[0]).await;
    let others = join_all(all[1..].iter().map(|one| log.offer(one))).await;
    let answers = std::iter::once(first).chain(others);
    let receipts: Vec<_> = answers.map(Result::unwrap).collect();
    let owner = log.owner().await;
    let leaves = check_whole(&owner).await;
    assert_eq!(leaves.len() as u64, founded + 1_500);
    check_receipts(&leaves, &receipts);
    assert!(receipts.iter().all(|receipt| !receipt.is_repeat));
    let transactions = transactions(&owner, founded).await.len();
    // How many there are depends on who is faster, callers or commits. One for each event it never is; the tests that
    // hold the lock of the head show the exact batches.
    assert!(transactions >= all.len().div_ceil(MAX_BATCH), "{transactions}");
    assert!(transactions < all.len() / 2, "{transactions}");
}

#[tokio::test]
async fn refused_event_harms_nobody_of_its_batch() {
    let mut log = TestLog::founded().await;
    let good = log.workflows("good", 4).await;
    let gap = workflow(&log.world, "gap");
    let gap = signed(&mut log, &gap, |claims| {
        (claims.seq, claims.prev) = (2, Some(*good[0].event.leaf()));
    })
    .await;
    let jti = good[0].event.claims().jti;
    let conflict = workflow(&log.world, "conflict");
    let conflict = signed(&mut log, &conflict, |claims| claims.jti = jti).await;
    let mut without = log.workflows("without", 1).await.remove(0);
    without.openings.clear();
    let batch = [
        good[0].clone(),
        gap,
        good[1].clone(),
        conflict,
        good[0].clone(),
        without,
        good[2].clone(),
        good[3].clone(),
    ];
    let answers = in_one_batch(&mut log, &batch).await;
    let first = index(&answers[0]);
    assert_eq!(
        [2, 6, 7].map(|n| index(&answers[n])),
        [1, 2, 3].map(|n| first + n)
    );
    assert_eq!(code(answers[1].as_ref().unwrap_err()), "not-next");
    assert!(matches!(answers[3], Err(AppendError::Conflict(_))));
    let repeat = answers[4].as_ref().unwrap();
    assert_eq!((repeat.index, repeat.is_repeat), (first, true));
    assert_eq!(code(answers[5].as_ref().unwrap_err()), "opening-missing");
    let owner = log.owner().await;
    assert_eq!(transactions(&owner, first).await.len(), 1);
    check_whole(&owner).await;
}

#[tokio::test]
async fn key_revoked_in_a_batch_signs_nothing_after_it_in_that_batch() {
    let mut log = TestLog::founded().await;
    let (root, relay) = (
        Cast::tre("wessex", TreRole::Root),
        Cast::tre("wessex", TreRole::Relay),
    );
    let kid = log.world.key(&relay).public().thumbprint().to_base64url();
    let revoked = Draft::new(
        &root,
        &root.home(),
        "key-revoked",
        json!({ "kid": kid, "reason": "lost" }),
    );
    let dataset = |name| {
        Draft::new(
            &relay,
            &Stream::Dataset(id(name)),
            "dataset-registered",
            json!({}),
        )
    };
    let batch = [
        log.sign(&dataset("before")).await,
        log.sign(&revoked).await,
        log.sign(&dataset("after")).await,
    ];
    let answers = in_one_batch(&mut log, &batch).await;
    let first = index(&answers[0]);
    assert_eq!(index(&answers[1]), first + 1);
    assert_eq!(code(answers[2].as_ref().unwrap_err()), "not-your-key");
    assert_eq!(transactions(&log.owner().await, first).await.len(), 1);
}

#[tokio::test]
async fn event_stands_on_an_earlier_one_of_its_batch() {
    let mut log = TestLog::founded().await;
    let registered = workflow(&log.world, "short-lived");
    let first = log.sign(&registered).await;
    let leaf = *first.event.leaf();
    let second = signed(&mut log, &withdrawal(&registered), |claims| {
        (claims.seq, claims.prev) = (2, Some(leaf));
    })
    .await;
    let answers = in_one_batch(&mut log, &[first, second]).await;
    assert_eq!(index(&answers[1]), index(&answers[0]) + 1);
    assert_eq!(
        transactions(&log.owner().await, index(&answers[0])).await.len(),
        1
    );
    let head = log
        .store
        .reader
        .stream_head(&registered.stream.to_string())
        .await
        .unwrap()
        .unwrap();
    assert_eq!((head.seq, head.state["state"].as_str()), (2, Some("withdrawn")));
}

fn remove(value: &mut Value, name: &str) -> bool {
    let Value::Object(members) = value else {
        return false;
    };
    members.remove(name).is_some() || members.values_mut().any(|value| remove(value, name))
}

/// The table of this program without one event type.
fn without(kind: &str) -> Table {
    let mut table = Table::v1().to_value();
    assert!(remove(&mut table, kind));
    Table::from_value(&table).unwrap()
}

#[tokio::test]
async fn adopted_table_governs_the_next_event_of_the_same_queue() {
    let mut log = TestLog::founded().await;
    let (one, two) = (workflow(&log.world, "one"), workflow(&log.world, "two"));
    log.say(&one).await;
    log.say(&two).await;
    let table = without("workflow-withdrawn");
    let adopted = log.world.usual("policy-adopted").with("table", table.to_value());
    let batch = [
        log.sign(&withdrawal(&one)).await,
        log.sign(&adopted).await,
        log.sign(&withdrawal(&two)).await,
        log.workflows("still fine", 1).await.remove(0),
    ];
    let answers = in_one_batch(&mut log, &batch).await;
    let first = index(&answers[0]);
    assert_eq!([1, 3].map(|n| index(&answers[n])), [first + 1, first + 2]);
    assert_eq!(code(answers[2].as_ref().unwrap_err()), "unknown-type");
    assert_eq!(
        log.store.reader.rules(&table.hash()).await.unwrap().as_deref(),
        Some(table.canonical())
    );

    // A hub that starts now, and one that was there already, read it from the log.
    let mut options = log.options();
    options.guard_path = log.folder().join("second");
    options.trust_database = true;
    let second = daybook_store::Store::open(options).await.unwrap();
    let refused = second
        .appender
        .append(batch[2].clone(), log.world.now)
        .await
        .unwrap_err();
    assert_eq!(code(&refused), "unknown-type");
    let back = log.world.usual("policy-adopted");
    let leaf = *batch[1].event.leaf();
    let back = signed(&mut log, &back, |claims| {
        (claims.seq, claims.prev) = (claims.seq + 1, Some(leaf));
    })
    .await;
    second.appender.append(back, log.world.now).await.unwrap();
    log.offer(&batch[2]).await.unwrap();
    check_whole(&log.owner().await).await;
    second.close().await;
}

#[tokio::test]
async fn one_of_two_submissions_gets_the_job_id_that_both_chose() {
    let mut log = TestLog::founded().await;
    let [mut one, mut two] = ["one", "two"].map(|name| log.world.submission(id(name), &["wessex"]));
    let colleague = Cast::member_of(log.world.cast.project, log.world.cast.colleague);
    for draft in [&mut one, &mut two] {
        draft.data["jobs"]["wessex"]["job"] = id("the same job").to_string().into();
    }
    two.actor = colleague;
    let batch = [log.sign(&one).await, log.sign(&two).await];
    let answers = in_one_batch(&mut log, &batch).await;
    assert!(answers[0].is_ok(), "{answers:?}");
    assert_eq!(code(answers[1].as_ref().unwrap_err()), "job-taken");
    let jobs = log.store.reader.waiting_jobs("wessex", "", 100).await.unwrap();
    assert_eq!(
        jobs.iter()
            .filter(|job| job.stream == format!("job/{}", id("the same job")))
            .count(),
        1
    );
    assert_eq!((jobs[0].seq, jobs[0].leaf), (0, None));
}

#[tokio::test]
async fn event_that_only_the_database_refuses_harms_nobody_of_its_batch() {
    let mut log = TestLog::founded().await;
    let poison = "ALTER TABLE entries ADD CONSTRAINT unknown_to_the_rules CHECK (type <> 'workflow-withdrawn') NOT VALID";
    let owner = log.owner().await;
    let one = workflow(&log.world, "one");
    log.say(&one).await;
    owner.batch_execute(poison).await.unwrap();
    let good = log.workflows("good", 3).await;
    let batch = [
        good[0].clone(),
        good[1].clone(),
        log.sign(&withdrawal(&one)).await,
        good[2].clone(),
    ];
    let answers = in_one_batch(&mut log, &batch).await;
    let first = index(&answers[0]);
    assert_eq!([1, 3].map(|n| index(&answers[n])), [first + 1, first + 2]);
    assert!(
        matches!(answers[2], Err(AppendError::Store(_))),
        "{:?}",
        answers[2]
    );
    assert_eq!(log.store.health.stopped(), None);
    check_whole(&owner).await;
}
