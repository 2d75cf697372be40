//! Following the log: in any batches, with breaks, beside others.

use std::time::Duration;

use daybook_core::event::Event;
use daybook_store::project::{MAX_FOLD, Projector};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::support::{LIMIT, Log, everything, until};

fn in_runtime(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.unwrap().block_on(work);
}

/// Appends all entries in pieces while projectors fold them in batches, and compares with a fold of all at once.
async fn folded_in(pieces: &[usize], batch: u64) {
    let mut log = Log::new().await;
    let projector = log.projector(batch).await;
    let mut left: &[Event] = everything().entries();
    for piece in pieces.iter().cycle() {
        let (now, later) = left.split_at((*piece).min(left.len()));
        log.append(now).await;
        left = later;
        if left.is_empty() {
            break;
        }
    }
    log.until_folded(&projector).await;
    projector.stop().await;
    log.check().await;
}

#[tokio::test]
async fn one_entry_at_a_time_gives_the_rows_of_all_at_once() {
    folded_in(&[usize::MAX], 1).await;
}

#[test]
fn any_batches_give_the_rows_of_all_at_once() {
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 6,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let batches = (prop::collection::vec(1..90_usize, 1..4), 2..70_u64);
    let tried = runner.run(&batches, |(pieces, batch)| {
        in_runtime(folded_in(&pieces, batch));
        Ok(())
    });
    tried.unwrap();
}

/// Ends a projector as the death of its process would: in the middle of whatever it does.
fn kill_after(log: &Log, reaches: u64) {
    let start = log.start(3);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let projector = Projector::start(start).await.unwrap();
            let progress = projector.progress();
            until("some is folded", async || progress.size("jobs") >= reaches).await;
            std::mem::forget(projector);
        });
        runtime.shutdown_background();
    })
    .join()
    .unwrap();
}

#[tokio::test]
async fn projector_that_is_killed_in_the_middle_is_taken_over() {
    let log = Log::with(everything().entries()).await;
    for reaches in [1, 40, 100] {
        kill_after(&log, reaches);
    }
    let projector = log.fold().await;
    projector.stop().await;
    log.check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn projectors_at_once_share_the_work_without_harm() {
    let mut log = Log::new().await;
    let projectors = [
        log.projector(2).await,
        log.projector(3).await,
        log.projector(MAX_FOLD).await,
    ];
    for piece in everything().entries().chunks(11) {
        log.append(piece).await;
    }
    for projector in projectors {
        log.until_folded(&projector).await;
        projector.stop().await;
    }
    log.check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_break_again_and_again_lose_nothing() {
    let mut log = Log::new().await;
    let projector = log.projector(2).await;
    let breaker = crate::support::connect(&log.db).await;
    let breaking = tokio::spawn(async move {
        let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND application_name = 'daybook projector'";
        for _ in 0..5 {
            tokio::time::sleep(Duration::from_millis(30)).await;
            breaker.query(sql, &[]).await.unwrap();
        }
    });
    for piece in everything().entries().chunks(29) {
        log.append(piece).await;
    }
    breaking.await.unwrap();
    log.until_folded(&projector).await;
    projector.stop().await;
    log.check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hub_hears_of_what_another_appends() {
    let mut log = Log::new().await;
    // This one hears nothing from the process itself: only what another tells, and its own looking.
    let mut deaf = log.start(MAX_FOLD);
    let (silent, unheard) = tokio::sync::watch::channel(*log.head.borrow());
    deaf.head = unheard;
    let follower = Projector::start(deaf).await.unwrap();
    let teller = log.projector(MAX_FOLD).await;
    log.append(everything().entries()).await;
    log.until_folded(&follower).await;
    follower.stop().await;
    teller.stop().await;
    drop(silent);
}

#[tokio::test(flavor = "multi_thread")]
async fn notification_of_the_head_goes_out_after_the_commit() {
    let mut log = Log::new().await;
    let projector = log.projector(MAX_FOLD).await;
    let (client, mut connection) = log.db.config().connect(tokio_postgres::NoTls).await.unwrap();
    let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(Ok(message)) = std::future::poll_fn(|context| connection.poll_message(context)).await {
            if let tokio_postgres::AsyncMessage::Notification(note) = message {
                told.send(note.channel().to_owned()).unwrap();
            }
        }
    });
    client.batch_execute("LISTEN daybook_head").await.unwrap();
    log.append(&everything().entries()[..1]).await;
    let channel = tokio::time::timeout(LIMIT, heard.recv()).await.unwrap();
    assert_eq!(channel.as_deref(), Some("daybook_head"));
    projector.stop().await;
}
