//! Hubs and servers that are killed or frozen under load.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use daybook_core::tree::verify_consistency;
use daybook_store::append::Receipt;
use daybook_store::cluster::{Cluster, Config as ClusterConfig};
use daybook_store::log::TreeHead;
use daybook_store::{OpenError, Options, Store, StoreError};
use daybook_testkit::{TestDb, found, options, workflow};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio_postgres::{Client, Config};

use crate::hub::{Hub, Ledger};
use crate::support::{append, check_receipts, check_whole, number, root, until};

async fn connect(config: &Config) -> Client {
    daybook_store::open(config, "daybook test").await.unwrap()
}

/// What a process must be told to connect.
fn address(config: &Config) -> String {
    let tokio_postgres::config::Host::Unix(socket) = &config.get_hosts()[0] else {
        panic!("a private server has a socket")
    };
    let (user, name) = (config.get_user().unwrap(), config.get_dbname().unwrap());
    format!("host={} user={user} dbname={name}", socket.display())
}

/// Nothing acknowledged is lost, nothing is there twice, and no checkpoint disagrees with another.
async fn check(config: &Config, ledgers: &[&Ledger]) {
    let client = connect(config).await;
    let leaves = check_whole(&client).await;
    let mut sizes = BTreeMap::new();
    for ledger in ledgers {
        let receipts: Vec<Receipt> = ledger
            .receipts
            .iter()
            .map(|(leaf, index)| Receipt {
                index: *index,
                leaf: *leaf,
                is_repeat: false,
            })
            .collect();
        check_receipts(&leaves, &receipts);
        assert!(
            ledger.checkpoints.is_sorted_by_key(|head| head.size),
            "a checkpoint never shrinks"
        );
        for TreeHead { size, root: found } in &ledger.checkpoints {
            assert_eq!(*found, root(&leaves[..usize::try_from(*size).unwrap()]));
            sizes.insert(*size, *found);
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let store = Options {
        trust_database: true,
        ..options(config.clone(), &folder.path().join("guard"))
    };
    let store = Store::open(store).await.unwrap();
    let sizes: Vec<_> = sizes.into_iter().collect();
    for pair in sizes.windows(2) {
        let [(old, before), (new, after)] = pair else {
            continue;
        };
        let proof = store.reader.consistency(*old, *new).await.unwrap().unwrap();
        verify_consistency(*old, before, *new, after, &proof).unwrap();
    }
    store.close().await;
}

/// A durable server of its own, with a founded log.
struct Server {
    cluster: Option<Cluster>,
    folder: TempDir,
}

impl Server {
    async fn start() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("daybook-test-")
            .tempdir()
            .unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let cluster = Some(Cluster::start(Self::config(&folder)).await.unwrap());
        Self { cluster, folder }
    }

    fn config(folder: &TempDir) -> ClusterConfig {
        ClusterConfig {
            runtime_dir: Some(folder.path().to_owned()),
            shared_buffers_mib: 128,
            ..ClusterConfig::new(folder.path().join("data"))
        }
    }

    fn database(&self) -> Config {
        self.cluster.as_ref().unwrap().pg_config()
    }

    /// `kill -9` of the server's first process, and a start after that.
    async fn kill(&mut self) {
        let cluster = self.cluster.take().unwrap();
        let pid = i32::try_from(cluster.server_pid().unwrap()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
        cluster.ended().await;
        cluster.stop().await.unwrap();
        self.cluster = Some(Cluster::start(Self::config(&self.folder)).await.unwrap());
    }
}

/// A part of a load, after which it is looked whether something holds.
const PART: Duration = Duration::from_millis(50);

/// Loads a hub until it has acknowledged so many events more, and released another checkpoint.
async fn until_at_work(ledger: &mut Ledger, hub: &mut Hub, events: usize) {
    let (receipts, checkpoints) = (ledger.receipts.len() + events, ledger.checkpoints.len());
    until("the hub is at work", async || {
        ledger.load(hub, 64, PART);
        ledger.receipts.len() >= receipts && ledger.checkpoints.len() > checkpoints
    })
    .await;
}

/// Numbers that look random and are the same each time.
fn odd_millis(round: u64, from: u64, span: u64) -> Duration {
    Duration::from_millis(from + (round * 7_919 + 104_729) % span)
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_hubs_and_servers_lose_nothing_and_repeat_nothing() {
    let mut server = Server::start().await;
    let folder = tempfile::tempdir().unwrap();
    let guard = folder.path().join("guard");
    let bare = Store::open(options(server.database(), &guard)).await;
    assert!(matches!(
        bare,
        Err(OpenError::Store(StoreError::Schema { found: 0, .. }))
    ));
    found(server.database()).await.unwrap();
    // The founding's own guard is gone with the founding: this server is known to be the true one.
    let trusted = Options {
        trust_database: true,
        require_durability: true,
        ..options(server.database(), &guard)
    };
    let store = Store::open(trusted).await.unwrap();
    store.published.clone().covering(1).await.unwrap();
    store.close().await;

    let mut ledger = Ledger::new("crash");
    let address = address(&server.database());
    for round in 0..16 {
        let mut hub = Hub::start(&address, &guard, true);
        ledger.ask_again(&mut hub);
        until_at_work(&mut ledger, &mut hub, 16).await;
        ledger.load(&mut hub, 64, odd_millis(round, 100, 450));
        hub.kill(&mut ledger);
    }
    let hubs = ledger.receipts.len();
    assert!(hubs > 200, "only {hubs} events were acknowledged");

    let mut hub = Hub::start(&address, &guard, true);
    ledger.ask_again(&mut hub);
    for round in 0..3 {
        until_at_work(&mut ledger, &mut hub, 1).await;
        ledger.load(&mut hub, 64, odd_millis(round, 50, 200));
        let client = connect(&server.database()).await;
        let writer = "SELECT pid FROM pg_stat_activity WHERE application_name = 'daybook writer' LIMIT 1";
        until("a writer of the hub's is killed", async || {
            let writer = client.query_opt(writer, &[]).await.unwrap();
            // It may have ended just now.
            writer.is_some_and(|row| kill_process(Pid::from_raw(row.get(0)).unwrap(), Signal::KILL).is_ok())
        })
        .await;
        until_at_work(&mut ledger, &mut hub, 1).await;
        ledger.load(&mut hub, 64, odd_millis(round, 50, 200));
        server.kill().await;
    }
    let before = ledger.receipts.len();
    until("the hub goes on", async || ledger.load(&mut hub, 64, PART) > 0).await;
    assert!(ledger.receipts.len() > before);
    ledger.settle(&mut hub, Duration::from_secs(20));
    hub.finish(&mut ledger);
    assert!(ledger.checkpoints.len() > 16, "{}", ledger.checkpoints.len());
    check(&server.database(), &[&ledger]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn frozen_hub_in_mid_transaction_does_not_stop_the_other() {
    let db = TestDb::migrated(found).await;
    let folder = tempfile::tempdir().unwrap();
    let guards = ["one", "two"].map(|name| folder.path().join(name));
    for guard in &guards {
        let trusted = Options {
            trust_database: true,
            ..options(db.config(), guard)
        };
        let store = Store::open(trusted).await.unwrap();
        store.published.clone().covering(1).await.unwrap();
        store.close().await;
    }
    let address = address(&db.config());
    let [mut frozen, mut other] = guards.each_ref().map(|guard| Hub::start(&address, guard, false));
    let (mut theirs, mut ours) = (Ledger::new("frozen"), Ledger::new("other"));
    until("both append", async || {
        theirs.load(&mut frozen, 200, PART);
        ours.load(&mut other, 8, PART);
        !theirs.receipts.is_empty() && !ours.receipts.is_empty()
    })
    .await;
    // Again and again, until it is caught with the lock of the head in its hand.
    let began = Instant::now();
    let stopped = loop {
        theirs.load(&mut frozen, 200, odd_millis(theirs.receipts.len() as u64, 5, 20));
        frozen.freeze();
        let at = Instant::now();
        ours.load(&mut other, 8, Duration::from_millis(50));
        if ours.load(&mut other, 8, Duration::from_millis(400)) == 0 {
            break at;
        }
        frozen.thaw();
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "the hub was never caught in mid-transaction"
        );
    };
    while ours.load(&mut other, 8, Duration::from_millis(20)) == 0 {
        assert!(
            stopped.elapsed() < Duration::from_secs(30),
            "the other hub still waits"
        );
    }
    frozen.thaw();
    until("the frozen hub goes on", async || {
        theirs.load(&mut frozen, 200, PART) > 0
    })
    .await;
    for (hub, ledger) in [(frozen, &mut theirs), (other, &mut ours)] {
        let mut hub = hub;
        ledger.settle(&mut hub, Duration::from_secs(20));
        hub.finish(ledger);
    }
    check(&db.config(), &[&theirs, &ours]).await;
}

const WAITING_COMMITS: &str = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
const END_WAITING_COMMITS: &str =
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";

async fn set_standby(client: &Client, name: &str) {
    let set = format!("ALTER SYSTEM SET synchronous_standby_names = '{name}'");
    client.batch_execute(&set).await.unwrap();
    client.batch_execute("SELECT pg_reload_conf()").await.unwrap();
}

/// Makes the server wait for a standby that does not exist: a commit is then on disk, and neither acknowledged nor seen.
async fn require_standby(client: &Client, config: &Config) {
    set_standby(client, "nobody").await;
    // The server takes it up in its own time: commits come back until then.
    let commits = async {
        let probe = connect(config).await;
        let commit = "SELECT pg_logical_emit_message(TRUE, 'probe', '')";
        while probe.batch_execute(commit).await.is_ok() {}
    };
    let end = async {
        until("a commit waits for a standby", async || {
            number(client, WAITING_COMMITS).await > 0
        })
        .await;
        number(client, END_WAITING_COMMITS).await;
        until("it waits no more", async || {
            number(client, WAITING_COMMITS).await == 0
        })
        .await;
    };
    futures::join!(commits, end);
}

#[tokio::test(flavor = "multi_thread")]
async fn commit_that_the_server_finished_alone_is_found_and_not_repeated() {
    let server = Server::start().await;
    found(server.database()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let trusted = options(server.database(), &folder.path().join("guard"));
    let store = Store::open(Options {
        trust_database: true,
        require_durability: true,
        ..trusted
    })
    .await
    .unwrap();
    let mut ledger = daybook_testkit::founded_world();
    let draft = workflow(&ledger, "one");
    let event = ledger.sign(&draft);
    let candidate = daybook_store::append::Candidate {
        openings: ledger.openings(&event),
        event,
    };
    let client = connect(&server.database()).await;
    let before = number(&client, "SELECT size FROM log_head").await;
    store
        .published
        .clone()
        .covering(u64::try_from(before).unwrap())
        .await
        .unwrap();
    // The publisher's own questions would wait as well, and be taken for the sequencer's.
    let publication = connect(&server.database()).await;
    let lock = "BEGIN; LOCK TABLE publication IN ACCESS EXCLUSIVE MODE";
    publication.batch_execute(lock).await.unwrap();
    client
        .batch_execute("SET synchronous_commit = local")
        .await
        .unwrap();
    require_standby(&client, &server.database()).await;
    let faults = async {
        until("the commit waits", async || {
            number(&client, WAITING_COMMITS).await > 0
        })
        .await;
        assert_eq!(
            number(&client, "SELECT size FROM log_head").await,
            before,
            "a plain read is not told"
        );
        number(&client, END_WAITING_COMMITS).await;
        until("the commit is seen", async || {
            number(&client, "SELECT size FROM log_head").await > before
        })
        .await;
        // The event is there; that it is safe has still not been said, and the hub must not say so either.
        until("the hub asks the server again", async || {
            number(&client, WAITING_COMMITS).await > 0
        })
        .await;
        let released = Instant::now();
        set_standby(&client, "").await;
        released
    };
    let offer = async {
        let answer = append(&store.appender, &candidate, ledger.now).await;
        (answer.unwrap(), Instant::now())
    };
    let ((receipt, answered), released) = futures::join!(offer, faults);
    assert!(answered > released, "answered before it was safe");
    publication.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(
        (i64::try_from(receipt.index).unwrap(), receipt.is_repeat),
        (before, true)
    );
    assert_eq!(number(&client, "SELECT size FROM log_head").await, before + 1);
    store.published.clone().covering(receipt.index + 1).await.unwrap();
    check_whole(&client).await;
    store.close().await;
}
