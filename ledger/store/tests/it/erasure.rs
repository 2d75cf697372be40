//! `fields-erased`: what it deletes, in which transaction, and that nothing brings it back.

use daybook_core::id::Stream;
use daybook_core::{Hash, base64url};
use daybook_store::Store;
use daybook_store::append::Candidate;
use daybook_testkit::{TestLog, signer};
use daybook_world::{Draft, ORIGIN};
use serde_json::{Value, json};

use crate::audit::{audit, settle};
use crate::support::{check_whole, in_one_batch, number, transactions};

/// The operator's event that erases these fields.
fn erasing(log: &TestLog, name: &str, fields: &Value) -> Draft {
    let stream = Stream::Erasure(daybook_world::id(name));
    let data = json!({ "fields": fields, "reason": "request" });
    Draft::new(&log.world.cast.operator, &stream, "fields-erased", data)
}

fn all_of(candidate: &Candidate) -> Value {
    let digests = candidate
        .openings
        .iter()
        .map(|opening| opening.digest().to_base64url());
    json!([{ "digests": digests.collect::<Vec<_>>(), "event": candidate.event.leaf().to_base64url() }])
}

async fn openings(log: &TestLog, index: u64) -> usize {
    log.store.reader.openings(index).await.unwrap().len()
}

/// Stores the openings again, as a restored copy of them would.
async fn bring_back(log: &TestLog, candidate: &Candidate, index: u64) {
    let sql = "INSERT INTO openings (idx, digest, name, class, opening) VALUES ($1, $2, $3, 'public', $4)";
    let owner = log.owner().await;
    for opening in &candidate.openings {
        let (digest, index) = (opening.digest(), i64::try_from(index).unwrap());
        owner
            .execute(
                sql,
                &[&index, &digest.as_ref(), &opening.name(), &opening.as_str()],
            )
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn erased_openings_are_gone_with_the_commit_and_the_entry_stays_provable() {
    let mut log = TestLog::founded().await;
    let [candidate, other] = log.workflows("one", 2).await.try_into().unwrap();
    let (receipt, kept) = (
        log.offer(&candidate).await.unwrap(),
        log.offer(&other).await.unwrap(),
    );
    assert!(openings(&log, receipt.index).await > 1);
    let before = openings(&log, kept.index).await;

    let fields = all_of(&candidate);
    let draft = erasing(&log, "one", &fields);
    log.say(&draft).await;
    assert_eq!(openings(&log, receipt.index).await, 0);
    assert_eq!(openings(&log, kept.index).await, before);

    let leaves = check_whole(&log.owner().await).await;
    settle(&log).await;
    let released = log.store.published.latest().unwrap();
    let proof = log
        .store
        .reader
        .proof(receipt.index, &released)
        .await
        .unwrap()
        .unwrap();
    let leaf = leaves[usize::try_from(receipt.index).unwrap()];
    assert_eq!(leaf, *candidate.event.leaf());
    proof.verify(&leaf, signer().verifier(), ORIGIN).unwrap();
    let report = audit(&log).await;
    assert!(report.holds(), "{:#?}", report.findings);
}

#[tokio::test]
async fn only_the_digests_that_are_named_go() {
    let mut log = TestLog::founded().await;
    let [candidate] = log.workflows("one", 1).await.try_into().unwrap();
    let receipt = log.offer(&candidate).await.unwrap();
    let named = candidate.openings[0].digest();
    let leaf = candidate.event.leaf().to_base64url();
    // With one of a field that has no opening, and one entry that nobody knows.
    let digests = json!([named.to_base64url(), Hash::of(b"decoy").to_base64url()]);
    let stranger = base64url::encode(&[7; 32]);
    let fields = json!([
        { "digests": digests, "event": leaf }, { "digests": [named.to_base64url()], "event": stranger },
    ]);
    let draft = erasing(&log, "one", &fields);
    log.say(&draft).await;
    let left = log.store.reader.openings(receipt.index).await.unwrap();
    assert_eq!(left.len(), candidate.openings.len() - 1);
    assert!(
        left.iter()
            .all(|opening| opening.opening != candidate.openings[0].as_str())
    );
}

#[tokio::test]
async fn event_and_its_erasure_in_one_batch_leave_no_opening() {
    let mut log = TestLog::founded().await;
    let [candidate] = log.workflows("one", 1).await.try_into().unwrap();
    let draft = erasing(&log, "one", &all_of(&candidate));
    let erasure = log.sign(&draft).await;
    let from = log.store.head.borrow().size;
    let answers = in_one_batch(&mut log, &[candidate, erasure]).await;
    let receipts: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    assert_eq!(
        transactions(&log.owner().await, from + 1).await.len(),
        1,
        "one batch took both"
    );
    assert_eq!(openings(&log, receipts[0].index).await, 0);
}

#[tokio::test]
async fn erasure_reaches_what_stands_before_it_and_nothing_that_comes_later() {
    let mut log = TestLog::founded().await;
    let [candidate] = log.workflows("one", 1).await.try_into().unwrap();
    let draft = erasing(&log, "one", &all_of(&candidate));
    log.say(&draft).await;
    let receipt = log.offer(&candidate).await.unwrap();
    assert_eq!(openings(&log, receipt.index).await, candidate.openings.len());
    settle(&log).await;
    let report = audit(&log).await;
    assert!(report.holds(), "{:#?}", report.findings);
    let store = Store::open(log.options()).await.unwrap();
    assert_eq!(
        store.reader.openings(receipt.index).await.unwrap().len(),
        candidate.openings.len()
    );
}

#[tokio::test]
async fn neither_a_repeat_nor_a_restored_copy_brings_an_erased_opening_back() {
    let mut log = TestLog::founded().await;
    let [candidate] = log.workflows("one", 1).await.try_into().unwrap();
    let receipt = log.offer(&candidate).await.unwrap();
    let draft = erasing(&log, "one", &all_of(&candidate));
    log.say(&draft).await;

    assert!(log.offer(&candidate).await.unwrap().is_repeat);
    assert_eq!(openings(&log, receipt.index).await, 0);

    bring_back(&log, &candidate, receipt.index).await;
    settle(&log).await;
    let report = audit(&log).await;
    let expected = u64::try_from(candidate.openings.len()).unwrap();
    assert_eq!(report.counts["openings, row"], expected, "{:#?}", report.findings);
    assert!(
        report.findings[0].derived.contains("erases it"),
        "{}",
        report.findings[0]
    );

    let store = Store::open(log.options()).await.unwrap();
    assert_eq!(store.reader.openings(receipt.index).await.unwrap().len(), 0);
    let report = audit(&log).await;
    assert!(report.holds(), "{:#?}", report.findings);
}

/// Stores an event's openings as if their time ended in so many days.
async fn due_in(log: &TestLog, candidate: &Candidate, index: u64, days: i32) {
    let sql = "INSERT INTO openings (idx, digest, name, class, opening, retain_until)
               VALUES ($1, $2, $3, 'parties', $4, now() + make_interval(days => $5))";
    let (owner, index) = (log.owner().await, i64::try_from(index).unwrap());
    owner
        .execute("DELETE FROM openings WHERE idx = $1", &[&index])
        .await
        .unwrap();
    for opening in &candidate.openings {
        let digest = opening.digest();
        owner
            .execute(
                sql,
                &[
                    &index,
                    &digest.as_ref(),
                    &opening.name(),
                    &opening.as_str(),
                    &days,
                ],
            )
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn what_is_over_its_time_goes_while_a_hub_runs_and_at_the_start_of_one() {
    let mut log = TestLog::founded().await;
    let [candidate, other] = log.workflows("one", 2).await.try_into().unwrap();
    let (due, later) = (
        log.offer(&candidate).await.unwrap().index,
        log.offer(&other).await.unwrap().index,
    );
    due_in(&log, &candidate, due, -1).await;
    due_in(&log, &other, later, 10).await;
    let named = |days| {
        let reader = &log.store.reader;
        async move {
            let found = reader.openings_due(days).await.unwrap();
            found.into_iter().map(|due| due.index).collect::<Vec<_>>()
        }
    };
    let (some, all) = (
        candidate.openings.len(),
        candidate.openings.len() + other.openings.len(),
    );
    assert_eq!((named(9).await.len(), named(11).await.len()), (some, all));
    assert!(named(9).await.iter().all(|index| *index == due));
    let deleted = log.store.retention().delete_due().await.unwrap();
    assert_eq!(deleted, some as u64);
    assert_eq!(
        (openings(&log, due).await, openings(&log, later).await),
        (0, other.openings.len())
    );
    // As a restored copy brings it, with its day.
    due_in(&log, &candidate, due, -1).await;
    let store = Store::open(log.options()).await.unwrap();
    assert_eq!(store.reader.openings(due).await.unwrap().len(), 0);
    assert_eq!(
        store.reader.openings(later).await.unwrap().len(),
        other.openings.len()
    );
}

#[tokio::test]
async fn refused_erasure_deletes_nothing() {
    let mut log = TestLog::founded().await;
    let [candidate] = log.workflows("one", 1).await.try_into().unwrap();
    let receipt = log.offer(&candidate).await.unwrap();
    let mut draft = erasing(&log, "one", &all_of(&candidate));
    draft.actor = log.world.cast.registrar.clone();
    let signed = log.sign(&draft).await;
    log.offer(&signed).await.unwrap_err();
    assert_eq!(openings(&log, receipt.index).await, candidate.openings.len());
}

#[tokio::test]
async fn openings_go_and_never_change_whoever_asks() {
    let log = TestLog::founded().await;
    let owner = log.owner().await;
    let before = number(&owner, "SELECT count(*) FROM openings").await;
    for sql in ["UPDATE openings SET opening = 'x'", "TRUNCATE openings"] {
        let error = owner.batch_execute(sql).await.unwrap_err();
        assert!(
            error.as_db_error().unwrap().message().contains("append-only"),
            "{sql}"
        );
    }
    assert_eq!(number(&owner, "SELECT count(*) FROM openings").await, before);
}
