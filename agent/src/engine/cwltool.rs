//! Running a packet's workflow with `cwltool`, bounded and alone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use super::outputs::collect;
use super::process::execute;
use crate::packet::{Bag, CrateError, InputKind, Request, path_id, read_request, workflow_file};

/// How long `cwltool --version` may take.
const VERSION_LIMIT: Duration = Duration::from_mins(1);

/// What to run, with what, and how long.
#[derive(Debug)]
pub struct Job<'a> {
    /// Absolute path of `cwltool`, as [`super::find_cwltool`] gives it.
    pub cwltool: &'a Path,
    /// A folder of this run alone; it is made if needed, and must be empty.
    pub work: &'a Path,
    /// The packet. Its own copy of the workflow is run, so it must be one that was approved.
    pub packet: &'a Bag,
    /// Where the TRE keeps each dataset, by the id that packets use.
    pub datasets: &'a BTreeMap<String, PathBuf>,
    /// How long the engine may take.
    pub time_limit: Duration,
    /// Address space of each process of the run, in bytes; the engine itself needs about half a gibibyte.
    pub memory_limit: Option<u64>,
    /// Ends the run early.
    pub stop: &'a CancellationToken,
}

/// What a run gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunReport {
    /// The workflow's output files, sorted by name.
    pub outputs: Vec<OutputFile>,
    /// Engine and version, as in `cwltool 3.1`.
    pub engine: String,
}

/// One output file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputFile {
    /// Its name, without folders.
    pub name: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// The closed list of codes that may leave a controlled zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureCode {
    /// `tool-error`, and everything that is none of the others.
    ToolError,
    /// `time-limit`
    TimeLimit,
    /// `memory-limit`
    MemoryLimit,
    /// `input-missing`
    InputMissing,
    /// `stopped`
    Stopped,
}

impl FailureCode {
    /// The code as events spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ToolError => "tool-error",
            Self::TimeLimit => "time-limit",
            Self::MemoryLimit => "memory-limit",
            Self::InputMissing => "input-missing",
            Self::Stopped => "stopped",
        }
    }
}

/// Why a run gave no outputs. Only [`RunError::code`] may leave a controlled zone; texts and logs are for the TRE.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The packet's crate is not a readable request.
    #[error("the packet's crate is not a request that can be run")]
    Crate(#[from] CrateError),
    /// The packet holds no copy of its workflow.
    #[error(
        "the packet holds no copy of its workflow with a main entity; put the workflow's crate into the bag"
    )]
    NoWorkflow,
    /// A dataset that this TRE does not have.
    #[error("no file is known for the dataset {0:?}; add it to the TRE's datasets")]
    NoDataset(String),
    /// The work folder cannot be used.
    #[error("the work folder {} cannot be prepared; give an empty folder that can be written", path.display())]
    Work {
        /// The folder or file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The engine did not start.
    #[error("{} did not start; run `make setup`", path.display())]
    Start {
        /// The engine.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The limit on address space could not be set.
    #[error("the memory limit of {limit} bytes could not be set")]
    Limit {
        /// The limit in bytes.
        limit: u64,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The time was up.
    #[error("the workflow did not end within {} seconds and was ended", .0.as_secs_f64())]
    TimeLimit(Duration),
    /// A process wanted more memory than it was allowed.
    #[error("the workflow wanted more memory than it may have")]
    MemoryLimit,
    /// Ended from outside.
    #[error("the run was stopped")]
    Stopped,
    /// The engine or a tool failed.
    #[error("the workflow failed: {status}")]
    Tool {
        /// How the engine ended.
        status: String,
        /// The end of its log; it may hold data, and never leaves the TRE unchecked.
        log: String,
    },
    /// The engine said it was done, and its outputs are not what it said.
    #[error("the workflow's outputs cannot be taken: {0}")]
    Outputs(&'static str),
}

impl RunError {
    /// The code under which the failure may be told outside.
    pub fn code(&self) -> FailureCode {
        match self {
            Self::NoWorkflow | Self::NoDataset(_) => FailureCode::InputMissing,
            Self::TimeLimit(_) => FailureCode::TimeLimit,
            Self::MemoryLimit => FailureCode::MemoryLimit,
            Self::Stopped => FailureCode::Stopped,
            Self::Crate(_)
            | Self::Work { .. }
            | Self::Start { .. }
            | Self::Limit { .. }
            | Self::Tool { .. }
            | Self::Outputs(_) => FailureCode::ToolError,
        }
    }

    pub(super) fn work(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        |source| Self::Work {
            path: path.to_path_buf(),
            source,
        }
    }
}

/// Executes the workflow of a packet and returns its output files.
///
/// The engine gets no shell, no standard input, and of the environment only `PATH` (its own folder first, so that tools find
/// the Python it runs on) with `HOME` and `TMPDIR` inside the work folder. It leads a process group of its own, which is
/// killed when the run ends in whatever way, so that no tool outlives it. Not bounded here: the network, disk space, and
/// what a tool may read; that is the controlled zone's own wall.
///
/// The packet's inputs become the workflow's by their parameters' names; values that read as whole numbers or booleans are
/// passed as such.
///
/// # Errors
/// [`RunError`]; its code is one of the closed list.
pub async fn run(job: &Job<'_>) -> Result<RunReport, RunError> {
    let request = read_request(job.packet)?.request;
    let workflow = workflow_file(job.packet, &request).ok_or(RunError::NoWorkflow)?;
    let order = job_order(&request, job)?;
    let folders = Folders::make(job.work)?;
    unpack(job.packet, &folders.packet)?;
    let order_file = job.work.join("job.json");
    std::fs::write(&order_file, order.to_string()).map_err(RunError::work(&order_file))?;

    let version = version(job, &folders).await?;
    let mut command = command(job.cwltool, &folders);
    command
        .args([
            "--no-container",
            "--disable-color",
            "--on-error",
            "stop",
            "--outdir",
        ])
        .arg(&folders.out);
    command.arg("--tmpdir-prefix").arg(folders.tmp.join("step-"));
    command.arg(folders.packet.join(workflow)).arg(&order_file);
    let finished = execute(command, job, job.time_limit).await?;
    if finished.status.success() {
        return Ok(RunReport {
            outputs: collect(&finished.stdout, &folders.out)?,
            engine: format!("cwltool {version}"),
        });
    }
    let log = String::from_utf8_lossy(&finished.stderr).into_owned();
    let out_of_memory = ["MemoryError", "Cannot allocate memory", "bad_alloc"]
        .iter()
        .any(|sign| log.contains(sign));
    if job.memory_limit.is_some() && out_of_memory {
        return Err(RunError::MemoryLimit);
    }
    Err(RunError::Tool {
        status: finished.status.to_string(),
        log,
    })
}

/// The folders of one run.
struct Folders {
    packet: PathBuf,
    out: PathBuf,
    tmp: PathBuf,
    home: PathBuf,
}

impl Folders {
    fn make(work: &Path) -> Result<Self, RunError> {
        let work = std::path::absolute(work).map_err(RunError::work(work))?;
        std::fs::create_dir_all(&work).map_err(RunError::work(&work))?;
        let make = |name: &str| -> Result<PathBuf, RunError> {
            let path = work.join(name);
            // Fails where it is there already: leftovers of another run are never mixed into this one.
            std::fs::create_dir(&path).map_err(RunError::work(&path))?;
            Ok(path)
        };
        Ok(Self {
            packet: make("packet")?,
            out: make("out")?,
            tmp: make("tmp")?,
            home: make("home")?,
        })
    }
}

fn unpack(packet: &Bag, folder: &Path) -> Result<(), RunError> {
    for (name, bytes) in &packet.payload {
        let path = folder.join(name);
        let plain = |part| matches!(part, std::path::Component::Normal(_));
        if !Path::new(name).components().all(plain) {
            return Err(RunError::work(&path)(std::io::ErrorKind::InvalidFilename.into()));
        }
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(RunError::work(parent))?;
        }
        std::fs::write(&path, bytes).map_err(RunError::work(&path))?;
    }
    Ok(())
}

/// The CWL job order: one member for each input that fills a parameter.
fn job_order(request: &Request, job: &Job<'_>) -> Result<Value, RunError> {
    let packet = job.work.join("packet");
    let mut order = Map::new();
    for input in &request.inputs {
        let Some(parameter) = &input.parameter else {
            continue;
        };
        let value = match &input.kind {
            InputKind::Value(text) => plain_value(text),
            InputKind::File => file(&packet.join(&input.input.id))?,
            InputKind::Dataset => {
                let known = job.datasets.get(&input.input.id).filter(|path| path.is_file());
                let known = known.ok_or_else(|| RunError::NoDataset(input.input.id.clone()))?;
                let mut value = file(known)?;
                value["basename"] = Value::String(neutral_name(&parameter.name, known));
                value
            }
        };
        order.insert(parameter.name.clone(), value);
    }
    Ok(Value::Object(order))
}

/// The name under which a tool sees a dataset: the parameter's, so that the TRE's own file name stays its own.
fn neutral_name(parameter: &str, path: &Path) -> String {
    let extension = path.extension().and_then(std::ffi::OsStr::to_str);
    match extension.filter(|text| text.bytes().all(|byte| byte.is_ascii_alphanumeric())) {
        Some(extension) => format!("{parameter}.{extension}"),
        None => parameter.to_owned(),
    }
}

fn plain_value(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(value @ Value::Bool(_)) => value,
        Ok(value) if value.is_i64() => value,
        _ => Value::String(text.to_owned()),
    }
}

fn file(path: &Path) -> Result<Value, RunError> {
    let absolute = std::path::absolute(path).map_err(RunError::work(path))?;
    let text = absolute
        .to_str()
        .ok_or_else(|| RunError::work(path)(std::io::ErrorKind::InvalidFilename.into()))?;
    Ok(json!({"class": "File", "location": format!("file://{}", path_id(text))}))
}

async fn version(job: &Job<'_>, folders: &Folders) -> Result<String, RunError> {
    let mut command = command(job.cwltool, folders);
    command.arg("--version");
    let finished = execute(command, job, VERSION_LIMIT).await?;
    let text = String::from_utf8_lossy(&finished.stdout).into_owned();
    Ok(text
        .split_whitespace()
        .next_back()
        .unwrap_or("unknown")
        .to_owned())
}

fn command(cwltool: &Path, folders: &Folders) -> Command {
    let inherited = std::env::var_os("PATH").unwrap_or_default();
    let own = cwltool.parent().map(Path::to_path_buf);
    let path =
        std::env::join_paths(own.into_iter().chain(std::env::split_paths(&inherited))).unwrap_or(inherited);
    let mut command = Command::new(cwltool);
    command
        .env_clear()
        .env("PATH", path)
        .env("HOME", &folders.home)
        .env("TMPDIR", &folders.tmp);
    command
        .current_dir(&folders.tmp)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.process_group(0).kill_on_drop(true);
    command
}
