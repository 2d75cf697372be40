//! A primary that is killed and a standby that takes its place, under a hub that runs.

use std::time::Duration;

use daybook_store::append::Candidate;
use daybook_store::guard::Guard;
use daybook_store::{Address, OpenError, Options, Store, StoreError, initialise, migrate};
use daybook_testkit::{founded_world, identity, options, travelling};
use tempfile::TempDir;

use crate::postgres::Postgres;
use crate::support::{check_whole, number, until};

/// A primary, its standby, and how a hub reaches whichever of them writes.
struct Pair {
    primary: Postgres,
    standby: Postgres,
    folder: TempDir,
}

impl Pair {
    async fn new(is_synchronous: bool) -> Self {
        let primary = Postgres::start(&[], &[]).await;
        let client = primary.client().await;
        let standby = primary.standby("second").await;
        if is_synchronous {
            let set = "ALTER SYSTEM SET synchronous_standby_names = 'second'";
            client.batch_execute(set).await.unwrap();
            client.batch_execute("SELECT pg_reload_conf()").await.unwrap();
        }
        let state = if is_synchronous { "sync" } else { "async" };
        let sql = format!(
            "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND sync_state = '{state}'"
        );
        until("the standby follows", async || number(&client, &sql).await == 1).await;
        let folder = tempfile::tempdir().unwrap();
        Self {
            primary,
            standby,
            folder,
        }
    }

    fn address(&self) -> Address {
        let [one, two] = [&self.primary, &self.standby];
        let (first, second) = (one.socket_folder().display(), two.socket_folder().display());
        format!(
            "host={first},{second} port={},{} user=daybook dbname=postgres",
            one.port, two.port
        )
        .parse()
        .unwrap()
    }

    fn options(&self) -> Options {
        Options {
            config: self.address(),
            ..options(tokio_postgres::Config::new(), &self.folder.path().join("guard"))
        }
    }

    async fn open(&self) -> Store {
        migrate(&self.address()).await.unwrap();
        let client = daybook_store::open(&self.address(), "daybook test")
            .await
            .unwrap();
        initialise(&client, &identity()).await.unwrap();
        Store::open(self.options()).await.unwrap()
    }

    async fn fail_over(&mut self) {
        self.primary.kill();
        let client = self.standby.client().await;
        client.batch_execute("SELECT pg_promote()").await.unwrap();
    }
}

/// The first entries of a log; none of them names a checkpoint.
fn entries() -> Vec<Candidate> {
    let world = founded_world();
    let first = world
        .entries()
        .iter()
        .take_while(|event| event.claims().seen.is_none());
    first
        .map(|event| Candidate {
            openings: travelling(world.table(), &event.claims().kind, world.openings(event)),
            event: event.clone(),
        })
        .collect()
}

/// Appends an event as often as it takes.
async fn append(store: &Store, candidate: &Candidate) -> u64 {
    for _ in 0..10 {
        let now = candidate.event.claims().iat;
        if let Ok(receipt) = store.appender.append(candidate.clone(), now).await {
            return receipt.index;
        }
    }
    panic!("the event was not appended: {:?}", store.health.stopped());
}

#[tokio::test(flavor = "multi_thread")]
async fn promoted_synchronous_standby_is_followed_with_everything_acknowledged() {
    let mut pair = Pair::new(true).await;
    let store = pair.open().await;
    let entries = entries();
    let (before, after) = entries.split_at(2);
    for (index, entry) in before.iter().enumerate() {
        assert_eq!(append(&store, entry).await, index as u64);
    }
    store.published.clone().covering(2).await.unwrap();
    pair.fail_over().await;
    assert_eq!(append(&store, &after[0]).await, 2);
    store.published.clone().covering(3).await.unwrap();
    assert_eq!(store.health.stopped(), None);
    let mark = Guard::open(&pair.options().guard_path)
        .unwrap()
        .mark()
        .unwrap()
        .clone();
    assert_eq!((mark.size, mark.timeline), (3, 2));
    store.close().await;
    assert_eq!(check_whole(&pair.standby.client().await).await.len(), 3);
    // A hub that followed needs nobody's word at its next start.
    Store::open(pair.options()).await.unwrap().close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn promotion_is_kept_in_the_guard_though_nothing_is_appended() {
    let mut pair = Pair::new(true).await;
    let store = pair.open().await;
    append(&store, &entries()[0]).await;
    store.published.clone().covering(1).await.unwrap();
    pair.fail_over().await;
    let path = pair.options().guard_path;
    until("the guard names the new timeline", async || {
        Guard::open(&path).unwrap().mark().unwrap().timeline == 2
    })
    .await;
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn promotion_of_a_standby_that_nobody_waited_for_stops_the_hub() {
    let mut pair = Pair::new(false).await;
    let store = pair.open().await;
    let entries = entries();
    append(&store, &entries[0]).await;
    store.published.clone().covering(1).await.unwrap();
    pair.fail_over().await;
    let now = entries[1].event.claims().iat;
    drop(store.appender.append(entries[1].clone(), now).await);
    until("the hub stops", async || store.health.stopped().is_some()).await;
    let reason = store.health.stopped().unwrap();
    assert!(reason.contains("did not wait for every one"), "{reason}");
    let size = number(&pair.standby.client().await, "SELECT size FROM log_head").await;
    assert!(size <= 1, "nothing was written after the promotion");
}

#[tokio::test]
async fn standby_alone_is_refused_with_what_to_do() {
    let pair = Pair::new(true).await;
    let store = pair.open().await;
    store.close().await;
    let primary = pair.primary.client().await;
    let standby = pair.standby.client().await;
    let at = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint";
    let written = number(&primary, at).await;
    let replayed = "SELECT pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0')::bigint";
    until("the standby has the log", async || {
        number(&standby, replayed).await >= written
    })
    .await;
    let alone: Address = pair.standby.words("postgres").parse().unwrap();
    let refused = Store::open(Options {
        config: alone,
        ..pair.options()
    })
    .await;
    let Err(OpenError::Store(error)) = refused else {
        panic!("a standby was opened")
    };
    assert!(matches!(error, StoreError::Standby), "{error:?}");
}

#[tokio::test]
async fn host_that_takes_connections_and_says_nothing_does_not_hide_the_next() {
    let frozen = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let server = Postgres::start(&[], &[]).await;
    let ports = (frozen.local_addr().unwrap().port(), server.port);
    let address: Address = format!(
        "host=127.0.0.1,127.0.0.1 port={},{} user=daybook dbname=postgres",
        ports.0, ports.1
    )
    .parse()
    .unwrap();
    let opening = daybook_store::open(&address, "daybook test");
    tokio::time::timeout(Duration::from_secs(30), opening)
        .await
        .unwrap()
        .unwrap();
    let alone: Address = format!("host=127.0.0.1,127.0.0.1 port={0},{0}", ports.0)
        .parse()
        .unwrap();
    let silent = daybook_store::open(&alone, "daybook test").await;
    assert!(matches!(silent, Err(StoreError::Silent(_))));
}
