//! A database of its own for each test, on one private cluster per test process.
//!
//! The cluster starts with the first test that asks, on a thread with a runtime of its own: each `#[tokio::test]` has a
//! runtime that ends with it, and what all tests share must not hang on one of those. Nothing stops the cluster when the
//! process ends, since statics are never dropped; the kernel does (see `daybook_store::cluster`). Its folder is swept by
//! the next test process.

use std::any::TypeId;
use std::collections::HashMap;
use std::fmt::Display;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::pin::Pin;
use std::sync::OnceLock;
use std::thread;

use daybook_store::cluster::{Cluster, Config as ClusterConfig};
use tokio::sync::{mpsc, oneshot};
use tokio_postgres::{Client, Config, NoTls};

/// What the folders of these clusters are called; the process id and a random part follow.
const PREFIX: &str = "daybook-testkit-";

type Answer<T> = oneshot::Sender<Result<T, String>>;
type Migrate = Box<dyn FnOnce(Config) -> Pin<Box<dyn Future<Output = Result<(), String>>>> + Send>;

enum Request {
    Create {
        template: Option<(TypeId, Migrate)>,
        answer: Answer<Config>,
    },
    Copy {
        name: String,
        answer: Answer<Config>,
    },
    Drop {
        name: String,
    },
}

/// A database that one test has for itself; it goes when this value does.
#[derive(Debug)]
pub struct TestDb {
    config: Config,
}

impl TestDb {
    /// An empty database.
    ///
    /// # Panics
    /// When PostgreSQL cannot be had, with the reason.
    pub async fn empty() -> Self {
        Self::create(None).await
    }

    /// A database with the newest schema and no log in it.
    ///
    /// # Panics
    /// When PostgreSQL cannot be had or the migrations fail, with the reason.
    pub async fn new() -> Self {
        Self::migrated(schema).await
    }

    /// A copy of a database that `migrate` has prepared; it runs once per process for each function, whatever the
    /// number of tests.
    ///
    /// # Panics
    /// When PostgreSQL cannot be had or `migrate` fails, with the reason.
    pub async fn migrated<F, Work, E>(migrate: F) -> Self
    where
        F: FnOnce(Config) -> Work + Send + 'static,
        Work: Future<Output = Result<(), E>> + 'static,
        E: Display,
    {
        let work: Migrate = Box::new(|config| {
            let work = migrate(config);
            Box::pin(async move { work.await.map_err(|problem| problem.to_string()) })
        });
        Self::create(Some((TypeId::of::<F>(), work))).await
    }

    /// A copy of this database as it is now; nobody may be connected to it.
    ///
    /// # Panics
    /// When somebody stays connected, or PostgreSQL cannot be had.
    pub async fn copy(&self) -> Self {
        let name = self.name().to_owned();
        Self::ask(|answer| Request::Copy { name, answer }).await
    }

    async fn create(template: Option<(TypeId, Migrate)>) -> Self {
        Self::ask(|answer| Request::Create { template, answer }).await
    }

    async fn ask(request: impl FnOnce(Answer<Config>) -> Request) -> Self {
        let (answer, answered) = oneshot::channel();
        let sent = server().send(request(answer));
        let outcome = match sent {
            Ok(()) => answered
                .await
                .unwrap_or_else(|_| Err("the thread of the test cluster has ended".to_owned())),
            Err(_) => Err("the thread of the test cluster has ended".to_owned()),
        };
        match outcome {
            Ok(config) => Self { config },
            Err(problem) => panic!("no test database: {problem}"),
        }
    }

    /// How to connect to it.
    pub fn config(&self) -> Config {
        self.config.clone()
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        self.config.get_dbname().unwrap_or_default()
    }
}

impl Drop for TestDb {
    fn drop(&mut self) {
        // Best effort, and nobody waits: the whole cluster goes with the process.
        drop(server().send(Request::Drop {
            name: self.name().to_owned(),
        }));
    }
}

async fn schema(config: Config) -> Result<(), daybook_store::StoreError> {
    daybook_store::migrate(&config).await.map(drop)
}

fn server() -> &'static mpsc::UnboundedSender<Request> {
    static SERVER: OnceLock<mpsc::UnboundedSender<Request>> = OnceLock::new();
    SERVER.get_or_init(|| {
        let (requests, queue) = mpsc::unbounded_channel();
        thread::spawn(move || serve(queue));
        requests
    })
}

/// Answers requests one after the other for as long as the process lives.
fn serve(mut queue: mpsc::UnboundedReceiver<Request>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else { return };
    runtime.block_on(async {
        let mut keeper = Keeper::start().await;
        while let Some(request) = queue.recv().await {
            match (&mut keeper, request) {
                (Ok(keeper), Request::Create { template, answer }) => {
                    // Nobody may be left to hear it: the test was cancelled.
                    drop(answer.send(keeper.create(template).await));
                }
                (Ok(keeper), Request::Copy { name, answer }) => {
                    drop(answer.send(keeper.copy(&name, "test").await));
                }
                (Ok(keeper), Request::Drop { name }) => keeper.drop_database(&name).await,
                (Err(problem), Request::Create { answer, .. } | Request::Copy { answer, .. }) => {
                    drop(answer.send(Err(problem.clone())));
                }
                (Err(_), Request::Drop { .. }) => {}
            }
        }
    });
}

struct Keeper {
    cluster: Cluster,
    client: Client,
    /// The template made by each migration, or why it could not be made.
    templates: HashMap<TypeId, Result<String, String>>,
    made: u32,
}

impl Keeper {
    async fn start() -> Result<Self, String> {
        let temp = std::env::temp_dir();
        sweep(&temp);
        let folder = tempfile::Builder::new()
            .prefix(&format!("{PREFIX}{}-", std::process::id()))
            .tempdir_in(&temp);
        // Kept: this process never gets to remove it.
        let folder = folder.map_err(text)?.keep();
        // As root the server runs as another user, who must be able to pass.
        fs::set_permissions(&folder, Permissions::from_mode(0o711)).map_err(text)?;
        let config = ClusterConfig {
            fsync: false,
            shared_buffers_mib: 128,
            runtime_dir: Some(folder.clone()),
            ..ClusterConfig::new(&folder)
        };
        let cluster = Cluster::start(config).await.map_err(text)?;
        let (client, connection) = cluster.pg_config().connect(NoTls).await.map_err(text)?;
        tokio::spawn(connection);
        Ok(Self {
            cluster,
            client,
            templates: HashMap::new(),
            made: 0,
        })
    }

    async fn create(&mut self, template: Option<(TypeId, Migrate)>) -> Result<Config, String> {
        let source = match template {
            None => "template0".to_owned(),
            Some((key, migrate)) => {
                if !self.templates.contains_key(&key) {
                    let outcome = self.make_template(migrate).await;
                    self.templates.insert(key, outcome);
                }
                self.templates
                    .get(&key)
                    .cloned()
                    .ok_or("the template is gone")??
            }
        };
        self.copy(&source, "test").await
    }

    async fn make_template(&mut self, migrate: Migrate) -> Result<String, String> {
        let config = self.copy("template0", "template").await?;
        let name = config.get_dbname().unwrap_or_default().to_owned();
        migrate(config).await?;
        // A database can be copied only while nobody is connected; what `migrate` left open is closed here.
        let close = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1";
        self.client.query(close, &[&name]).await.map_err(text)?;
        Ok(name)
    }

    async fn copy(&mut self, source: &str, kind: &str) -> Result<Config, String> {
        self.made += 1;
        let name = format!("{kind}_{}", self.made);
        let sql = format!("CREATE DATABASE {name} TEMPLATE {source}");
        self.client.batch_execute(&sql).await.map_err(text)?;
        let mut config = self.cluster.pg_config();
        config.dbname(name);
        Ok(config)
    }

    async fn drop_database(&self, name: &str) {
        drop(
            self.client
                .batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
                .await,
        );
    }
}

/// An error with its causes, as one line.
fn text(problem: impl std::error::Error) -> String {
    let mut text = problem.to_string();
    let mut source = problem.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// Removes what ended test processes left: folders whose process is gone and whose server has shut down.
fn sweep(temp: &Path) {
    let Ok(entries) = fs::read_dir(temp) else { return };
    for folder in entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| is_abandoned(path))
    {
        // Another user's folders stay; they are that user's to sweep.
        drop(fs::remove_dir_all(folder));
    }
}

fn is_abandoned(folder: &Path) -> bool {
    let lives = |pid: &str| Path::new("/proc").join(pid).exists();
    let name = folder.file_name().and_then(|name| name.to_str());
    let owner = name
        .and_then(|name| name.strip_prefix(PREFIX))
        .and_then(|rest| rest.split_once('-'));
    let server = fs::read_to_string(folder.join("pg/postmaster.pid")).unwrap_or_default();
    owner.is_some_and(|(pid, _)| !lives(pid)) && !server.lines().next().is_some_and(|pid| lives(pid.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    static MIGRATIONS: AtomicU32 = AtomicU32::new(0);

    async fn connect(db: &TestDb) -> Client {
        let (client, connection) = db.config().connect(NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    async fn migrate(config: Config) -> Result<(), tokio_postgres::Error> {
        MIGRATIONS.fetch_add(1, Ordering::SeqCst);
        let (client, connection) = config.connect(NoTls).await?;
        tokio::spawn(connection);
        client
            .batch_execute("CREATE TABLE things (n int8 PRIMARY KEY)")
            .await
    }

    async fn uses_a_database_alone() {
        let db = TestDb::migrated(migrate).await;
        let client = connect(&db).await;
        client
            .execute("INSERT INTO things VALUES (1)", &[])
            .await
            .unwrap();
        let count: i64 = client
            .query_one("SELECT count(*) FROM things", &[])
            .await
            .unwrap()
            .get(0);
        assert_eq!(count, 1);
        assert_eq!(MIGRATIONS.load(Ordering::SeqCst), 1);
    }

    // Two of them, since each has a runtime of its own that ends before or after the other's.
    #[tokio::test]
    async fn first_test_has_a_migrated_database_alone() {
        uses_a_database_alone().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn second_test_has_a_migrated_database_alone() {
        uses_a_database_alone().await;
    }

    #[tokio::test]
    async fn empty_database_is_empty_and_gone_after_its_test() {
        let db = TestDb::empty().await;
        let tables = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace";
        assert_eq!(
            connect(&db)
                .await
                .query_one(tables, &[])
                .await
                .unwrap()
                .get::<_, i64>(0),
            0
        );
        let name = db.name().to_owned();
        drop(db);
        // Requests are answered in turn, so the next database comes after the drop.
        let next = TestDb::empty().await;
        let known = "SELECT count(*) FROM pg_database WHERE datname = $1";
        assert_eq!(
            connect(&next)
                .await
                .query_one(known, &[&name])
                .await
                .unwrap()
                .get::<_, i64>(0),
            0
        );
    }

    #[tokio::test]
    #[should_panic(expected = "no test database: the table is crooked")]
    async fn failed_migration_is_told_to_the_test() {
        TestDb::migrated(|_| async { Err("the table is crooked") }).await;
    }

    #[test]
    fn only_what_ended_processes_left_is_swept() {
        let temp = tempfile::tempdir().unwrap();
        let mut child = std::process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        let (dead, alive) = (child.id(), std::process::id());
        let make = |name: String, server: Option<u32>| {
            let folder = temp.path().join(name);
            fs::create_dir_all(folder.join("pg")).unwrap();
            if let Some(pid) = server {
                fs::write(folder.join("pg/postmaster.pid"), format!("{pid}\n/x\n")).unwrap();
            }
            folder
        };
        let left = make(format!("{PREFIX}{dead}-a"), None);
        let crashed = make(format!("{PREFIX}{dead}-b"), Some(dead));
        let stopping = make(format!("{PREFIX}{dead}-c"), Some(alive));
        let used = make(format!("{PREFIX}{alive}-d"), None);
        let other = make("somebody-else".to_owned(), None);
        sweep(temp.path());
        let exist = [left, crashed, stopping, used, other].map(|folder| folder.exists());
        assert_eq!(exist, [false, false, true, true, true]);
    }
}
