//! One bounded process with everything that it starts.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use rustix::process::Pid;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{ChildStderr, ChildStdout};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::job::RunLimits;
use super::place::{Place, WRITABLE};
use super::{RunError, leftover, tree};

/// Bytes kept of each of the process's two streams.
const STREAM_LIMIT: usize = 1 << 20;
/// How long the streams may stay open after the process is gone.
const STREAM_GRACE: Duration = Duration::from_secs(5);
/// How long the sandbox may take to end after all in it was killed.
const END_GRACE: Duration = Duration::from_secs(5);
/// How often memory is looked at.
const MEMORY_EVERY: Duration = Duration::from_millis(250);
/// How often the disk is looked at.
const DISK_EVERY: Duration = Duration::from_secs(2);
/// Files and folders that a run may make.
const FILE_LIMIT: u64 = 200_000;

/// A process that ended by itself.
pub(super) struct Finished {
    pub(super) status: ExitStatus,
    /// The first of what it said.
    pub(super) stdout: Vec<u8>,
    /// The last of what it complained.
    pub(super) stderr: Vec<u8>,
}

/// What bounds a process.
pub(super) struct Bounds<'a> {
    pub(super) limits: &'a RunLimits,
    pub(super) time: Duration,
    pub(super) stop: &'a CancellationToken,
    pub(super) place: &'a Place,
    /// Whether the process is a sandbox, which ends by itself when all in it is dead.
    pub(super) is_isolated: bool,
}

/// Kills all when it goes out of scope, also when the caller gives the run up.
struct Tree(Pid);

impl Drop for Tree {
    fn drop(&mut self) {
        tree::kill_all(self.0);
    }
}

/// What the keeper hands over when the process has begun.
struct Begun {
    pid: u32,
    stdout: Option<std::process::ChildStdout>,
    stderr: Option<std::process::ChildStderr>,
}

/// Runs a prepared command in its bounds; nothing that it started outlives this call.
///
/// Its streams are written to `stdout.txt` and `stderr.txt` of the run's folder, as far as they are kept.
pub(super) async fn execute(
    command: Command,
    program: &Path,
    bounds: &Bounds<'_>,
) -> Result<Finished, RunError> {
    let start = |source| RunError::Start {
        path: program.to_path_buf(),
        source,
    };
    let (begun, ended) = keep(command).map_err(start)?;
    let lost = || start(io::ErrorKind::BrokenPipe.into());
    let begun = begun.await.map_err(|_| lost())?.map_err(start)?;
    let pid = Pid::from_raw(begun.pid.cast_signed()).ok_or_else(lost)?;
    let tree = Tree(pid);
    leftover::note(bounds.place.work(), pid)?;
    let stdout = begun
        .stdout
        .map(ChildStdout::from_std)
        .transpose()
        .map_err(start)?;
    let stderr = begun
        .stderr
        .map(ChildStderr::from_std)
        .transpose()
        .map_err(start)?;
    let stdout = drain(stdout, Kept::First);
    let stderr = drain(stderr, Kept::Last);
    let mut ended = ended;
    let outcome = tokio::select! {
        status = &mut ended => Ok(status),
        () = bounds.stop.cancelled() => Err(RunError::Stopped),
        () = tokio::time::sleep(bounds.time) => Err(RunError::TimeLimit(bounds.time)),
        error = watch(pid, bounds) => Err(error),
    };
    let outcome = match outcome {
        Ok(status) => Ok(status),
        Err(error) => {
            end(&tree, &mut ended, bounds.is_isolated).await;
            Err(error)
        }
    };
    drop(tree);
    let (stdout, stderr) = (kept(stdout).await, kept(stderr).await);
    for (name, bytes) in [("stdout.txt", &stdout), ("stderr.txt", &stderr)] {
        let path = bounds.place.outside(name);
        std::fs::write(&path, bytes).map_err(RunError::work(&path))?;
    }
    leftover::forget(bounds.place.work());
    let status = outcome?.map_err(|_| lost())?.map_err(start)?;
    Ok(Finished {
        status,
        stdout,
        stderr,
    })
}

type Ended = oneshot::Receiver<io::Result<ExitStatus>>;

/// Starts the process on a thread that stays as long as it does: the kernel ends the process with the thread that began
/// it, so that a runner that is killed takes it along.
fn keep(mut command: Command) -> io::Result<(oneshot::Receiver<io::Result<Begun>>, Ended)> {
    let (tell_begun, begun) = oneshot::channel();
    let (tell_ended, ended) = oneshot::channel();
    std::thread::Builder::new()
        .name("run-keeper".to_owned())
        .spawn(move || {
            let mut child = match command.spawn() {
                Ok(child) => child,
                Err(error) => {
                    let _ = tell_begun.send(Err(error));
                    return;
                }
            };
            let handed = Begun {
                pid: child.id(),
                stdout: child.stdout.take(),
                stderr: child.stderr.take(),
            };
            if tell_begun.send(Ok(handed)).is_err() {
                // Nobody waits any more, and nobody else knows the process.
                if let Some(pid) = Pid::from_raw(child.id().cast_signed()) {
                    tree::kill_all(pid);
                }
            }
            let _ = tell_ended.send(child.wait());
        })?;
    Ok((begun, ended))
}

/// Ends all: first what the sandbox holds, so that its own end says that all is dead.
async fn end(tree: &Tree, ended: &mut Ended, is_isolated: bool) {
    if is_isolated {
        tree::kill_started(tree.0);
        if tokio::time::timeout(END_GRACE, &mut *ended).await.is_ok() {
            return;
        }
    }
    tree::kill_all(tree.0);
    let _ = ended.await;
}

/// Waits until the run uses more than it may.
async fn watch(pid: Pid, bounds: &Bounds<'_>) -> RunError {
    let folders: Vec<PathBuf> = WRITABLE.iter().map(|name| bounds.place.outside(name)).collect();
    let limits = bounds.limits;
    let mut memory = tokio::time::interval(MEMORY_EVERY);
    let mut disk = tokio::time::interval(DISK_EVERY);
    memory.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    disk.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = memory.tick() => {
                if tree::memory(pid) > limits.memory {
                    return RunError::MemoryLimit;
                }
            }
            _ = disk.tick() => {
                let folders = folders.clone();
                let used = tokio::task::spawn_blocking(move || {
                    tree::disk(&folders.iter().map(PathBuf::as_path).collect::<Vec<_>>())
                });
                let (bytes, files) = used.await.unwrap_or_default();
                if bytes > limits.disk || files > FILE_LIMIT {
                    return RunError::DiskLimit(limits.disk);
                }
            }
        }
    }
}

/// Which end of a stream is kept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    First,
    Last,
}

/// Reads a stream to its end and keeps a part of it, so that a talkative tool neither blocks nor fills the memory.
fn drain(stream: Option<impl AsyncRead + Unpin + Send + 'static>, part: Kept) -> JoinHandle<Vec<u8>> {
    tokio::spawn(async move {
        let mut kept = Vec::new();
        let Some(mut stream) = stream else { return kept };
        let mut chunk = vec![0; 16 << 10];
        while let Ok(count @ 1..) = stream.read(&mut chunk).await {
            let room = STREAM_LIMIT.saturating_sub(kept.len());
            if part == Kept::Last {
                kept.extend_from_slice(&chunk[..count]);
                if kept.len() > 2 * STREAM_LIMIT {
                    kept.drain(..kept.len() - STREAM_LIMIT);
                }
            } else {
                kept.extend_from_slice(&chunk[..room.min(count)]);
            }
        }
        let excess = kept.len().saturating_sub(STREAM_LIMIT);
        kept.drain(..excess);
        kept
    })
}

/// What was kept; nothing of a stream that a process outside the group still holds open.
async fn kept(reader: JoinHandle<Vec<u8>>) -> Vec<u8> {
    let abort = reader.abort_handle();
    if let Ok(read) = tokio::time::timeout(STREAM_GRACE, reader).await {
        return read.unwrap_or_default();
    }
    abort.abort();
    Vec::new()
}
