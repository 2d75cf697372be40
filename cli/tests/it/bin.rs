//! The binary as a person runs it.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// How long a hub may take to listen, a first `initdb` included.
const START: Duration = Duration::from_mins(1);

pub(crate) fn daybook() -> Command {
    daybook_within(&[])
}

/// The binary behind some words, such as `ip netns exec hub`.
pub(crate) fn daybook_within(within: &[String]) -> Command {
    let words = within.iter().map(String::as_str);
    let mut words = words.chain([env!("CARGO_BIN_EXE_daybook")]);
    let mut command = Command::new(words.next().unwrap_or_default());
    command
        .args(words)
        .env_remove("DATABASE_URL")
        .env_remove("DAYBOOK_LOG_KEY")
        .env_remove("RUST_LOG")
        .env_remove("DAYBOOK_LOG");
    command
}

/// Runs a command to its end and gives what it printed.
pub(crate) fn run(args: &[&str]) -> Output {
    daybook().args(args).stdin(Stdio::null()).output().unwrap()
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A folder with a configuration, in a place that the server's user can reach.
pub(crate) struct Site {
    pub(crate) folder: TempDir,
}

impl Site {
    pub(crate) fn new() -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::Builder::new().prefix("daybook-it-").tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
        let path = folder.path().display();
        let config = format!(
            "origin = \"it.example/log\"\nlisten = \"127.0.0.1:0\"\ndata_dir = \"{path}/data\"\nkey_dir = \"{path}/keys\"\n\
             guard_path = \"{path}/guard/guard.json\"\n"
        );
        std::fs::create_dir(folder.path().join("data")).unwrap();
        std::fs::write(folder.path().join("daybook.toml"), config).unwrap();
        Self { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn run(&self, args: &[&str]) -> Output {
        let config = self.text("daybook.toml");
        let mut all = vec![args[0], "--config", &config];
        all.extend(&args[1..]);
        run(&all)
    }

    /// Founds the log and answers with its verifier key.
    pub(crate) fn init(&self) -> String {
        let output = self.run(&["init", "--name", "A log of a test"]);
        assert!(output.status.success(), "{}", stderr(&output));
        let text = stdout(&output);
        let line = text.lines().find(|line| line.contains("verifier key")).unwrap();
        line.split_whitespace().last().unwrap().to_owned()
    }

    pub(crate) fn serve(&self) -> Serving {
        Serving::start(&self.path("daybook.toml"), &[]).unwrap()
    }

    /// The operator says something in the federation's stream: what was signed, openings and all, and what `append`
    /// printed; or what the program said instead.
    pub(crate) fn operator_says(
        &self,
        hub: &Serving,
        log_key: &str,
        kind: &str,
        [data, sealed]: [&str; 2],
    ) -> Result<(Vec<u8>, String), String> {
        let operator = self.text("keys/operator.json");
        let told = [
            "event",
            "sign",
            "--hub",
            &hub.url,
            "--log-key",
            log_key,
            "--key",
            &operator,
        ];
        let what = [
            "--stream",
            "federation",
            "--type",
            kind,
            "--data",
            data,
            "--sealed",
            sealed,
        ];
        let signed = run(&[told, what].concat());
        if !signed.status.success() {
            return Err(stderr(&signed));
        }
        let file = self.path("signed.json");
        std::fs::write(&file, &signed.stdout).unwrap();
        let file = file.to_str().unwrap();
        let appended = run(&["event", "append", "--hub", &hub.url, "--log-key", log_key, file]);
        if !appended.status.success() {
            return Err(stderr(&appended));
        }
        Ok((signed.stdout, stdout(&appended)))
    }
}

/// A hub whose whole log goes to a file.
pub(crate) fn serve_loudly(config: &Path, log: &Path) -> Serving {
    let file = std::fs::File::create(log).unwrap();
    let mut serve = daybook();
    serve
        .args(["serve", "--config"])
        .arg(config)
        .env("RUST_LOG", "trace")
        .env("NO_COLOR", "1");
    let child = serve
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(file)
        .spawn()
        .unwrap();
    let mut serving = Serving {
        child,
        url: String::new(),
    };
    let begin = Instant::now();
    loop {
        let text = std::fs::read_to_string(log).unwrap();
        if let Some((_, rest)) = text.split_once("Listening on ") {
            let address = rest.split_whitespace().next().unwrap();
            serving.url = format!("http://{address}");
            return serving;
        }
        assert!(begin.elapsed() < START, "{text}");
        std::thread::yield_now();
    }
}

/// A program that has said where it listens.
pub(crate) struct Listening {
    pub(crate) child: Child,
    pub(crate) address: String,
    /// What it has printed since it began.
    pub(crate) log: Arc<Mutex<String>>,
}

impl Listening {
    /// Starts a program; what it printed, where it ends instead of listening.
    pub(crate) fn start(mut command: Command) -> Result<Self, String> {
        let mut child = command
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let begin = Instant::now();
        let log = Arc::new(Mutex::new(String::new()));
        for line in lines.by_ref() {
            let line = line.unwrap();
            log.lock().unwrap().extend([&line, "\n"]);
            if let Some((_, rest)) = line.split_once("Listening on ") {
                let address = rest.split_whitespace().next().unwrap().to_owned();
                let kept = log.clone();
                // Read on, so that the program never waits for a full pipe.
                std::thread::spawn(move || {
                    lines
                        .map_while(Result::ok)
                        .for_each(|line| kept.lock().unwrap().extend([&line, "\n"]));
                });
                return Ok(Self { child, address, log });
            }
            assert!(begin.elapsed() < START, "{}", log.lock().unwrap());
        }
        child.wait().unwrap();
        let log = log.lock().unwrap().clone();
        Err(log)
    }
}

/// Asks a program to end and answers whether it ended well.
pub(crate) fn terminate(child: &mut Child) -> bool {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    child.wait().unwrap().success()
}

/// A hub in a process of its own. It is killed when this value goes.
pub(crate) struct Serving {
    pub(crate) child: Child,
    pub(crate) url: String,
}

impl Serving {
    /// Starts a hub; what it printed, where it ends instead of listening.
    pub(crate) fn start(config: &Path, more: &[&str]) -> Result<Self, String> {
        Self::listen(daybook(), config, more)
    }

    /// A hub behind some words, such as `ip netns exec hub`.
    pub(crate) fn start_within(within: &[String], config: &Path) -> Result<Self, String> {
        Self::listen(daybook_within(within), config, &[])
    }

    fn listen(mut command: Command, config: &Path, more: &[&str]) -> Result<Self, String> {
        command.args(["serve", "--config"]).arg(config).args(more);
        let Listening { child, address, .. } = Listening::start(command)?;
        let url = format!("http://{address}");
        Ok(Self { child, url })
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        let url = format!("{}{path}", self.url);
        runtime().block_on(async { reqwest::get(url).await.unwrap().json().await.unwrap() })
    }

    pub(crate) fn text(&self, path: &str) -> String {
        Self::text_at(&format!("{}{path}", self.url))
    }

    pub(crate) fn text_at(url: &str) -> String {
        runtime().block_on(async { reqwest::get(url).await.unwrap().text().await.unwrap() })
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks the hub to end and answers whether it ended well.
    pub(crate) fn terminate(mut self) -> bool {
        terminate(&mut self.child)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}
