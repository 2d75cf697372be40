//! A program that the demo runs beside itself: this executable again, with a log of its own.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// How often a program is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// How many looks a start may take, and an end: a minute, and twenty seconds.
const START_LOOKS: u32 = 1200;
const END_LOOKS: u32 = 400;
/// Lines of a log that are shown where its program has ended by itself.
const LAST_LINES: usize = 12;

/// A child process. It is killed when this value goes.
pub(super) struct Program {
    name: String,
    log: PathBuf,
    child: Child,
}

impl Program {
    /// Starts `daybook` with these arguments. Its log goes to a file.
    pub(super) fn start(name: &str, arguments: &[&str], log: &Path) -> Result<Self> {
        let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let program = std::env::current_exe().context("the demo cannot find its own program")?;
        // The kernel ends it with the demo, however that ends. A group of its own, so that Ctrl-C reaches the demo alone,
        // which ends its programs in order.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "TERM", "--"])
            .arg(program)
            .args(arguments)
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file)
            .process_group(0)
            .spawn()
            .with_context(|| {
                format!("{name} does not start; `setpriv` (util-linux) is needed to run it beside the demo")
            })?;
        Ok(Self {
            name: name.to_owned(),
            log: log.to_owned(),
            child,
        })
    }

    /// Waits until it listens, and answers where.
    pub(super) async fn listens(&mut self) -> Result<SocketAddr> {
        for _ in 0..START_LOOKS {
            let text = fs::read_to_string(&self.log)?;
            let address = text
                .split_once("Listening on ")
                .and_then(|(_, rest)| rest.split_once(char::is_whitespace));
            if let Some((address, _)) = address {
                return address
                    .parse()
                    .with_context(|| format!("{} listens at no address", self.name));
            }
            self.check()?;
            tokio::time::sleep(LOOK).await;
        }
        bail!("{} does not listen within a minute:\n{}", self.name, self.last())
    }

    /// Fails where it has ended by itself.
    pub(super) fn check(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("{} has ended ({status}):\n{}", self.name, self.last());
        }
        Ok(())
    }

    fn last(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
    }

    /// Asks it to end and waits until it has.
    pub(super) async fn end(mut self) -> Result<()> {
        if let Some(pid) = Pid::from_raw(self.child.id().cast_signed()) {
            // It may have ended meanwhile.
            kill_process(pid, Signal::TERM).ok();
        }
        for _ in 0..END_LOOKS {
            if self.child.try_wait()?.is_some() {
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
        bail!(
            "{} did not end within twenty seconds and was killed; its log is {}",
            self.name,
            self.log.display()
        )
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
