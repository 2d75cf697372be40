//! Asking the hub for work.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use daybook_core::Hash;
use daybook_core::event::Event;
use daybook_core::id::random_id;
use serde::Deserialize;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tracing::info;
use uuid::Uuid;

use super::patience::Patience;
use super::{Collected, DeskError, Relay};
use crate::random;

/// Seconds that the hub may let the question wait.
const WAIT: u64 = 25;
/// The first and the longest pause after a failure.
const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_mins(1);
/// How long the queue is left alone while everything is held.
const HELD: Duration = Duration::from_secs(2);

#[derive(Debug, Deserialize)]
struct Queue {
    tree_size: u64,
    jobs: Vec<Waiting>,
    next: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Waiting {
    id: String,
    cause: Option<String>,
}

pub(super) async fn run(relay: Arc<Relay>, stop: CancellationToken) {
    let mut patience = Patience::new(FIRST, LONGEST);
    let mut after = None;
    loop {
        let pause = match stop.run_until_cancelled(relay.poll(after)).await {
            None => return,
            Some(Ok(size)) => {
                patience.reset();
                after = size;
                if size.is_some() { Duration::ZERO } else { HELD }
            }
            Some(Err(error)) => {
                relay.failed(&error);
                // Whoever was away asks at once what there is, and waits only then.
                after = None;
                patience.pause()
            }
        };
        if stop
            .run_until_cancelled(tokio::time::sleep(pause))
            .await
            .is_none()
        {
            return;
        }
    }
}

impl Relay {
    /// Asks once, and begins what waits; answers with the log's size, or nothing where nothing is begun now.
    async fn poll(&self, after: Option<u64>) -> Result<Option<u64>> {
        if self.desk.hold().is_some() {
            return Ok(None);
        }
        let tre = &self.config.tre;
        let since = after.map_or_else(String::new, |after| format!("&after={after}&wait={WAIT}"));
        let mut queue: Queue = self
            .client
            .get(&format!("/v1/tres/{tre}/queue?limit=200{since}"))
            .await?;
        let size = queue.tree_size;
        self.desk.advance().await?;
        self.health.clear("hub");
        loop {
            for waiting in &queue.jobs {
                let job = random_id(&waiting.id)?;
                if self.desk.view(job).is_err() && !self.was_here(job) {
                    self.begin(job, waiting)
                        .await
                        .with_context(|| format!("job {job}"))?;
                }
            }
            let Some(cursor) = queue.next else { break };
            queue = self
                .client
                .get(&format!("/v1/tres/{tre}/queue?limit=200&cursor={cursor}"))
                .await?;
        }
        Ok(Some(size))
    }

    /// Whether the job has been through here to its end.
    fn was_here(&self, job: Uuid) -> bool {
        self.desk.file("ended").join(job.to_string()).exists()
    }

    /// Begins a job, if the submission that the queue names is what the log holds under its hash and names this job for this TRE.
    async fn begin(&self, job: Uuid, waiting: &Waiting) -> Result<()> {
        let cause = waiting.cause.as_deref().and_then(Hash::from_base64url);
        let cause = cause.context("the queue names no submission")?;
        let entry = self
            .client
            .entry_of(&cause)
            .await?
            .context("the hub has no such submission")?;
        let event = Event::parse(&entry.event)?;
        ensure!(
            *event.leaf() == cause,
            "the hub shows another submission than its queue names"
        );
        let named = event
            .claims()
            .data
            .get("jobs")
            .and_then(|jobs| jobs.get(self.config.tre.as_str())?.get("job"));
        ensure!(
            named.and_then(Value::as_str) == Some(waiting.id.as_str()),
            "the submission does not name the job for this TRE"
        );
        let collected = Collected {
            job,
            entry: entry.event,
            index: entry.index,
            found: random::now(),
        };
        self.desk.begin(&collected)?;
        info!(%job, "A job waits: it is taken up");
        Ok(())
    }

    /// Says what failed, where it is of interest.
    pub(super) fn failed(&self, error: &anyhow::Error) {
        if let Some(error) = error.downcast_ref::<DeskError>()
            && error.is_full()
        {
            let text = format!("{error}. No new work is taken until then; nothing is lost.");
            self.health.say("disk", text);
            return;
        }
        self.health.say("hub", format!("{error:#}"));
    }
}
