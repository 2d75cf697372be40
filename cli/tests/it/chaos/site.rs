//! One durable database, and hubs beside one another on it, each a process with a way of its own to it.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use daybook_agent::author::{Author, Draft};
use daybook_agent::client::{Client, Follower};
use daybook_agent::keyfile::Keys;
use daybook_core::id::Stream;
use daybook_core::note::VerifierKey;
use daybook_store::cluster::{Cluster, Config as ClusterConfig};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::door::Door;
use crate::bin::{Serving, Site, daybook, stderr, stdout};

/// The log's name.
pub(crate) const ORIGIN: &str = "it.example/log";
/// Nothing here takes longer unless it hangs.
pub(crate) const LIMIT: Duration = Duration::from_mins(2);

/// Asks again and again until the answer is there.
pub(crate) async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        assert!(begin.elapsed() < LIMIT, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A founded log whose registrar's keys are at hand.
pub(crate) struct Ground {
    pub(crate) site: Site,
    pub(crate) cluster: Cluster,
    pub(crate) log_key: VerifierKey,
    pub(crate) registrar: Arc<Keys>,
}

impl Ground {
    /// Starts a server, founds a log on it, and appoints a registrar by a hub that then ends.
    pub(crate) async fn found() -> Self {
        let site = Site::new();
        let config = ClusterConfig {
            runtime_dir: Some(site.folder.path().to_owned()),
            ..ClusterConfig::new(site.path("server"))
        };
        let cluster = Cluster::start(config).await.unwrap();
        let config = site.text("daybook.toml");
        let mut init = daybook();
        init.args(["init", "--config", &config, "--name", "A log of a test"])
            .env("DATABASE_URL", cluster.url());
        let founded = init.output().unwrap();
        assert!(founded.status.success(), "{}", stderr(&founded));
        let text = stdout(&founded);
        let line = text.lines().find(|line| line.contains("verifier key")).unwrap();
        let log_key = line.split_whitespace().last().unwrap().parse().unwrap();
        let registrar = Arc::new(Keys::fresh("registrar/main".parse().unwrap()).unwrap());
        Self {
            site,
            cluster,
            log_key,
            registrar,
        }
    }

    /// The operator says that there is a registrar.
    pub(crate) async fn appoint(&self, url: &str) {
        let keys = self.registrar.registration(ORIGIN);
        let granted = Draft {
            stream: Stream::Federation,
            kind: "role-granted",
            clear: json!({ "id": "main", "keys": keys, "role": "registrar" }),
            sealed: vec![("name", "Registry".into())],
        };
        let operator = Keys::read(&self.site.path("keys/operator.json")).unwrap();
        let client = Client::new(url).unwrap();
        let follower = Follower::new(client.clone(), ORIGIN, self.log_key.clone());
        Author::new(operator, client, follower)
            .say(&granted)
            .await
            .unwrap();
    }

    /// A session of the database's owner.
    pub(crate) async fn owner(&self) -> tokio_postgres::Client {
        until("the server answers", async || {
            daybook_store::open(self.cluster.pg_config(), "daybook test")
                .await
                .ok()
        })
        .await
    }

    /// Where the server listens.
    fn socket(&self) -> PathBuf {
        let config = self.cluster.pg_config();
        let tokio_postgres::config::Host::Unix(folder) = &config.get_hosts()[0] else {
            panic!("a private server has a socket")
        };
        folder.join(".s.PGSQL.5432")
    }
}

/// A hub as it is run again and again, and its way to the database.
pub(crate) struct Hub {
    pub(crate) name: &'static str,
    pub(crate) door: Door,
    config: PathBuf,
    database: String,
    log: PathBuf,
    /// Where it listens now; another port after each start.
    url: Mutex<String>,
    process: Mutex<Option<Serving>>,
}

impl Hub {
    /// Prepares a hub with a guard of its own.
    pub(crate) fn new(ground: &Ground, name: &'static str) -> Self {
        let config = ground.site.path(&format!("{name}.toml"));
        let folder = ground.site.folder.path().display();
        let text = format!(
            "origin = \"{ORIGIN}\"\nlisten = \"127.0.0.1:0\"\ndata_dir = \"{folder}/data\"\nkey_dir = \"{folder}/keys\"\n\
             guard_path = \"{folder}/{name}/guard.json\"\nmetrics_listen = \"127.0.0.1:0\"\n[limits]\nrequests_per_second = 0\nevents_per_second = 0\n"
        );
        fs::write(&config, text).unwrap();
        let door = Door::open(&ground.site.path(&format!("door-{name}")), &ground.socket());
        let postgres = ground.cluster.pg_config();
        let (user, database) = (postgres.get_user().unwrap(), postgres.get_dbname().unwrap());
        let folder = door.folder().display();
        Self {
            database: format!("host={folder} user={user} dbname={database}"),
            log: ground.site.path(&format!("{name}.log")),
            name,
            door,
            config,
            url: Mutex::default(),
            process: Mutex::default(),
        }
    }

    /// The same without the door in between: it would be what is measured.
    pub(crate) fn straight(mut self, ground: &Ground) -> Self {
        self.database = ground.cluster.url();
        self
    }

    /// What its metrics say now.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let said = fs::read_to_string(&self.log).unwrap();
        let (_, rest) = said.rsplit_once("Metrics are at ").unwrap();
        let address = rest.split_once(|c: char| c.is_whitespace()).unwrap().0;
        let url = format!(
            "http://{}/metrics",
            address.trim_start_matches("http://").trim_end_matches("/metrics")
        );
        let text = reqwest::get(url).await.unwrap().text().await.unwrap();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
            .unwrap();
        line.parse().unwrap()
    }

    /// The most memory that it ever held, in KiB.
    pub(crate) fn peak_memory(&self) -> u64 {
        let process = self.process.lock().unwrap();
        let pid = process.as_ref().unwrap().child.id();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Where it keeps the largest checkpoint that it let out.
    pub(crate) fn guard(&self) -> PathBuf {
        self.config.with_extension("").join("guard.json")
    }

    /// Starts the process and waits until it listens. A start may fail while the database is away: it is tried again.
    pub(crate) async fn start(&self, more: &[&str]) {
        until("the hub starts", async || self.try_start(more).await).await;
    }

    async fn try_start(&self, more: &[&str]) -> Option<()> {
        let log = &self.log;
        let open = File::options().append(true).create(true).open(log).unwrap();
        let before = usize::try_from(open.metadata().unwrap().len()).unwrap();
        let child = daybook()
            .args(["serve", "--config"])
            .arg(&self.config)
            .args(more)
            .env("DATABASE_URL", &self.database)
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(open)
            .spawn()
            .unwrap();
        let mut serving = Serving {
            child,
            url: String::new(),
        };
        loop {
            let said = fs::read(log).unwrap();
            let said = String::from_utf8_lossy(&said[before..]).into_owned();
            let address = said
                .split_once("Listening on ")
                .and_then(|(_, rest)| rest.split_once(|c: char| c.is_whitespace()));
            if let Some((address, _)) = address {
                serving.url = format!("http://{address}");
                self.url.lock().unwrap().clone_from(&serving.url);
                *self.process.lock().unwrap() = Some(serving);
                return Some(());
            }
            if serving.child.try_wait().unwrap().is_some() {
                return None;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) fn url(&self) -> String {
        self.url.lock().unwrap().clone()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let mut process = self.process.lock().unwrap();
        let child = &mut process.as_mut().unwrap().child;
        assert!(
            child.try_wait().unwrap().is_none(),
            "hub {} ended by itself",
            self.name
        );
        kill_process(Pid::from_child(child), signal).unwrap();
    }

    /// `kill -9`.
    pub(crate) fn kill(&self) {
        self.process.lock().unwrap().take().unwrap().kill();
    }

    /// Lets it end as it should.
    pub(crate) fn finish(&self) {
        let process = self.process.lock().unwrap().take().unwrap();
        assert!(process.terminate(), "hub {} ends well", self.name);
    }

    /// The integrity check of this hub's database, with this hub's guard.
    pub(crate) fn audit(&self) {
        let checked = daybook()
            .args(["audit-db", "--views", "--config"])
            .arg(&self.config)
            .env("DATABASE_URL", &self.database)
            .output()
            .unwrap();
        let said = stdout(&checked) + &stderr(&checked);
        assert!(
            checked.status.success(),
            "audit-db with the guard of {}: {said}",
            self.name
        );
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let said = fs::read(&self.log).unwrap_or_default();
            let from = said.len().saturating_sub(6_000);
            eprintln!("hub {}: {}", self.name, String::from_utf8_lossy(&said[from..]));
        }
    }
}
