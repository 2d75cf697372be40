//! What the log says of one job, believed only as far as it can be checked.
//!
//! [`job_history`] fetches the job's stream, its submission's, and the streams in which the keys of their authors were
//! registered: the federation's, the TRE's and the project's. Each entry must be the next of its stream, signed by a key
//! that was its author's at that index, and stand in the tree of one checkpoint that the log's key signed. Only then is it
//! read. That nothing is missing at the end of a stream cannot be seen from here.

mod replay;

use std::collections::BTreeMap;
use std::time::Duration;

use daybook_core::event::{Event, FormError};
use daybook_core::id::{Actor, Organisation, Slug, Stream};
use serde_json::Value;
use thiserror::Error;
use uuid::Uuid;

use self::replay::Replay;
use crate::client::{Client, ClientError, Entry, Follower};

/// How often the hub is asked for a checkpoint that covers what it has appended.
const ATTEMPTS: u32 = 20;
/// The pause between two of these.
const PAUSE: Duration = Duration::from_millis(250);

/// The log says something that does not hold, or cannot be asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// The hub.
    #[error("the log could not be read")]
    Client(#[from] ClientError),
    /// The log's own checkpoints or tiles.
    #[error("the log's checkpoint could not be verified")]
    Checkpoint(#[source] anyhow::Error),
    /// Something is not covered by a checkpoint yet.
    #[error("entry {0} is not published yet; ask again in a few seconds")]
    NotPublished(u64),
    /// An entry that is no event.
    #[error("entry {index} is no event; keep it, it shows that the log is not what it should be")]
    Form {
        /// Its index.
        index: u64,
        /// What is wrong.
        #[source]
        source: FormError,
    },
    /// An entry that its author could not have signed there.
    #[error("entry {index} does not follow from the log's own keys; keep it and tell an auditor")]
    Breach {
        /// Its index.
        index: u64,
        /// The article that is broken.
        #[source]
        source: daybook_core::constitution::Breach,
    },
    /// A signature that does not hold.
    #[error("the signature of entry {index} does not hold; keep it and tell an auditor")]
    Signature {
        /// Its index.
        index: u64,
        /// What is wrong.
        #[source]
        source: daybook_core::key::KeyError,
    },
    /// An entry that is not in the published tree.
    #[error("entry {index} is not in the tree that the log published; keep both and tell an auditor")]
    NotInTree {
        /// Its index.
        index: u64,
        /// What is wrong.
        #[source]
        source: daybook_core::tree::ProofError,
    },
    /// An entry in another stream than it was asked for in.
    #[error(
        "the hub answered with an entry of another stream than {0}; try again, and tell the operator if it stays so"
    )]
    OtherStream(Stream),
    /// The job's events do not fit its submission.
    #[error("the job's events do not belong to a submission that names it: {0}")]
    NotTheJob(&'static str),
}

/// One entry that was verified.
#[derive(Debug, Clone, PartialEq)]
pub struct Verified {
    /// Its index in the log.
    pub index: u64,
    /// The event.
    pub event: Event,
}

/// A job's events and its submission's, all verified.
#[derive(Debug, Clone)]
pub struct JobHistory {
    /// The TRE.
    pub tre: Slug,
    /// The submission.
    pub submission: Uuid,
    /// The events of the job, in order; at least one.
    pub job: Vec<Verified>,
    /// The events of its submission, in order.
    pub sent: Vec<Verified>,
    /// How many entries were verified for this, those about keys included.
    pub verified: usize,
    /// The size of the tree in which they all stand.
    pub tree_size: u64,
}

/// Fetches and verifies what the log says of a job that a TRE has taken up. `progress` hears how many entries of how many
/// are verified.
///
/// # Errors
/// [`HistoryError`]; nothing that was fetched is then to be believed.
pub async fn job_history(
    client: &Client,
    follower: &mut Follower,
    job: Uuid,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<JobHistory, HistoryError> {
    let mut all = BTreeMap::new();
    let stream = Stream::Job(job);
    let of_job = fetch(client, &stream, &mut all).await?;
    let (first, tre) =
        first_of(&of_job, &all).ok_or(HistoryError::NotTheJob("no TRE has said anything of it yet"))?;
    let submission = first.claims().data.get("submission").and_then(Value::as_str);
    let submission = submission.and_then(|text| Uuid::try_parse(text).ok());
    let submission = submission.ok_or(HistoryError::NotTheJob("its first event names no submission"))?;
    let sent = fetch(client, &Stream::Submission(submission), &mut all).await?;
    let project = sent
        .first()
        .and_then(|index| all.get(index))
        .and_then(|event| match event.claims().iss {
            Actor::Member { project, .. } => Some(project),
            _ => None,
        });
    let project = project.ok_or(HistoryError::NotTheJob("no member of a project has submitted it"))?;
    for stream in [
        Stream::Federation,
        Stream::Tre(tre.clone()),
        Stream::Project(project),
    ] {
        fetch(client, &stream, &mut all).await?;
    }
    let tree_size = cover(follower, all.keys().next_back().copied().unwrap_or_default()).await?;
    let mut replay = Replay::new(client, follower)?;
    let total = all.len() as u64;
    for (done, (index, event)) in all.iter().enumerate() {
        replay.verify(*index, event).await?;
        progress(done as u64 + 1, total);
    }
    let take = |indexes: Vec<u64>| {
        let entry = |index: u64| {
            Some(Verified {
                index,
                event: all.get(&index)?.clone(),
            })
        };
        indexes.into_iter().filter_map(entry).collect::<Vec<_>>()
    };
    let history = JobHistory {
        submission,
        job: take(of_job),
        sent: take(sent),
        verified: all.len(),
        tree_size,
        tre,
    };
    history.check(job)?;
    Ok(history)
}

fn first_of<'a>(of_job: &[u64], all: &'a BTreeMap<u64, Event>) -> Option<(&'a Event, Slug)> {
    let event = all.get(of_job.first()?)?;
    match event.claims().iss.organisation() {
        Organisation::Tre(tre) => Some((event, tre)),
        _ => None,
    }
}

impl JobHistory {
    /// The submission is the one that made this job at this TRE, and the job began with it.
    fn check(&self, job: Uuid) -> Result<(), HistoryError> {
        let not = HistoryError::NotTheJob;
        let submitted = self.sent.first().map(|entry| entry.event.claims());
        let submitted = submitted.filter(|claims| claims.kind == "job-submitted");
        let submitted = submitted.ok_or(not("its submission does not begin with job-submitted"))?;
        let named = submitted
            .data
            .get("jobs")
            .and_then(|jobs| jobs.get(self.tre.as_str())?.get("job")?.as_str());
        if named != Some(job.to_string().as_str()) {
            return Err(not("its submission names another job at this TRE"));
        }
        let cause = self
            .job
            .first()
            .and_then(|entry| entry.event.claims().data.get("cause"));
        let leaf = self
            .sent
            .first()
            .map(|entry| Value::from(entry.event.leaf().to_base64url()));
        if cause != leaf.as_ref() {
            return Err(not("its first event names another submission as its cause"));
        }
        Ok(())
    }
}

/// All entries of a stream, into `all`; answers with their indexes.
async fn fetch(
    client: &Client,
    stream: &Stream,
    all: &mut BTreeMap<u64, Event>,
) -> Result<Vec<u64>, HistoryError> {
    let mut indexes = Vec::new();
    let mut cursor = String::new();
    loop {
        let page: Page = client
            .get(&format!("/v1/events?stream={stream}&limit=500{cursor}"))
            .await?;
        for entry in page.entries {
            let index = entry.index;
            let event = Event::parse(&entry.event).map_err(|source| HistoryError::Form { index, source })?;
            if event.claims().sub != *stream {
                return Err(HistoryError::OtherStream(stream.clone()));
            }
            indexes.push(index);
            all.insert(index, event);
        }
        match page.next {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(indexes),
        }
    }
}

#[derive(serde::Deserialize)]
struct Page {
    entries: Vec<Entry>,
    next: Option<String>,
}

/// Advances to a checkpoint that covers an index; answers with its size.
async fn cover(follower: &mut Follower, index: u64) -> Result<u64, HistoryError> {
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        let seen = follower.advance().await.map_err(HistoryError::Checkpoint)?;
        if seen.size > index {
            return Ok(seen.size);
        }
    }
    Err(HistoryError::NotPublished(index))
}
