//! Servers that the tests run by themselves: with TCP and TLS, and with standbys, which the private cluster never has.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;
use tokio_postgres::Client;

use crate::support::until;

/// A server that listens on a socket in its folder and on 127.0.0.1; it ends with this value.
pub(crate) struct Postgres {
    folder: TempDir,
    pub(crate) port: u16,
    child: Child,
}

/// The newest installed programs.
fn program(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").unwrap();
    let newest = versions.flatten().max_by_key(|entry| {
        entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok())
    });
    newest.unwrap().path().join("bin").join(name)
}

/// A command as a user who may run PostgreSQL, which ends when this thread does.
fn command(name: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "INT"]);
    if geteuid().is_root() {
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
    }
    command.arg(program(name));
    command
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn own(path: &Path) {
    if geteuid().is_root() {
        run(Command::new("chown").arg("-R").arg("postgres:postgres").arg(path));
    }
}

fn folder() -> TempDir {
    let folder = tempfile::Builder::new()
        .prefix("daybook-pg-")
        .tempdir_in("/tmp")
        .unwrap();
    fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
    own(folder.path());
    folder
}

impl Postgres {
    /// A new server; `files` are put into its data folder, `settings` are the server's own.
    pub(crate) async fn start(files: &[(&str, &str)], settings: &[&str]) -> Self {
        let folder = folder();
        let data = folder.path().join("data");
        run(command("initdb")
            .args(["-U", "daybook", "-A", "trust", "--no-sync", "-D"])
            .arg(&data));
        for (name, text) in files {
            let path = data.join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
            own(&path);
        }
        let server = Self::run(folder, settings);
        server.answers().await;
        server
    }

    /// A standby of this server, which takes its place when it is promoted.
    pub(crate) async fn standby(&self, name: &str) -> Self {
        let folder = folder();
        let data = folder.path().join("data");
        let primary = format!("{} application_name={name}", self.words("postgres"));
        run(command("pg_basebackup")
            .args(["-R", "-c", "fast", "--no-sync", "-d", &primary, "-D"])
            .arg(&data));
        let standby = Self::run(folder, &[]);
        standby.answers().await;
        standby
    }

    fn run(folder: TempDir, settings: &[&str]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let child = Self::spawn(folder.path(), port, settings);
        Self { folder, port, child }
    }

    fn spawn(folder: &Path, port: u16, settings: &[&str]) -> Child {
        let mut server = command("postgres");
        server
            .arg("-D")
            .arg(folder.join("data"))
            .args(["-p", &port.to_string(), "-h", "127.0.0.1"]);
        server.arg("-k").arg(folder);
        for setting in ["logging_collector=off", "log_min_messages=fatal"]
            .iter()
            .chain(settings)
        {
            server.args(["-c", setting]);
        }
        server.spawn().unwrap()
    }

    /// Starts a server again that has ended, with its data and where it was.
    pub(crate) async fn come_back(&mut self, settings: &[&str]) {
        self.child = Self::spawn(self.folder.path(), self.port, settings);
        self.answers().await;
    }

    /// How to reach a database over the socket.
    pub(crate) fn words(&self, database: &str) -> String {
        let folder = self.folder.path().display();
        format!("host={folder} port={} user=daybook dbname={database}", self.port)
    }

    pub(crate) fn socket_folder(&self) -> &Path {
        self.folder.path()
    }

    /// A session of the owner, over the socket.
    pub(crate) async fn client(&self) -> Client {
        let config: tokio_postgres::Config = self.words("postgres").parse().unwrap();
        daybook_store::open(&config, "daybook test").await.unwrap()
    }

    async fn answers(&self) {
        let config: tokio_postgres::Config = self.words("postgres").parse().unwrap();
        until("the server answers", async || {
            daybook_store::open(&config, "daybook test").await.is_ok()
        })
        .await;
    }

    /// Ends the server at once, as a power cut does.
    pub(crate) fn kill(&mut self) {
        self.signal(Signal::KILL);
    }

    fn signal(&mut self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        // Already gone is as good.
        _ = pid.map(|pid| kill_process(pid, signal));
        drop(self.child.wait());
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.signal(Signal::QUIT);
    }
}
