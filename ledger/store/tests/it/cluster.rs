//! The private cluster, as root (whose server runs as another user) and as an ordinary user.
//!
//! What a killed parent leaves, and what an ordinary user sees, is tried in processes of their own: this test binary
//! starts a copy of itself that runs one test, [`keeps_a_cluster_until_its_input_ends`].

use std::fs::{self, Permissions};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use daybook_store::cluster::{Cluster, ClusterError, Config, ProgramSearch};
use tempfile::TempDir;
use tokio_postgres::NoTls;

/// Nothing here takes longer unless it hangs.
const LIMIT: Duration = Duration::from_mins(1);
const DATA_DIR: &str = "DAYBOOK_TEST_DATA_DIR";
const HELPER: &str = "cluster::keeps_a_cluster_until_its_input_ends";

/// A folder that every user can enter, for the server may run as another.
fn folder() -> TempDir {
    let folder = tempfile::Builder::new()
        .prefix("daybook-test-")
        .tempdir()
        .unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    folder
}

fn config(data_dir: &Path) -> Config {
    Config {
        fsync: false,
        shared_buffers_mib: 128,
        start_within: LIMIT,
        ..Config::new(data_dir)
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

async fn query(config: &tokio_postgres::Config, sql: &str) -> String {
    let (client, connection) = config.connect(NoTls).await.unwrap();
    let driver = tokio::spawn(connection);
    let rows = client.simple_query(sql).await.unwrap();
    drop(client);
    driver.await.unwrap().unwrap();
    let values = rows.iter().filter_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    values.collect::<Vec<_>>().join("\n")
}

fn lives(pid: u32) -> bool {
    // A zombie has an empty command line: dead, and not yet reaped by whoever inherited it.
    fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty())
}

fn server_pid(data_dir: &Path) -> u32 {
    let text = fs::read_to_string(data_dir.join("pg/postmaster.pid")).unwrap();
    text.lines().next().unwrap().parse().unwrap()
}

fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A process of its own that keeps a cluster.
struct Keeper {
    child: Child,
    output: BufReader<ChildStdout>,
    /// A copy of this binary, where every user can read it.
    _binary: TempDir,
}

impl Keeper {
    fn start(data_dir: &Path, wrapper: &[&str]) -> Self {
        let place = folder();
        let binary = place.path().join("it");
        fs::copy(std::env::current_exe().unwrap(), &binary).unwrap();
        let mut words: Vec<PathBuf> = wrapper.iter().map(PathBuf::from).collect();
        words.push(binary);
        let mut command = Command::new(&words[0]);
        command
            .args(&words[1..])
            .args(["--exact", HELPER, "--nocapture"])
            .env(DATA_DIR, data_dir)
            .current_dir("/");
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self {
            child,
            output,
            _binary: place,
        }
    }

    /// What follows `word` on the first line that has it.
    fn says(&mut self, word: &str) -> String {
        let mut seen = String::new();
        loop {
            let mut line = String::new();
            let length = self.output.read_line(&mut line).unwrap();
            assert_ne!(length, 0, "it ended without saying {word:?}, after:\n{seen}");
            if let Some((_, rest)) = line.split_once(word) {
                return rest.trim().to_owned();
            }
            seen.push_str(&line);
        }
    }

    /// Ends it as an orderly program would end, and checks that it did.
    fn finish(mut self) {
        drop(self.child.stdin.take());
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).unwrap();
        assert!(self.child.wait().unwrap().success(), "{rest}");
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// One line for the process that reads our output.
fn say(line: &str) {
    writeln!(std::io::stdout(), "{line}").unwrap();
}

/// By itself: a cluster starts, answers and stops. Started by another test: the same, in the folder and for as long as
/// that one wants.
#[tokio::test]
async fn keeps_a_cluster_until_its_input_ends() {
    let told = std::env::var_os(DATA_DIR).map(PathBuf::from);
    let own = told.is_none().then(folder);
    let data_dir = told.as_deref().or(own.as_ref().map(TempDir::path)).unwrap();
    let outcome = Cluster::start(config(data_dir)).await;
    if let (Err(problem), Some(_)) = (&outcome, &told) {
        return say(&format!("refused: {}", problem.to_string().replace('\n', " / ")));
    }
    let cluster = outcome.unwrap();
    assert_eq!(
        query(&cluster.pg_config(), "SELECT current_user || current_database()").await,
        "daybookdaybook"
    );
    if told.is_some() {
        say(&format!("ready: {}", cluster.url()));
        let wait = || std::io::stdin().read_to_end(&mut Vec::new());
        tokio::task::spawn_blocking(wait).await.unwrap().unwrap();
    }
    let pid = cluster.server_pid();
    cluster.stop().await.unwrap();
    assert!(!pid.is_some_and(lives), "stopping waits for the end");
}

#[tokio::test]
async fn data_outlives_a_restart_and_settings_are_as_promised() {
    let folder = folder();
    let cluster = Cluster::start(Config::new(folder.path())).await.unwrap();
    query(&cluster.pg_config(), "CREATE TABLE t AS SELECT 42 AS n").await;
    for (setting, value) in [
        ("listen_addresses", ""),
        ("unix_socket_permissions", "0700"),
        ("data_checksums", "on"),
        ("fsync", "on"),
        ("server_encoding", "UTF8"),
        ("lc_collate", "C"),
        ("TimeZone", "UTC"),
    ] {
        // `lc_collate` is no setting any more from version 16 on.
        let sql = match setting {
            "lc_collate" => {
                "SELECT datcollate FROM pg_database WHERE datname = current_database()".to_owned()
            }
            other => format!("SHOW {other}"),
        };
        assert_eq!(query(&cluster.pg_config(), &sql).await, value, "{setting}");
    }
    let pid = cluster.server_pid().unwrap();
    let group = rustix::process::getpgid(rustix::process::Pid::from_raw(pid.cast_signed())).unwrap();
    assert_eq!(
        group.as_raw_nonzero().get().cast_unsigned(),
        pid,
        "a group of its own: Ctrl-C is ours alone"
    );
    assert_eq!(
        fs::metadata(folder.path().join("pg"))
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o700
    );
    cluster.stop().await.unwrap();

    let cluster = Cluster::start(Config::new(folder.path())).await.unwrap();
    assert_eq!(query(&cluster.pg_config(), "SELECT n FROM t").await, "42");
    cluster.stop().await.unwrap();
    let text = fs::read_to_string(folder.path().join("pg.log")).unwrap();
    assert!(!text.contains("not properly shut down"), "{text}");
}

#[tokio::test]
async fn long_data_path_starts() {
    let folder = folder();
    let long = folder
        .path()
        .join(format!("{}/with space, and \"é\"", "long".repeat(50)));
    let cluster = Cluster::start(config(&long)).await.unwrap();
    assert_eq!(query(&cluster.pg_config(), "SELECT 1").await, "1");
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn server_that_another_process_keeps_is_adopted_and_left_running() {
    let folder = folder();
    let mut keeper = Keeper::start(folder.path(), &[]);
    let url = keeper.says("ready:");
    let pid = server_pid(folder.path());

    let cluster = Cluster::start(config(folder.path())).await.unwrap();
    assert!(cluster.is_adopted());
    assert_eq!(cluster.url(), url);
    query(&cluster.pg_config(), "CREATE TABLE t AS SELECT 7 AS n").await;
    cluster.stop().await.unwrap();
    assert!(lives(pid), "only its owner stops it");
    keeper.finish();
    assert!(!lives(pid));
}

#[tokio::test]
async fn two_that_start_at_once_share_one_server() {
    let folder = folder();
    let data_dir = folder.path().join("new");
    let (one, other) = tokio::join!(
        Cluster::start(config(&data_dir)),
        Cluster::start(config(&data_dir))
    );
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_ne!(one.is_adopted(), other.is_adopted());
    assert_eq!(one.url(), other.url());
    let (owner, guest) = if one.is_adopted() {
        (other, one)
    } else {
        (one, other)
    };
    guest.stop().await.unwrap();
    assert_eq!(query(&owner.pg_config(), "SELECT 1").await, "1");
    owner.stop().await.unwrap();
}

/// Starts the server of a stopped cluster without any Daybook, on a socket elsewhere.
fn start_by_hand(data_dir: &Path) -> Child {
    let pg = data_dir.join("pg");
    let version = fs::read_to_string(pg.join("PG_VERSION")).unwrap();
    let program = Path::new("/usr/lib/postgresql")
        .join(version.trim())
        .join("bin/postgres");
    let sockets = data_dir.join("sockets");
    fs::create_dir(&sockets).unwrap();
    let owner = fs::metadata(&pg).unwrap();
    let mut command = Command::new("setpriv");
    command.arg("--pdeathsig=INT");
    if is_root() {
        std::os::unix::fs::chown(&sockets, Some(owner.uid()), Some(owner.gid())).unwrap();
        command
            .arg(format!("--reuid={}", owner.uid()))
            .arg(format!("--regid={}", owner.gid()));
        command.arg("--clear-groups");
    }
    command.arg(program).arg("-D").arg(&pg).arg("-k").arg(&sockets);
    command
        .args(["-c", "listen_addresses=", "-p", "5544"])
        .current_dir("/")
        .stderr(Stdio::null());
    let server = command.spawn().unwrap();
    until("it is ready", || {
        fs::read_to_string(pg.join("postmaster.pid"))
            .is_ok_and(|text| text.lines().any(|line| line.trim() == "ready"))
    });
    server
}

#[tokio::test]
async fn server_started_by_hand_is_adopted_and_left_running() {
    let folder = folder();
    Cluster::start(config(folder.path()))
        .await
        .unwrap()
        .stop()
        .await
        .unwrap();
    let mut server = start_by_hand(folder.path());

    let cluster = Cluster::start(config(folder.path())).await.unwrap();
    assert!(cluster.is_adopted());
    assert_eq!(query(&cluster.pg_config(), "SHOW port").await, "5544");
    cluster.stop().await.unwrap();
    assert!(lives(server.id()));
    let pid = rustix::process::Pid::from_child(&server);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert!(server.wait().unwrap().success());
}

#[tokio::test]
async fn end_of_an_adopted_server_is_noticed_and_the_guest_may_start_it_again() {
    let folder = folder();
    let owner = Cluster::start(config(folder.path())).await.unwrap();
    query(&owner.pg_config(), "CREATE TABLE t AS SELECT 7 AS n").await;
    let guest = Cluster::start(config(folder.path())).await.unwrap();
    assert!(guest.is_adopted());
    let too_early = tokio::time::timeout(Duration::from_millis(100), guest.ended()).await;
    assert!(too_early.is_err(), "it still runs");
    owner.stop().await.unwrap();
    tokio::time::timeout(Duration::from_mins(1), guest.ended())
        .await
        .expect("the guest notices");
    let door = guest.pg_config();
    drop(guest);
    let again = Cluster::start(config(folder.path())).await.unwrap();
    assert!(!again.is_adopted());
    assert_eq!(query(&door, "SELECT n FROM t").await, "7");
    again.stop().await.unwrap();
}

#[tokio::test]
async fn server_that_a_killed_owner_left_is_ended_and_not_adopted() {
    let folder = folder();
    Cluster::start(config(folder.path()))
        .await
        .unwrap()
        .stop()
        .await
        .unwrap();
    let mut server = start_by_hand(folder.path());
    // What an owner's lock file says from the start of its server until that has ended.
    fs::write(folder.path().join("cluster.lock"), "4711\n").unwrap();

    let cluster = Cluster::start(config(folder.path())).await.unwrap();
    assert!(!cluster.is_adopted());
    assert!(server.wait().unwrap().success(), "it was asked to shut down");
    assert_eq!(query(&cluster.pg_config(), "SHOW port").await, "5432");
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn killed_parent_takes_the_server_along_and_the_next_start_has_the_data() {
    let folder = folder();
    let mut keeper = Keeper::start(folder.path(), &[]);
    let url: tokio_postgres::Config = keeper.says("ready:").parse().unwrap();
    query(&url, "CREATE TABLE t AS SELECT 0 AS n").await;
    let mut old = server_pid(folder.path());
    for round in 1..=3 {
        query(&url, &format!("INSERT INTO t VALUES ({round})")).await;
        keeper.kill();
        // At once, while the orphan is perhaps still shutting down.
        keeper = Keeper::start(folder.path(), &[]);
        keeper.says("ready:");
        assert!(!lives(old), "never two servers, nor the orphan");
        old = server_pid(folder.path());
        assert_eq!(query(&url, "SELECT max(n) FROM t").await, round.to_string());
    }
    keeper.kill();
    until("the server of a killed parent is gone", || !lives(old));
    until("it has cleaned up", || {
        !folder.path().join("pg/postmaster.pid").exists()
    });
    Cluster::start(config(folder.path()))
        .await
        .unwrap()
        .stop()
        .await
        .unwrap();
    let text = fs::read_to_string(folder.path().join("pg.log")).unwrap();
    assert!(
        !text.contains("not properly shut down"),
        "each end was an orderly one:\n{text}"
    );
}

#[tokio::test]
async fn killed_server_is_noticed_and_started_again_with_the_data() {
    let folder = folder();
    let cluster = Cluster::start(config(folder.path())).await.unwrap();
    query(&cluster.pg_config(), "CREATE TABLE t AS SELECT 1 AS n").await;
    let pid = rustix::process::Pid::from_raw(cluster.server_pid().unwrap().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    tokio::time::timeout(LIMIT, cluster.ended()).await.unwrap();
    drop(cluster);

    let cluster = Cluster::start(config(folder.path())).await.unwrap();
    assert_eq!(query(&cluster.pg_config(), "SELECT n FROM t").await, "1");
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn half_made_cluster_is_made_anew() {
    let folder = folder();
    fs::create_dir(folder.path().join("pg.new")).unwrap();
    fs::write(folder.path().join("pg.new/PG_VERSION"), "15\n").unwrap();
    let cluster = Cluster::start(config(folder.path())).await.unwrap();
    assert!(!folder.path().join("pg.new").exists());
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn folder_that_is_no_cluster_is_left_alone() {
    let folder = folder();
    fs::create_dir(folder.path().join("pg")).unwrap();
    fs::write(folder.path().join("pg/letter.txt"), "dear").unwrap();
    let problem = Cluster::start(config(folder.path())).await.unwrap_err();
    assert!(matches!(problem, ClusterError::NotACluster { .. }), "{problem}");
    assert_eq!(
        fs::read_to_string(folder.path().join("pg/letter.txt")).unwrap(),
        "dear"
    );
}

#[tokio::test]
async fn server_that_cannot_start_says_why() {
    let folder = folder();
    Cluster::start(config(folder.path()))
        .await
        .unwrap()
        .stop()
        .await
        .unwrap();
    fs::write(
        folder.path().join("pg/postgresql.auto.conf"),
        "shared_buffers = 'much'\n",
    )
    .unwrap();
    let problem = Cluster::start(config(folder.path()))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        problem.contains("ended before it was ready") && problem.contains("shared_buffers"),
        "{problem}"
    );
}

#[tokio::test]
async fn missing_programs_name_the_package() {
    let folder = folder();
    let programs = ProgramSearch {
        versions: folder.path().join("none"),
        path: vec![folder.path().to_path_buf()],
    };
    let problem = Cluster::start(Config {
        programs,
        ..config(folder.path())
    })
    .await
    .unwrap_err();
    assert!(matches!(problem, ClusterError::NoPrograms { .. }));
    assert!(
        problem.to_string().contains("apt install postgresql"),
        "{problem}"
    );
}

#[tokio::test]
async fn home_that_the_servers_user_cannot_enter_is_named_before_anything_is_made() {
    let folder = folder();
    let home = folder.path().canonicalize().unwrap().join("home");
    fs::create_dir(&home).unwrap();
    fs::set_permissions(&home, Permissions::from_mode(0o700)).unwrap();
    let outcome = Cluster::start(config(&home.join("data"))).await;
    if is_root() {
        let problem = outcome.unwrap_err();
        assert!(
            matches!(&problem, ClusterError::Unreachable { blocking, .. } if *blocking == home),
            "{problem:?}"
        );
        let text = problem.to_string();
        assert!(
            text.contains("mode 0700") && text.contains("example /var/lib/daybook"),
            "{text}"
        );
        assert!(!home.join("data").exists());
    } else {
        // The server runs as the owner of that home, who can enter it.
        outcome.unwrap().stop().await.unwrap();
    }
}

#[test]
fn ordinary_user_runs_the_server_as_itself() {
    let folder = folder();
    let data_dir = folder.path().join("data");
    fs::create_dir(&data_dir).unwrap();
    let mut wrapper = Vec::new();
    if is_root() {
        let nobody = 65534;
        std::os::unix::fs::chown(&data_dir, Some(nobody), Some(nobody)).unwrap();
        wrapper.extend([
            "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "--reset-env",
        ]);
    }
    let inner = format!("{DATA_DIR}={}", data_dir.display());
    if is_root() {
        wrapper.extend(["env", &inner]);
    }
    let mut keeper = Keeper::start(&data_dir, &wrapper);
    let url: tokio_postgres::Config = keeper.says("ready:").parse().unwrap();
    assert!(
        format!("{:?}", url.get_hosts()).contains("/tmp/daybook-"),
        "{:?}",
        url.get_hosts()
    );
    let status = fs::read_to_string(format!("/proc/{}/status", server_pid(&data_dir))).unwrap();
    let owner = status
        .lines()
        .find_map(|line| line.strip_prefix("Uid:\t"))
        .unwrap();
    let expected = if is_root() {
        65534
    } else {
        rustix::process::geteuid().as_raw()
    };
    assert!(owner.starts_with(&format!("{expected}\t")), "{owner}");
    keeper.finish();
}

#[test]
fn ordinary_user_is_told_about_a_folder_it_may_not_write() {
    if !is_root() {
        // Only root can make a folder that belongs to somebody else; /var/lib is one.
        let mut keeper = Keeper::start(Path::new("/var/lib/daybook-of-nobody"), &[]);
        assert!(
            keeper
                .says("refused:")
                .contains("cannot make the folder /var/lib/daybook-of-nobody")
        );
        return;
    }
    let folder = folder();
    let data_dir = folder.path().join("data");
    let inner = format!("{DATA_DIR}={}", data_dir.display());
    let wrapper = [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "--reset-env",
        "env",
        inner.as_str(),
    ];
    let refused = Keeper::start(&data_dir, &wrapper).says("refused:");
    assert!(
        refused.contains(&format!("cannot make the folder {}", data_dir.display())),
        "{refused}"
    );
}
