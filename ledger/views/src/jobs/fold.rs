//! How entries change jobs: as the rule table's effects change the states of their streams.

use daybook_core::id::{Actor, Stream, random_id};
use daybook_rules::{Table, Target};
use daybook_store::project::{AnyRows, Entry, Fold, FoldError, Rows};
use serde_json::Value;
use uuid::Uuid;

use super::{Job, JobDataset};

/// The changes of a batch.
#[derive(Default)]
pub(super) struct Changes {
    jobs: Rows<Job>,
    datasets: Rows<JobDataset>,
}

impl Fold for Changes {
    fn want(&mut self, entry: &Entry) -> Result<(), FoldError> {
        if let Some(job) = subject(entry)? {
            self.jobs.want((job,));
        }
        Ok(())
    }

    fn fold(&mut self, entry: &Entry) -> Result<(), FoldError> {
        if entry.kind == "job-submitted" {
            return self.open(entry);
        }
        let Some(id) = subject(entry)? else {
            return Ok(());
        };
        self.jobs.change(&(id,), entry, |job| {
            job.latest = entry.index;
            job.latest_at = entry.at;
            if let Stream::Job(_) = entry.stream {
                step(job, entry)
            } else {
                match entry.kind.as_str() {
                    "changes-answered" => job.answered = true,
                    "cancellation-requested" => job.cancellation = true,
                    _ => job.received = true,
                }
                Ok(())
            }
        })
    }

    fn tables(&mut self) -> Vec<&mut dyn AnyRows> {
        vec![&mut self.jobs, &mut self.datasets]
    }
}

/// The job that an entry changes; `job-submitted` changes none, it makes some.
fn subject(entry: &Entry) -> Result<Option<Uuid>, FoldError> {
    match (&entry.stream, entry.kind.as_str()) {
        (Stream::Job(job), _) => Ok(Some(*job)),
        (Stream::Submission(_), "changes-answered" | "cancellation-requested" | "results-received") => {
            entry.id("job").map(Some)
        }
        _ => Ok(None),
    }
}

/// A job that a submission makes: its TRE, its id, its datasets.
type Opened<'a> = (&'a str, Uuid, Vec<Uuid>);

/// The jobs of `job-submitted`, in the order of the TREs' ids.
pub(crate) fn opened(entry: &Entry) -> Result<Vec<Opened<'_>>, FoldError> {
    let jobs = entry.field("jobs")?.as_object().ok_or_else(|| entry.no("jobs"))?;
    let id = |value: &Value| value.as_str().and_then(|text| random_id(text).ok());
    jobs.iter()
        .map(|(tre, job)| {
            let datasets = job.get("datasets").and_then(Value::as_array);
            let datasets: Option<Vec<Uuid>> = datasets.and_then(|list| list.iter().map(id).collect());
            let job = job.get("job").and_then(id);
            job.zip(datasets)
                .map(|(job, datasets)| (tre.as_str(), job, datasets))
                .ok_or_else(|| entry.no("jobs"))
        })
        .collect()
}

impl Changes {
    fn open(&mut self, entry: &Entry) -> Result<(), FoldError> {
        let (Stream::Submission(submission), Actor::Member { project, member }) =
            (&entry.stream, &entry.author)
        else {
            return Err(entry.no("iss"));
        };
        for (tre, id, datasets) in opened(entry)? {
            for dataset in &datasets {
                self.datasets.put(JobDataset {
                    dataset: *dataset,
                    submitted: entry.index,
                    job: id,
                });
            }
            self.jobs.put(Job {
                id,
                submitted: entry.index,
                at: entry.at,
                submission: *submission,
                cause: entry.leaf.clone(),
                project: *project,
                member: *member,
                tre: tre.to_owned(),
                workflow: entry.id("workflow")?,
                packet: entry.id("packet")?,
                datasets,
                state: "submitted".to_owned(),
                resume: None,
                held: None,
                attempts: None,
                failure: None,
                output_set: None,
                extent: None,
                began: None,
                tags: Vec::new(),
                answered: false,
                cancellation: false,
                received: false,
                expired: false,
                results: None,
                recalled: None,
                waiting: true,
                ending: None,
                latest: entry.index,
                latest_at: entry.at,
            });
        }
        Ok(())
    }
}

/// An event of the job's own stream.
fn step(job: &mut Job, entry: &Entry) -> Result<(), FoldError> {
    let unknown = || FoldError::Unknown {
        index: entry.index,
        kind: entry.kind.clone(),
        version: entry.version,
    };
    let rule = Table::v1().rule(&entry.kind).ok_or_else(unknown)?;
    let was = job.state.clone();
    let next = match &rule.to {
        Target::State(state) => state.clone(),
        Target::Same => was.clone(),
        Target::Resume => job.resume.clone().ok_or_else(|| entry.missing("jobs"))?,
        Target::By(map) => map.get(&was).cloned().ok_or_else(|| entry.missing("jobs"))?,
    };
    match entry.kind.as_str() {
        "run-started" => job.attempts = Some(entry.integer("attempt")?),
        "run-failed" => job.failure = entry.maybe_text("code"),
        "outputs-assessed" => {
            job.output_set = Some(entry.integer("set")?);
            undecided(job);
        }
        "changes-requested" => job.answered = false,
        "disclosure-approved" => {
            job.extent = entry.maybe_text("extent");
            job.tags = entry.texts("tags");
        }
        "outputs-rechecked" => job.tags.extend(entry.maybe_text("tag")),
        "job-released" | "packet-offered" => job.results = Some(entry.id("packet")?),
        "job-held" => {
            job.resume = Some(was);
            job.held = entry.maybe_text("code");
        }
        "job-resumed" => (job.resume, job.held) = (None, None),
        "job-cancelled" => job.began = Some(entry.truth("began")?),
        "results-expired" => job.expired = true,
        "decision-overturned" => {
            undecided(job);
            (job.results, job.expired) = (None, false);
        }
        "release-recalled" => job.recalled = entry.maybe_text("reason"),
        _ => {}
    }
    job.waiting = next == "submitted";
    job.ending = Table::v1().is_end("job", &next).then(|| next.clone());
    job.state = next;
    Ok(())
}

/// What was decided about outputs no longer holds.
fn undecided(job: &mut Job) {
    job.extent = None;
    job.tags.clear();
}
