//! The server's process: how it is started, watched and told to stop.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Instant;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::sync::{oneshot, watch};

use super::account::Account;
use super::programs::Programs;
use super::{ClusterError, Config, Endpoint, Layout};

/// How many lines of a log an error shows.
const TAIL_LINES: usize = 15;
/// How many bytes of it are read for that.
const TAIL_BYTES: u64 = 16 * 1024;
/// A log larger than this is put aside as `pg.log.old` at the next start.
const MAX_LOG: u64 = 16 * 1024 * 1024;

/// A server that we started. Dropping it asks it to stop.
#[derive(Debug)]
pub(super) struct Server {
    pid: u32,
    /// Names this very process, so that a signal never hits a later one with the same id.
    handle: OwnedFd,
    /// What the process ended with, once it has.
    status: watch::Receiver<Option<String>>,
    log: PathBuf,
    /// Where this start's messages begin in the log.
    log_start: u64,
    started: Instant,
}

/// A command that runs as the account, ends with the calling thread, and inherits no environment.
///
/// `signal` is what the kernel sends it when the thread that starts it ends. `setpriv` sets that after the change of
/// user, which would clear it, and then becomes the program, so that the process id is the program's.
pub(super) fn command_as(account: &Account, programs: &Programs, program: &Path, signal: &str) -> Command {
    let mut command = Command::new(&programs.setpriv);
    if account.switch {
        command
            .arg(format!("--reuid={}", account.uid))
            .arg(format!("--regid={}", account.gid))
            .arg("--clear-groups");
    }
    command
        .arg(format!("--pdeathsig={signal}"))
        .arg("--")
        .arg(program);
    // PGOPTIONS, PGDATA, LC_* and their like would change what runs. The group is its own, so that a terminal's Ctrl-C
    // reaches us alone and the last batch still finds its server.
    command
        .env_clear()
        .env("LC_ALL", "C")
        .env("PATH", "/usr/bin:/bin")
        .process_group(0);
    // The caller's folder may be one that the account cannot enter.
    command.current_dir("/").stdin(Stdio::null());
    command
}

impl Server {
    pub(super) async fn spawn(
        layout: &Layout,
        endpoint: &Endpoint,
        programs: &Programs,
        account: &Account,
        config: &Config,
    ) -> Result<Self, ClusterError> {
        let program = programs.bin.join("postgres");
        let mut command = command_as(account, programs, &program, "INT");
        command
            .arg("-D")
            .arg(&layout.pg)
            .arg("-k")
            .arg(&endpoint.socket_dir);
        for setting in [
            "listen_addresses=",
            "unix_socket_permissions=0700",
            "logging_collector=off",
            // Segments are removed and not kept to be written over: what was erased would lie in them for long.
            "wal_recycle=off",
        ] {
            command.args(["-c", setting]);
        }
        command.args([
            "-c",
            "log_line_prefix=%m [%p] ",
            "-c",
            "log_timezone=UTC",
            "-c",
            "timezone=UTC",
        ]);
        command.args(["-c", &format!("port={}", endpoint.port)]);
        command.args(["-c", &format!("shared_buffers={}MB", config.shared_buffers_mib)]);
        // After each checkpoint the first change of a page writes the whole page to the log: with PostgreSQL's own 1 GB
        // between them that was half of what an append wrote.
        command.args(["-c", "max_wal_size=4GB", "-c", "checkpoint_timeout=15min"]);
        if !config.fsync {
            command.args(["-c", "fsync=off", "-c", "full_page_writes=off"]);
        }
        let log = open_log(&layout.log)?;
        let second = log.try_clone().map_err(ClusterError::file("open", &layout.log))?;
        let log_start = log
            .metadata()
            .map_err(ClusterError::file("look at", &layout.log))?
            .len();
        command.stdout(log).stderr(second);

        let (tell, told) = oneshot::channel();
        let (ended, status) = watch::channel(None);
        // The parent-death signal is sent when the *thread* that started the server ends. So one thread does nothing
        // but start it and wait for it: it ends after the server, or with the whole process.
        let watcher = move || {
            let started = command
                .spawn()
                .and_then(|child| Ok((open_handle(&child)?, child)));
            match started {
                Ok((handle, mut child)) => {
                    // Nobody is left to tell when the caller was cancelled; the server must not stay then.
                    if let Err(Ok((_, handle))) = tell.send(Ok((child.id(), handle))) {
                        _ = pidfd_send_signal(&handle, Signal::INT);
                    }
                    ended.send_replace(Some(describe(child.wait())));
                }
                Err(problem) => drop(tell.send(Err(problem))),
            }
        };
        let thread = thread::Builder::new()
            .name("postgres-watcher".to_owned())
            .spawn(watcher);
        thread.map_err(|source| ClusterError::Run {
            program: program.clone(),
            source,
        })?;
        let told = told.await.map_err(|_| ClusterError::RuntimeGone)?;
        let (pid, handle) = told.map_err(|source| ClusterError::Run { program, source })?;
        Ok(Self {
            pid,
            handle,
            status,
            log: layout.log.clone(),
            log_start,
            started: Instant::now(),
        })
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Asks for a fast shutdown. It can only fail when the process has ended already.
    pub(super) fn interrupt(&self) {
        _ = pidfd_send_signal(&self.handle, Signal::INT);
    }

    /// Waits until the process has ended and answers how.
    pub(super) async fn ended(&self) -> String {
        let mut status = self.status.clone();
        match status.wait_for(Option::is_some).await {
            Ok(status) => status.clone().unwrap_or_default(),
            Err(_) => "its watcher is gone".to_owned(),
        }
    }

    pub(super) fn last_words(&self, status: String) -> ClusterError {
        ClusterError::Ended {
            status,
            log: self.log.clone(),
            tail: tail(&self.log, self.log_start),
        }
    }

    pub(super) fn too_slow(&self) -> ClusterError {
        let tail = tail(&self.log, self.log_start);
        ClusterError::TooSlow {
            waited: self.started.elapsed(),
            log: self.log.clone(),
            tail,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.interrupt();
    }
}

fn open_handle(child: &Child) -> io::Result<OwnedFd> {
    let pid = Pid::from_raw(child.id().cast_signed()).ok_or(io::ErrorKind::InvalidInput)?;
    Ok(pidfd_open(pid, PidfdFlags::empty())?)
}

fn describe(status: io::Result<ExitStatus>) -> String {
    status.map_or_else(|problem| problem.to_string(), |status| status.to_string())
}

/// Opens the log for the server's two outputs; ours, since only the server's own folder is its account's.
fn open_log(path: &Path) -> Result<File, ClusterError> {
    if fs::metadata(path).is_ok_and(|metadata| metadata.len() > MAX_LOG) {
        fs::rename(path, path.with_extension("log.old")).map_err(ClusterError::file("rename", path))?;
    }
    File::options()
        .create(true)
        .append(true)
        .open(path)
        .map_err(ClusterError::file("open", path))
}

/// The last lines of a file, none from before `start`, for an error's text.
fn tail(path: &Path, start: u64) -> String {
    let read = || {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES).max(start)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok::<_, io::Error>(last_lines(&String::from_utf8_lossy(&bytes)))
    };
    read().unwrap_or_else(|problem| format!("(cannot be read: {problem})"))
}

/// The last lines of a text, indented.
pub(super) fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let start = lines.len().saturating_sub(TAIL_LINES);
    lines
        .iter()
        .skip(start)
        .map(|line| format!("  {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tail_shows_the_last_lines_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let lines: Vec<String> = (0..5_000).map(|n| format!("line {n}")).collect();
        fs::write(&path, lines.join("\n")).unwrap();
        let shown = tail(&path, 0);
        assert_eq!(shown.lines().count(), TAIL_LINES);
        assert!(
            shown.ends_with("  line 4999") && shown.starts_with("  line 4985"),
            "{shown}"
        );
        let length = fs::metadata(&path).unwrap().len();
        assert_eq!(
            tail(&path, length - 9),
            "  line 4999",
            "an earlier start's messages are not this one's"
        );
        assert!(tail(Path::new("/nowhere"), 0).contains("cannot be read"));
    }
}
