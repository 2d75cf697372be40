//! An engine on this machine: a program in a place, behind the wall, within limits.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::RunError;
use super::job::{Job, RunLimits};
use super::place::{Place, View};
use super::process::{Bounds, Finished, execute};
use super::sandbox::{Order, Sandbox};

/// The signal that nothing survives; what is behind a wall says it by 128 more.
const KILL: i32 = 9;
/// How long a program may take to tell its version.
const VERSION_LIMIT: Duration = Duration::from_mins(1);

/// Makes the place of a run on this machine, the packet in it.
pub(super) fn place(sandbox: &Sandbox, job: &Job<'_>) -> Result<Place, RunError> {
    let place = empty(sandbox, job.work)?;
    place.unpack(job.packet)?;
    Ok(place)
}

pub(super) fn empty(sandbox: &Sandbox, work: &Path) -> Result<Place, RunError> {
    let view = if sandbox.is_isolated() {
        View::Bound
    } else {
        View::Same
    };
    Place::make(work, view, sandbox.user())
}

/// Arguments of a program.
#[derive(Default)]
pub(super) struct Line(pub(super) Vec<OsString>);

impl Line {
    pub(super) fn word(mut self, word: impl AsRef<OsStr>) -> Self {
        self.0.push(word.as_ref().to_owned());
        self
    }

    pub(super) fn words<const N: usize>(mut self, words: [&str; N]) -> Self {
        self.0.extend(words.map(OsString::from));
        self
    }
}

/// A program with what it needs besides the system.
pub(super) struct Program<'a> {
    pub(super) path: &'a Path,
    pub(super) readable: Vec<PathBuf>,
    pub(super) variables: Vec<(&'static str, OsString)>,
    /// Whether it makes namespaces of its own within those of the run.
    pub(super) nests: bool,
}

/// Runs a program in a place.
pub(super) async fn run(
    sandbox: &Sandbox,
    program: &Program<'_>,
    line: Line,
    place: &Place,
    bounds: (&RunLimits, Duration, &CancellationToken),
) -> Result<Finished, RunError> {
    let (limits, time, stop) = bounds;
    let order = Order {
        program: program.path,
        arguments: line.0,
        variables: program.variables.clone(),
        readable: program.readable.clone(),
        place,
        limits,
        nests: program.nests,
    };
    let bounds = Bounds {
        limits,
        time,
        stop,
        place,
        is_isolated: sandbox.is_isolated(),
    };
    execute(sandbox.command(&order)?, program.path, &bounds).await
}

/// Whether the run ended well; else why not, as far as can be told from how it ended.
pub(super) fn check(finished: &Finished) -> Result<(), RunError> {
    if finished.status.success() {
        return Ok(());
    }
    if finished.status.signal() == Some(KILL) || finished.status.code() == Some(128 + KILL) {
        // By the machine or somebody on it: the workflow has no part in that.
        return Err(RunError::HostLost("the engine was killed".to_owned()));
    }
    let log = String::from_utf8_lossy(&finished.stderr).into_owned();
    let out_of_memory = ["MemoryError", "Cannot allocate memory", "bad_alloc"]
        .iter()
        .any(|sign| log.contains(sign));
    if out_of_memory {
        return Err(RunError::MemoryLimit);
    }
    Err(RunError::Tool {
        status: finished.status.to_string(),
        log,
    })
}

/// What a program says, asked in an empty place.
pub(super) async fn said(sandbox: &Sandbox, program: &Program<'_>, line: Line) -> Result<String, RunError> {
    let folder = tempfile::tempdir().map_err(RunError::work(&std::env::temp_dir()))?;
    let place = empty(sandbox, folder.path())?;
    said_in(sandbox, program, line, &place, &CancellationToken::new()).await
}

/// The same in the place of a run.
pub(super) async fn said_in(
    sandbox: &Sandbox,
    program: &Program<'_>,
    line: Line,
    place: &Place,
    stop: &CancellationToken,
) -> Result<String, RunError> {
    let limits = RunLimits::default();
    let finished = run(sandbox, program, line, place, (&limits, VERSION_LIMIT, stop)).await?;
    check(&finished)?;
    let text = String::from_utf8_lossy(&finished.stdout).into_owned();
    Ok(text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(200)
        .collect())
}
