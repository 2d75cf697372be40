//! The runner's loop: the relay is asked for what is new, and each job is taken a step further.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use daybook_core::id::Stream;
use serde_json::Value;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use uuid::Uuid;

use super::images::Images;
use super::status::Status;
use super::{Config, RunnerError, outcome};
use crate::author::Draft;
use crate::datasets::Datasets;
use crate::engine::{Engine, remove_tree};
use crate::link::wire::{JobList, JobView};
use crate::link::{LinkClient, Voice};
use crate::random;
use crate::spool::{JobFolder, Spool};

/// Seconds that a call for jobs waits where nothing else is due.
const WAIT: u64 = 20;
/// Seconds until a step that did not succeed is tried again.
const AGAIN: i64 = 5;
/// The longest pause while the relay is away.
const LONGEST: Duration = Duration::from_secs(30);
/// The file with the random id by which the relay knows this spool.
const HOLDER: &str = "holder";

/// A run that is under way.
pub(super) struct Running {
    /// Which attempt it is.
    pub(super) attempt: u32,
    /// Ends it.
    pub(super) stop: CancellationToken,
    /// Does it.
    pub(super) task: JoinHandle<()>,
}

/// The runner.
pub(super) struct Runner {
    pub(super) config: Config,
    pub(super) spool: Spool,
    pub(super) client: LinkClient,
    pub(super) voice: Voice,
    pub(super) engine: Arc<Engine>,
    /// Engine and version.
    pub(super) label: String,
    pub(super) datasets: Arc<Datasets>,
    pub(super) images: Images,
    pub(super) holder: Uuid,
    pub(super) running: BTreeMap<Uuid, Running>,
    /// Hears when a run has ended.
    pub(super) ended: Arc<Notify>,
    /// When a job was last leased.
    pub(super) leased: BTreeMap<Uuid, i64>,
    /// When a job is looked at again that could not be taken further.
    later: BTreeMap<Uuid, i64>,
    /// What is wrong with a job, for the TRE.
    pub(super) troubles: BTreeMap<Uuid, String>,
    /// Whether something waits for the step to end.
    waits: bool,
}

/// Runs until it is told to stop. `ready` is called once spool, keys and engine are there.
pub async fn run(config: Config, stop: CancellationToken, ready: impl FnOnce()) -> anyhow::Result<()> {
    let mut runner = Runner::open(config).await?;
    ready();
    runner.work(&stop).await;
    runner.end().await;
    Ok(())
}

impl Runner {
    pub(super) async fn open(config: Config) -> anyhow::Result<Self> {
        let (keys, key) = (config.keys()?, config.verifier()?);
        let spool = Spool::open(&config.spool)?;
        let holder = holder(&spool)?;
        let client = config.relay.client(keys)?;
        let kept = spool.folder().join("checkpoint");
        let voice = Voice::new(client.clone(), key, kept, config.time_step.seconds())?;
        let (engine, datasets) = (config.engine()?, config.datasets()?);
        let label = engine.version().await?;
        let images = Images {
            folder: spool.folder().join("images"),
            config: config.images.clone(),
        };
        Ok(Self {
            images,
            spool,
            client,
            voice,
            engine: Arc::new(engine),
            label,
            datasets: Arc::new(datasets),
            holder,
            running: BTreeMap::new(),
            ended: Arc::new(Notify::new()),
            leased: BTreeMap::new(),
            later: BTreeMap::new(),
            troubles: BTreeMap::new(),
            waits: false,
            config,
        })
    }

    async fn work(&mut self, stop: &CancellationToken) {
        let (mut after, mut pause) = (None, Duration::from_secs(1));
        while !stop.is_cancelled() {
            let wait = if self.waits {
                self.voice.until_step().as_secs().clamp(1, WAIT)
            } else {
                WAIT
            };
            let client = self.client.clone();
            let ended = Arc::clone(&self.ended);
            let list = tokio::select! {
                () = stop.cancelled() => return,
                () = ended.notified() => {
                    after = None;
                    continue;
                }
                list = client.jobs(after, wait) => list,
            };
            let trouble = match list {
                Ok(list) => {
                    self.look_at(&list).await;
                    (after, pause) = (Some(list.version), Duration::from_secs(1));
                    None
                }
                Err(error) => {
                    warn!("The relay cannot be asked: {error}");
                    Some(error.to_string())
                }
            };
            if let Err(error) = Status::of(self, trouble.clone()).write(&self.spool) {
                warn!("The status cannot be written: {error}");
            }
            if trouble.is_some() {
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONGEST),
                }
            }
        }
    }

    /// Takes every job a step further.
    pub(super) async fn look_at(&mut self, list: &JobList) {
        self.waits = false;
        for view in &list.jobs {
            if self.later.get(&view.id).is_some_and(|at| *at > random::now()) {
                continue;
            }
            match self.advance(view, list.hold.is_some()).await {
                Ok(()) => {
                    self.later.remove(&view.id);
                    self.troubles.remove(&view.id);
                }
                Err(error) => {
                    self.later.insert(view.id, random::now() + AGAIN);
                    if matches!(error, RunnerError::Lost(..)) {
                        // Another runner may have what is missing here.
                        self.leased.remove(&view.id);
                        drop(self.client.give_back(view.id, self.holder).await);
                    }
                    let text = error.to_string();
                    if self.troubles.insert(view.id, text.clone()).as_ref() != Some(&text)
                        && !error.is_passing()
                    {
                        warn!(job = %view.id, "The job {} stands still: {text}", view.id);
                    }
                }
            }
        }
        if let Err(error) = self.tidy(list) {
            warn!("What has ended cannot be put away: {error}");
        }
    }

    /// Puts away the jobs that the relay no longer has open. What an end has left, such as withheld outputs, stays in `ended`:
    /// the TRE may take a refusal back.
    fn tidy(&mut self, list: &JobList) -> Result<(), RunnerError> {
        let open: BTreeSet<Uuid> = list.jobs.iter().map(|view| view.id).collect();
        for id in self.spool.jobs()? {
            if open.contains(&id) {
                continue;
            }
            // What still runs of a job that has its end, by another's word, is ended first.
            if let Some(running) = self.running.get(&id) {
                running.stop.cancel();
                if !running.task.is_finished() {
                    continue;
                }
                self.running.remove(&id);
            }
            let folder = self.spool.job(id);
            for attempt in folder.names("runs")? {
                let work = folder.file(&format!("runs/{attempt}/work"));
                remove_tree(&work).map_err(crate::spool::SpoolError::at(&work))?;
            }
            self.spool.archive(id)?;
            self.leased.remove(&id);
            self.troubles.remove(&id);
        }
        Ok(())
    }

    /// A job's folder; one that was put away comes back when its job does.
    pub(super) fn folder(&self, id: Uuid) -> Result<JobFolder, RunnerError> {
        let folder = self.spool.job(id);
        let ended = self.spool.folder().join("ended").join(id.to_string());
        if !folder.path().exists() && ended.exists() {
            std::fs::rename(&ended, folder.path()).map_err(crate::spool::SpoolError::at(&ended))?;
        }
        Ok(folder)
    }

    /// Keeps the job for this runner; answers whether it is ours.
    pub(super) async fn lease(&mut self, id: Uuid) -> Result<bool, RunnerError> {
        let now = random::now();
        if self.leased.get(&id).is_some_and(|at| now - at < 20) {
            return Ok(true);
        }
        match self.client.lease(id, self.holder).await {
            Ok(_) => {
                self.leased.insert(id, now);
                Ok(true)
            }
            Err(error) if error.code() == "leased" => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether something that became true at `at` may be said: only in a later step.
    pub(super) fn is_due(&mut self, at: i64) -> bool {
        let step = self.config.time_step.seconds();
        let is_due = random::now().div_euclid(step) > at.div_euclid(step);
        self.waits |= !is_due;
        is_due
    }

    /// Says something of a job once. What the hub refused after the relay had taken it is said anew.
    pub(super) async fn say(
        &mut self,
        view: &JobView,
        name: &str,
        kind: &str,
        clear: Value,
        sealed: Vec<(&str, Value)>,
    ) -> Result<(), RunnerError> {
        let folder = self.spool.job(view.id);
        let said: Option<crate::link::Said> = folder.read_json(&format!("events/{name}.said.json"))?;
        if let Some(said) = said
            && !view.events.iter().any(|event| event.leaf == said.leaf)
        {
            self.voice.unsay(&folder, name)?;
        }
        let draft = Draft {
            stream: Stream::Job(view.id),
            kind,
            clear,
            sealed,
        };
        self.voice.say(&folder, name, &draft).await?;
        info!(job = %view.id, "Said {kind} of the job {}", view.id);
        Ok(())
    }

    /// Ends what is running, so that the next start begins the same attempts anew: nothing of the workflow's has failed.
    async fn end(&mut self) {
        for (id, running) in std::mem::take(&mut self.running) {
            running.task.abort();
            // It is over, or was given up just now.
            let _ = running.task.await;
            if let Err(error) = self.put_back(id, running.attempt).await {
                warn!(job = %id, "The run of the job {id} counts as lost: {error}");
            }
        }
    }

    /// The folder in which an attempt's engine works.
    pub(super) fn work_folder(folder: &JobFolder, attempt: u32) -> std::path::PathBuf {
        folder.file(&format!("{}/work", outcome::folder(attempt)))
    }
}

/// When a step became possible, in seconds since 1970; noted at the first look.
pub(super) fn since(folder: &JobFolder, name: &str) -> Result<i64, RunnerError> {
    if let Some(at) = folder.read_json(name)? {
        return Ok(at);
    }
    let at = random::now();
    folder.write_json(name, &at)?;
    Ok(at)
}

fn holder(spool: &Spool) -> anyhow::Result<Uuid> {
    let path = spool.folder().join(HOLDER);
    if let Ok(text) = std::fs::read_to_string(&path)
        && let Ok(id) = text.trim().parse()
    {
        return Ok(id);
    }
    let id = random::id()?;
    crate::spool::write_whole(&path, id.to_string().as_bytes())?;
    Ok(id)
}
