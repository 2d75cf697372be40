//! Two hubs in processes of their own, whose primary is killed under load: its synchronous standby takes its place, and later
//! the old one comes back.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use daybook_core::Hash;
use daybook_core::tree::verify_consistency;
use daybook_store::guard::Guard;
use daybook_store::{Options, Store};
use daybook_testkit::{found, options};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_postgres::Config;

use crate::hub::{Hub, Ledger};
use crate::postgres::Postgres;
use crate::support::{check_whole, number, root, until};

/// Events that wait at each hub.
const WIDTH: usize = 24;

struct Pair {
    primary: Postgres,
    standby: Postgres,
    folder: TempDir,
}

impl Pair {
    /// A founded log on a primary with a synchronous standby, and the guards of two hubs that know it.
    async fn found() -> Self {
        let primary = Postgres::start(&[], &[]).await;
        found(primary.words("postgres").parse().unwrap()).await.unwrap();
        let client = primary.client().await;
        let standby = primary.standby("second").await;
        let set = "ALTER SYSTEM SET synchronous_standby_names = 'second'";
        client.batch_execute(set).await.unwrap();
        client.batch_execute("SELECT pg_reload_conf()").await.unwrap();
        let follows =
            "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND sync_state = 'sync'";
        until("the standby follows", async || {
            number(&client, follows).await == 1
        })
        .await;
        let folder = tempfile::tempdir().unwrap();
        let pair = Self {
            primary,
            standby,
            folder,
        };
        for name in ["one", "two"] {
            let config: Config = pair.words().parse().unwrap();
            let store = Options {
                trust_database: true,
                ..options(config, &pair.guard(name))
            };
            let store = Store::open(store).await.unwrap();
            store.published.clone().covering(1).await.unwrap();
            store.close().await;
        }
        pair
    }

    /// Both servers, the one that was the primary first.
    fn words(&self) -> String {
        let [one, two] = [&self.primary, &self.standby];
        let (first, second) = (one.socket_folder().display(), two.socket_folder().display());
        format!(
            "host={first},{second} port={},{} user=daybook dbname=postgres",
            one.port, two.port
        )
    }

    fn guard(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// A hub that is asked all the time.
struct Load {
    ends: Arc<AtomicBool>,
    receipts: Arc<AtomicUsize>,
    task: JoinHandle<(Hub, Ledger)>,
}

impl Load {
    fn on(mut hub: Hub, mut ledger: Ledger) -> Self {
        let (ends, receipts) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let (told, counted) = (ends.clone(), receipts.clone());
        let task = tokio::task::spawn_blocking(move || {
            while !told.load(Ordering::Relaxed) {
                ledger.load(&mut hub, WIDTH, Duration::from_millis(50));
                counted.store(ledger.receipts.len(), Ordering::Relaxed);
            }
            (hub, ledger)
        });
        Self { ends, receipts, task }
    }

    fn receipts(&self) -> usize {
        self.receipts.load(Ordering::Relaxed)
    }

    async fn end(mut self) -> (Hub, Ledger) {
        self.ends.store(true, Ordering::Relaxed);
        (&mut self.task).await.unwrap()
    }
}

impl Drop for Load {
    /// A test that fails in the middle would wait for its load for ever.
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
    }
}

/// Waits until each hub has acknowledged so many events more.
async fn go_on(loads: &[Load], more: usize) {
    let before: Vec<usize> = loads.iter().map(Load::receipts).collect();
    until("both hubs append", async || {
        loads
            .iter()
            .zip(&before)
            .all(|(load, before)| load.receipts() >= before + more)
    })
    .await;
}

/// Everything acknowledged is there, and every checkpoint continues those before.
fn check(leaves: &[Hash], ledger: &Ledger) {
    for (leaf, index) in &ledger.receipts {
        assert_eq!(leaves[usize::try_from(*index).unwrap()], *leaf);
    }
    for checkpoint in &ledger.checkpoints {
        let size = usize::try_from(checkpoint.size).unwrap();
        assert_eq!(
            checkpoint.root,
            root(&leaves[..size]),
            "the checkpoint over {size}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hubs_under_load_follow_a_promoted_standby_and_never_write_to_the_primary_that_comes_back() {
    let mut pair = Pair::found().await;
    let words = pair.words();
    let loads = ["one", "two"].map(|name| {
        let hub = Hub::start(&words, &pair.guard(name), true);
        Load::on(hub, Ledger::new(name))
    });
    go_on(&loads, 100).await;

    // In the middle of it: commits are in flight, and some are on the primary's disk alone.
    pair.primary.kill();
    let promoted = pair.standby.client().await;
    promoted.batch_execute("SELECT pg_promote()").await.unwrap();
    go_on(&loads, 100).await;

    // The old primary comes back as if nothing had happened, and would take writes: it waits for nobody.
    pair.primary.come_back(&["synchronous_standby_names="]).await;
    let old = pair.primary.client().await;
    let written = "SELECT size FROM log_head";
    let left_behind = number(&old, written).await;
    go_on(&loads, 50).await;
    let mut ledgers = Vec::new();
    for (load, name) in loads.into_iter().zip(["one", "two"]) {
        let (mut hub, mut ledger) = load.end().await;
        ledger.settle(&mut hub, Duration::from_secs(30));
        hub.finish(&mut ledger);
        let guard = Guard::open(&pair.guard(name)).unwrap();
        assert_eq!(
            guard.mark().unwrap().timeline,
            2,
            "the guard of {name} names the promotion"
        );
        ledgers.push(ledger);
    }
    let leaves = check_whole(&promoted).await;
    for ledger in &ledgers {
        check(&leaves, ledger);
    }

    // A start finds the old primary first. It must not be taken for the true one, nor written to.
    let config: Config = pair.words().parse().unwrap();
    let found = Store::open(options(config, &pair.guard("one"))).await;
    assert!(found.is_err(), "the old primary was taken for the true one");
    assert_eq!(
        number(&old, written).await,
        left_behind,
        "the old primary was written to"
    );

    // With the old one gone all is as before.
    pair.primary.kill();
    let config: Config = pair.words().parse().unwrap();
    let store = Store::open(options(config, &pair.guard("one"))).await.unwrap();
    let (old, new) = (ledgers[0].checkpoints[0], *store.head.borrow());
    let proof = store
        .reader
        .consistency(old.size, new.size)
        .await
        .unwrap()
        .unwrap();
    verify_consistency(old.size, &old.root, new.size, &new.root, &proof).unwrap();
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hub_whose_sessions_end_while_the_old_primary_is_back_stops_and_writes_to_neither() {
    let mut pair = Pair::found().await;
    let config: Config = pair.words().parse().unwrap();
    let store = Store::open(options(config, &pair.guard("one"))).await.unwrap();
    pair.primary.kill();
    let promoted = pair.standby.client().await;
    promoted.batch_execute("SELECT pg_promote()").await.unwrap();
    let guard = pair.guard("one");
    until("the hub has followed", async || {
        Guard::open(&guard).unwrap().mark().unwrap().timeline == 2
    })
    .await;
    pair.primary.come_back(&["synchronous_standby_names="]).await;
    let old = pair.primary.client().await;
    let written = "SELECT size FROM log_head";
    let sizes = [number(&old, written).await, number(&promoted, written).await];
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'daybook writer'";
    number(&promoted, end).await;
    until("the hub stops", async || store.health.stopped().is_some()).await;
    let reason = store.health.stopped().unwrap();
    assert!(reason.contains("a person must say"), "{reason}");
    store.close().await;
    assert_eq!(
        [number(&old, written).await, number(&promoted, written).await],
        sizes
    );
}
