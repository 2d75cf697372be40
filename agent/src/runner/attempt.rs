//! Attempts: begun, followed to their end, tried again where not the workflow failed.

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use uuid::Uuid;

use super::RunnerError;
use super::advance::{has_lapsed, number, text, weigh};
use super::images::Images;
use super::outcome::{self, Outcome};
use super::work::{Runner, Running, since};
use crate::datasets::{DatasetError, Datasets, Grant};
use crate::engine::{Engine, FailureCode, GivenImage, Job, RunError, RunLimits, RunReport, remove_tree};
use crate::link::LinkClient;
use crate::link::wire::{Image, JobView};
use crate::packet::{Checked, RefusalCode};
use crate::spool::{JobFolder, SpoolError};

/// Credentials of a job's runs.
pub(super) const CREDENTIALS: &str = "credentials";

impl Runner {
    /// Begins the next attempt, if there is room and what the job rests on stands.
    pub(super) async fn attempt(&mut self, view: &JobView, is_held: bool) -> Result<(), RunnerError> {
        if is_held || self.running.len() >= self.config.parallel || !self.lease(view.id).await? {
            return Ok(());
        }
        let folder = self.folder(view.id)?;
        let attempt = number(view, "attempts") + 1;
        let begin = format!("{}/begin.json", outcome::folder(attempt));
        let at = since(&folder, &begin)?;
        if !self.is_due(at) {
            return Ok(());
        }
        let Some(gate) = self.passes(view).await? else {
            return Ok(());
        };
        self.fetch(view, &folder).await?;
        folder.write_json(&versions(attempt), &gate.versions)?;
        let mut clear = Value::Object(gate.fields);
        clear["attempt"] = json!(attempt);
        clear["engine"] = json!(self.engine.code());
        clear["versions"] = json!(gate.versions);
        let sealed = vec![(
            "engine_version",
            self.label.chars().take(64).collect::<String>().into(),
        )];
        let said = self
            .say(
                view,
                &format!("run-started-{attempt}"),
                "run-started",
                clear,
                sealed,
            )
            .await;
        match said {
            Ok(()) => self.start(view, attempt),
            // It lapsed in this very moment: the gate now says how.
            Err(error) if has_lapsed(&error) && self.passes(view).await?.is_none() => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Waits for the run's end and says it.
    pub(super) async fn follow(&mut self, view: &JobView) -> Result<(), RunnerError> {
        if !self.lease(view.id).await? {
            if let Some(running) = self.running.get(&view.id) {
                // While the relay could not be asked, somebody else has taken the job over.
                running.stop.cancel();
            }
            return Ok(());
        }
        if let Some(running) = self.running.get(&view.id) {
            if !running.task.is_finished() {
                return Ok(());
            }
            self.running.remove(&view.id);
        }
        let folder = self.folder(view.id)?;
        let attempt = number(view, "attempts");
        let Some(ended) = Outcome::read(&folder, attempt)? else {
            if !folder.has(&started(attempt)) {
                return self.begin_anew(view, attempt).await;
            }
            self.end_interrupted(&folder, attempt).await?;
            self.ended.notify_one();
            return Ok(());
        };
        self.datasets.revoke(&folder.file(CREDENTIALS), view.id).await?;
        if ended.failure.is_none() {
            // Weighed now, so that it can be said in the same step: how long it took tells nothing then.
            weigh(&folder, view, attempt, &self.config.rules)?;
        }
        if !self.is_due(ended.ended.as_second()) {
            return Ok(());
        }
        let mut clear = json!({ "attempt": attempt, "engine": self.engine.code() });
        let Some(code) = ended.failure else {
            let name = format!("run-completed-{attempt}");
            return self.say(view, &name, "run-completed", clear, Vec::new()).await;
        };
        clear["code"] = Value::from(code);
        let detail = ended.says.unwrap_or_default();
        let detail: String = detail.chars().filter(|c| !c.is_control()).take(4_000).collect();
        let sealed = if detail.is_empty() {
            Vec::new()
        } else {
            vec![("detail", Value::from(detail))]
        };
        self.say(
            view,
            &format!("run-failed-{attempt}"),
            "run-failed",
            clear,
            sealed,
        )
        .await
    }

    /// Tries again what failed by no fault of the workflow's, as often as the TRE wants; else the job is given up.
    pub(super) async fn after_failure(&mut self, view: &JobView, is_held: bool) -> Result<(), RunnerError> {
        let attempts = number(view, "attempts");
        let again = [
            FailureCode::TimeLimit,
            FailureCode::MemoryLimit,
            FailureCode::HostLost,
        ];
        let code = text(view, "failure");
        if again.iter().any(|known| Some(known.as_str()) == code) && attempts < self.config.attempts {
            return self.attempt(view, is_held).await;
        }
        if !self.lease(view.id).await? {
            return Ok(());
        }
        let folder = self.folder(view.id)?;
        let at = Outcome::read(&folder, attempts)?.map_or(0, |ended| ended.ended.as_second());
        if !self.is_due(at) {
            return Ok(());
        }
        self.say(
            view,
            "abandoned",
            "job-abandoned",
            json!({ "attempts": attempts }),
            Vec::new(),
        )
        .await
    }

    /// Starts the engine, on a task of its own.
    fn start(&mut self, view: &JobView, attempt: u32) -> Result<(), RunnerError> {
        let folder = self.folder(view.id)?;
        let stop = CancellationToken::new();
        let run = Run {
            engine: self.engine.clone(),
            datasets: self.datasets.clone(),
            images: self.images.clone(),
            offered: view.images.clone(),
            client: self.client.clone(),
            limits: self.config.limits.clone(),
            folder: folder.clone(),
            attempt,
            stop: stop.clone(),
        };
        folder.write_json(&started(attempt), &Timestamp::now())?;
        let (ended, job) = (self.ended.clone(), folder.id());
        info!(%job, "Attempt {attempt} of the job {job} begins");
        let task = tokio::spawn(async move {
            if let Err(error) = run.to_its_end().await {
                warn!(%job, "How attempt {attempt} of the job {job} ended cannot be written down: {error}");
            }
            ended.notify_one();
        });
        self.running.insert(job, Running { attempt, stop, task });
        Ok(())
    }

    /// Starts an attempt that was said to have started, and whose engine has not begun or was ended with the runner.
    async fn begin_anew(&mut self, view: &JobView, attempt: u32) -> Result<(), RunnerError> {
        // It may be long after that was said.
        let Some(gate) = self.passes(view).await? else {
            return Ok(());
        };
        let folder = self.folder(view.id)?;
        let said: Option<Vec<String>> = folder.read_json(&versions(attempt))?;
        let why = match said {
            Some(said) if said == gate.versions => return self.start(view, attempt),
            Some(_) => "the datasets have newer versions than the run was to have",
            // It is not known what has become of it.
            None => "another runner had begun it, and holds the job no longer",
        };
        let lost = RunError::HostLost(why.to_owned());
        Outcome::write(&folder, attempt, Timestamp::now(), Err(lost))?;
        self.ended.notify_one();
        Ok(())
    }

    /// Makes an attempt whose run was given up as if its engine had not begun, once nothing of it is left.
    pub(super) async fn put_back(&self, job: Uuid, attempt: u32) -> Result<(), RunnerError> {
        let folder = self.folder(job)?;
        if Outcome::read(&folder, attempt)?.is_some() {
            return Ok(());
        }
        let work = Self::work_folder(&folder, attempt);
        self.engine.end_leftovers(&work).await?;
        self.datasets.revoke(&folder.file(CREDENTIALS), job).await?;
        remove_tree(&work).map_err(SpoolError::at(&work))?;
        Ok(folder.remove(&started(attempt))?)
    }

    /// Ends what a runner that was killed has left of an attempt, and writes down that it was lost.
    async fn end_interrupted(&self, folder: &JobFolder, attempt: u32) -> Result<(), RunnerError> {
        let work = Self::work_folder(folder, attempt);
        self.engine.end_leftovers(&work).await?;
        remove_tree(&work).map_err(SpoolError::at(&work))?;
        let began = folder
            .read_json(&started(attempt))?
            .unwrap_or_else(Timestamp::now);
        let lost = RunError::HostLost("the runner ended in the middle of it".to_owned());
        Outcome::write(folder, attempt, began, Err(lost))?;
        Ok(())
    }
}

/// The versions of the datasets that an attempt was said to have.
fn versions(attempt: u32) -> String {
    format!("{}/versions.json", outcome::folder(attempt))
}

fn started(attempt: u32) -> String {
    format!("{}/started.json", outcome::folder(attempt))
}

/// One run of an engine.
struct Run {
    engine: std::sync::Arc<Engine>,
    datasets: std::sync::Arc<Datasets>,
    images: Images,
    /// The images that the relay has.
    offered: Vec<Image>,
    client: LinkClient,
    limits: RunLimits,
    folder: JobFolder,
    attempt: u32,
    stop: CancellationToken,
}

impl Run {
    /// Runs, and writes down how it ended. Where nobody knows whether it has, nothing is written: the next look asks again.
    async fn to_its_end(&self) -> Result<(), RunnerError> {
        let began = Timestamp::now();
        let work = Runner::work_folder(&self.folder, self.attempt);
        let ended = self.run(&work).await;
        if let Err(error) = self
            .datasets
            .revoke(&self.folder.file(CREDENTIALS), self.folder.id())
            .await
        {
            warn!(job = %self.folder.id(), "Credentials are not taken back yet: {error}");
        }
        if let Err(error @ RunError::NotStopped(_)) = ended {
            return Err(error.into());
        }
        for name in ["stdout.txt", "stderr.txt"] {
            if let Ok(text) = std::fs::read(work.join(name)) {
                self.folder
                    .write(&format!("{}/{name}", outcome::folder(self.attempt)), &text)?;
            }
        }
        Outcome::write(&self.folder, self.attempt, began, ended)?;
        remove_tree(&work).map_err(SpoolError::at(&work))?;
        Ok(())
    }

    async fn run(&self, work: &std::path::Path) -> Result<RunReport, RunError> {
        // Of an attempt whose engine had not begun.
        remove_tree(work).map_err(|source| RunError::Work {
            path: work.to_path_buf(),
            source,
        })?;
        let broken = |what: &str| RunError::HostLost(what.to_owned());
        let checked: Checked = match Runner::checked(&self.folder) {
            Ok(Ok(checked)) => checked,
            Ok(Err(refused)) if refused.code == RefusalCode::Workflow => return Err(RunError::NoWorkflow),
            _ => return Err(broken("the packet in the spool cannot be read any more")),
        };
        let images = self.bring_images(&checked).await?;
        let credentials = self.folder.file(CREDENTIALS);
        let grant = Grant {
            job: self.folder.id(),
            folder: &credentials,
            seconds: self.limits.seconds,
        };
        let names: Vec<&str> = checked.request.datasets().collect();
        let datasets = self
            .datasets
            .provide(&grant, names)
            .await
            .map_err(|error| match error {
                DatasetError::Unknown(name) => RunError::NoDataset(name),
                error => broken(&error.to_string()),
            })?;
        let job = Job {
            work,
            packet: &checked.bag,
            datasets: &datasets,
            images: &images,
            limits: &self.limits,
            stop: &self.stop,
        };
        self.engine.run(&job).await
    }

    /// The images that the workflow names, where its engine uses any.
    async fn bring_images(&self, checked: &Checked) -> Result<Vec<GivenImage>, RunError> {
        // A job with an image for another engine was refused before it was admitted.
        let wanted = self.images.wanted(&self.engine, checked);
        let wanted = wanted.map_err(|refused| RunError::HostLost(refused.text))?;
        let bring = self
            .images
            .bring(&self.client, self.folder.id(), (&wanted, &self.offered));
        match self.stop.run_until_cancelled(bring).await {
            None => Err(RunError::Stopped),
            Some(given) => given.map_err(|error| {
                let error = anyhow::Error::new(error);
                RunError::HostLost(format!("a container image: {error:#}"))
            }),
        }
    }
}

/// A job's runs, for those who look for one.
pub(super) fn attempts(folder: &JobFolder) -> Result<Vec<u32>, SpoolError> {
    Ok(folder
        .names("runs")?
        .iter()
        .filter_map(|name| name.parse().ok())
        .collect())
}
