//! The engine `tes`: a task service of the TRE's that speaks GA4GH TES 1.1, such as Funnel or TESK.
//!
//! A run is one task with one executor: `cwltool`, or what the configuration says, in an image that holds it. Packet and
//! job order lie in a storage folder that both sides see; datasets are named by the URLs by which the service finds them.
//! Source: GA4GH Task Execution Service 1.1.0, <https://github.com/ga4gh/task-execution-schemas>.

mod note;
mod service;
mod task;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::note::Note;
use self::service::{Service, Task};
use super::RunError;
use super::cwltool::job_order;
use super::job::{Job, RunReport, fill};
use super::leftover::remove_tree;
use super::outputs::{collect, named_files};
use super::place::{Place, View};
use crate::packet::{read_request, workflow_file};
use crate::random;

pub use self::service::TesError;

/// Polls in a row that may answer `UNKNOWN` before the task is given up.
const UNKNOWN_LIMIT: u32 = 20;
/// Bytes kept of each stream.
const STREAM_LIMIT: u64 = 1 << 20;

/// How the task service is reached, and what it is to run.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TesConfig {
    /// Its address, with the path before `/tasks`, such as `http://tes.internal/ga4gh/tes/v1`.
    pub url: String,
    /// A file of mode 0600 with a bearer token.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
    /// A folder that the service sees too; each run has a folder of its own in it.
    pub storage: PathBuf,
    /// The same as the service finds it, such as `file:///shared/daybook`.
    pub storage_url: String,
    /// The container image, by digest.
    pub image: String,
    /// The program in the image and its first arguments.
    #[serde(default = "default_command")]
    pub command: Vec<String>,
    /// Processor cores to ask for.
    #[serde(default = "default_cores")]
    pub cpu_cores: u32,
    /// Milliseconds between two looks at the task.
    #[serde(default = "default_poll")]
    pub poll_milliseconds: u64,
    /// Seconds that the service may take to end a task that was cancelled.
    #[serde(default = "default_cancel")]
    pub cancel_seconds: u64,
}

fn default_command() -> Vec<String> {
    ["cwltool", "--no-container", "--disable-color"]
        .map(ToOwned::to_owned)
        .to_vec()
}

fn default_cores() -> u32 {
    1
}

fn default_poll() -> u64 {
    5_000
}

fn default_cancel() -> u64 {
    300
}

/// A task service.
#[derive(Debug)]
pub struct Tes {
    config: TesConfig,
    service: Service,
}

impl Tes {
    /// Prepares to speak to the service; nothing is sent yet.
    ///
    /// # Errors
    /// [`TesError`] where the token cannot be read.
    pub fn new(config: TesConfig) -> Result<Self, TesError> {
        let service = Service::new(&config.url, config.token_file.as_deref())?;
        Ok(Self { config, service })
    }

    pub(super) async fn version(&self) -> Result<String, RunError> {
        let info = self.service.info().await?;
        Ok(format!("tes {}", info.label()))
    }

    pub(super) async fn run(&self, job: &Job<'_>) -> Result<RunReport, RunError> {
        let request = read_request(job.packet)?.request;
        let workflow = workflow_file(job.packet, &request).ok_or(RunError::NoWorkflow)?;
        std::fs::create_dir_all(job.work).map_err(RunError::work(job.work))?;
        let id = random::id().map_err(|_| RunError::HostLost("no random bytes".to_owned()))?;
        let note = Note { run: id, task: None };
        note.write(job.work)?;
        let mut place = Place::make(&self.folder(id), View::Fetched, None)?;
        place.unpack(job.packet)?;
        let filled = fill(&request, job, &mut place)?;
        let order = place.write("home", "job.json", job_order(&filled)?.to_string().as_bytes())?;
        let engine = self.version().await?;

        let wanted = task::document(&self.config, id, &place, &workflow, &order, job.limits);
        let task = self.create(id, &wanted).await?;
        Note {
            task: Some(task.clone()),
            ..note
        }
        .write(job.work)?;
        let ended = self.follow(&task, job).await;
        keep_logs(&place, job.work);
        let outcome = ended.and_then(|()| {
            let said = read_some(&place.outside("home").join(task::STDOUT))
                .ok_or(RunError::Outputs("the task service returned no output object"))?;
            collect(named_files(&said)?, &place.outside("out"))
        });
        if !matches!(outcome, Err(RunError::NotStopped(_))) {
            remove_tree(place.work()).map_err(RunError::work(place.work()))?;
            Note::forget(job.work);
        }
        Ok(RunReport {
            outputs: outcome?,
            engine,
        })
    }

    /// Cancels the task of an interrupted run, and waits until the service says that it is over.
    pub(super) async fn end_leftovers(&self, work: &Path) -> Result<(), RunError> {
        let Some(note) = Note::read(work) else {
            return Ok(());
        };
        // The task may have been made in the moment in which the runner was killed: its tag finds it.
        let mut tasks: Vec<String> = note.task.into_iter().collect();
        let tagged = self.service.tagged(task::TAG, &note.run.to_string()).await;
        tasks.extend(tagged.map_err(|error| RunError::NotStopped(error.to_string()))?);
        tasks.sort_unstable();
        tasks.dedup();
        for task in tasks {
            self.end(&task).await?;
        }
        let folder = self.folder(note.run);
        remove_tree(&folder).map_err(RunError::work(&folder))?;
        Note::forget(work);
        Ok(())
    }

    fn folder(&self, run: Uuid) -> PathBuf {
        self.config.storage.join(run.to_string())
    }

    async fn create(&self, run: Uuid, wanted: &serde_json::Value) -> Result<String, RunError> {
        match self.service.create(wanted).await {
            // Nobody knows whether it arrived: the tag tells.
            Err(TesError::Unreachable(error)) => {
                let tagged = self.service.tagged(task::TAG, &run.to_string()).await?;
                tagged
                    .into_iter()
                    .next()
                    .ok_or(RunError::Tes(TesError::Unreachable(error)))
            }
            answer => Ok(answer?),
        }
    }

    /// Waits until the task is over.
    async fn follow(&self, task: &str, job: &Job<'_>) -> Result<(), RunError> {
        let time = job.limits.time();
        let why = tokio::select! {
            over = self.over(task, job.stop) => match over {
                Ok(()) => return Ok(()),
                Err(error) => error,
            },
            () = job.stop.cancelled() => RunError::Stopped,
            () = tokio::time::sleep(time) => RunError::TimeLimit(time),
        };
        self.end(task).await?;
        Err(why)
    }

    /// Polls until the task is over. An error may come while it still runs, so that it has to be ended.
    async fn over(&self, task: &str, stop: &CancellationToken) -> Result<(), RunError> {
        let mut unknown = 0;
        loop {
            let state = match self.service.task(task).await {
                Ok(found) => found,
                // It comes back, or the time runs out.
                Err(TesError::Unreachable(_)) => {
                    self.pause().await;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let failed = |status: String| RunError::Tool {
                status,
                log: state.log(),
            };
            match state.state.as_str() {
                "COMPLETE" => return Ok(()),
                "QUEUED" | "INITIALIZING" | "RUNNING" | "PAUSED" | "CANCELING" => unknown = 0,
                "EXECUTOR_ERROR" => return Err(out_of_memory(&state).unwrap_or_else(|| failed(state.exit()))),
                "SYSTEM_ERROR" => return Err(RunError::HostLost("the task service had an error".to_owned())),
                "PREEMPTED" => {
                    return Err(RunError::HostLost(
                        "the task service took the machine back".to_owned(),
                    ));
                }
                // Not by us: somebody at the TRE did.
                "CANCELED" if !stop.is_cancelled() => return Err(RunError::Stopped),
                "CANCELED" => return Err(RunError::Stopped),
                "UNKNOWN" if unknown < UNKNOWN_LIMIT => unknown += 1,
                other => return Err(failed(format!("the task is in the state {other:?}"))),
            }
            self.pause().await;
        }
    }

    async fn pause(&self) {
        tokio::time::sleep(Duration::from_millis(self.config.poll_milliseconds)).await;
    }

    /// Cancels a task, and waits until the service says that it is over.
    async fn end(&self, task: &str) -> Result<(), RunError> {
        let patience = Duration::from_secs(self.config.cancel_seconds);
        let ending = async {
            loop {
                match self.service.task(task).await {
                    Ok(found) if found.is_over() => return,
                    Ok(found) if found.state == "CANCELING" => {}
                    Err(TesError::Refused { status: 404, .. }) => return,
                    // An error of a task that has ended meanwhile is none; the next look tells.
                    Ok(_) => drop(self.service.cancel(task).await),
                    Err(_) => {}
                }
                self.pause().await;
            }
        };
        tokio::time::timeout(patience, ending).await.map_err(|_| {
            RunError::NotStopped("the task service does not say that the task is over".to_owned())
        })
    }
}

fn keep_logs(place: &Place, work: &Path) {
    for name in [task::STDOUT, task::STDERR] {
        if let Some(bytes) = read_some(&place.outside("home").join(name)) {
            // A log that cannot be kept is no reason to lose the run.
            let _ = std::fs::write(work.join(name), bytes);
        }
    }
}

/// A container that the kernel killed for want of memory ends with 137.
fn out_of_memory(task: &Task) -> Option<RunError> {
    (task.exit_code() == Some(137)).then_some(RunError::MemoryLimit)
}

fn read_some(path: &Path) -> Option<Vec<u8>> {
    use std::io::Read as _;
    let is_file = path.symlink_metadata().is_ok_and(|data| data.is_file());
    let file = std::fs::File::open(path).ok().filter(|_| is_file)?;
    let mut bytes = Vec::new();
    file.take(STREAM_LIMIT).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}
