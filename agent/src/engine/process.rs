//! One bounded process with everything that it starts.

use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process_group, prlimit};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use super::cwltool::{Job, RunError};

/// Bytes kept of each of the process's two streams.
const STREAM_LIMIT: usize = 1 << 20;
/// How long the streams may stay open after the process group is gone.
const STREAM_GRACE: Duration = Duration::from_secs(5);

/// A process that ended by itself.
pub(super) struct Finished {
    pub(super) status: ExitStatus,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
}

/// Kills a process group when it goes out of scope, also when the caller gives the run up.
struct Group(Pid);

impl Drop for Group {
    fn drop(&mut self) {
        // Fails only when nobody is left in the group.
        let _ = kill_process_group(self.0, Signal::KILL);
    }
}

/// Runs a prepared command under the job's limits, in a process group that does not outlive this call.
pub(super) async fn execute(
    mut command: Command,
    job: &Job<'_>,
    time_limit: Duration,
) -> Result<Finished, RunError> {
    let start = |source| RunError::Start {
        path: job.cwltool.to_path_buf(),
        source,
    };
    let mut child = command.spawn().map_err(start)?;
    let id = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
    let group = Group(id.ok_or_else(|| start(std::io::ErrorKind::NotFound.into()))?);
    if let Some(limit) = job.memory_limit {
        // The engine takes far longer to load than this call; what it starts inherits the limit.
        let bytes = Rlimit {
            current: Some(limit),
            maximum: Some(limit),
        };
        prlimit(Some(group.0), Resource::As, bytes).map_err(|error| RunError::Limit {
            limit,
            source: error.into(),
        })?;
    }
    let stdout = drain(child.stdout.take());
    let stderr = drain(child.stderr.take());
    let ended = tokio::select! {
        ended = child.wait() => ended.map_err(start),
        () = job.stop.cancelled() => Err(RunError::Stopped),
        () = tokio::time::sleep(time_limit) => Err(RunError::TimeLimit(time_limit)),
    };
    drop(group);
    reap(child).await;
    let status = ended?;
    Ok(Finished {
        status,
        stdout: kept(stdout).await,
        stderr: kept(stderr).await,
    })
}

/// Waits for a child that has ended or was killed just now.
async fn reap(mut child: Child) {
    let _ = child.wait().await;
}

/// Reads a stream to its end and keeps its first bytes, so that a talkative tool neither blocks nor fills the memory.
fn drain(stream: Option<impl AsyncRead + Unpin + Send + 'static>) -> JoinHandle<Vec<u8>> {
    tokio::spawn(async move {
        let mut kept = Vec::new();
        let Some(mut stream) = stream else { return kept };
        let mut chunk = vec![0; 16 << 10];
        while let Ok(count @ 1..) = stream.read(&mut chunk).await {
            let room = STREAM_LIMIT.saturating_sub(kept.len()).min(count);
            kept.extend_from_slice(&chunk[..room]);
        }
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
