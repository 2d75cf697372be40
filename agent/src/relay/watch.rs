//! What the teams want of open jobs: that they stop, or the answer to a question.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use daybook_core::event::Event;
use daybook_core::id::Stream;
use daybook_core::sealed::Opening;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tracing::info;
use uuid::Uuid;

use super::Relay;
use crate::client::Entry;
use crate::link::wire::{Answer, Cancellation};

/// The index up to which each submission was read.
type Read = BTreeMap<Uuid, u64>;

pub(super) async fn run(relay: Arc<Relay>, stop: CancellationToken) {
    let mut read = Read::new();
    loop {
        let period = relay.config.watch.0;
        let look = async {
            tokio::time::sleep(period).await;
            relay.look(&mut read).await
        };
        match stop.run_until_cancelled(look).await {
            None => return,
            // That the hub is away is said by whoever polls it.
            Some(outcome) => drop(outcome),
        }
    }
}

impl Relay {
    async fn look(&self, read: &mut Read) -> Result<()> {
        self.desk.advance().await?;
        let open: Vec<Uuid> = self.desk.jobs();
        read.retain(|job, _| open.contains(job));
        for job in open {
            if self.desk.view(job).is_ok_and(|view| !view.is_ended)
                && let Err(error) = self.look_at(job, read).await
            {
                self.health.say(&job.to_string(), format!("{error:#}"));
            }
        }
        Ok(())
    }

    async fn look_at(&self, job: Uuid, read: &mut Read) -> Result<()> {
        let submission = self.desk.submission(job)?;
        let from = self.desk.collected(job)?.index;
        let after = *read.get(&job).unwrap_or(&from);
        let entries = self
            .client
            .entries(&submission.claims().sub.to_string(), Some(after))
            .await?;
        for entry in entries {
            self.hear(job, &submission, &entry).await?;
            read.insert(job, entry.index);
        }
        Ok(())
    }

    /// One event of a team about a submission: it counts if a member's key has signed it and it is about this job.
    async fn hear(&self, job: Uuid, submission: &Event, entry: &Entry) -> Result<()> {
        let event = Event::parse(&entry.event)?;
        let claims = event.claims();
        if claims.data.get("job").and_then(Value::as_str) != Some(job.to_string().as_str()) {
            return Ok(());
        }
        ensure!(
            claims.sub == submission.claims().sub,
            "the hub shows an event of another submission"
        );
        let project = claims.iss.home();
        ensure!(
            matches!(project, Stream::Project(_)),
            "an event about the job is by nobody of the team"
        );
        {
            let mut standing = self.desk.standing().lock().await;
            standing.refresh(std::slice::from_ref(&project)).await?;
            let key = standing.event_key(&claims.iss, event.kid());
            let key = key.context("an event about the job is signed by a key that is no member's now")?;
            event.verify(&key)?;
        }
        let text = self.opened(entry.index, &event, "text").await?;
        let text = text.and_then(|value| value.as_str().map(str::to_owned));
        let leaf = event.leaf().to_base64url();
        match claims.kind.as_str() {
            "cancellation-requested" => {
                info!(%job, "The team asks for the job to stop");
                let cause = Some(leaf);
                self.desk.note(job, |notes| {
                    notes.cancellation = Some(Cancellation { cause, text });
                    Ok(())
                })?;
            }
            "changes-answered" => {
                let cause = claims
                    .data
                    .get("cause")
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned();
                self.desk.note(job, |notes| {
                    notes.answer = Some(Answer { leaf, cause, text });
                    Ok(())
                })?;
            }
            _ => {}
        }
        Ok(())
    }

    /// The value of a sealed field that the TRE may read.
    pub(super) async fn opened(&self, index: u64, event: &Event, name: &str) -> Result<Option<Value>> {
        let openings = self.openings(index, event).await?;
        let found = openings.iter().find(|opening| opening.name() == name);
        Ok(found.map(|opening| opening.value().clone()))
    }

    /// The openings of an event that the hub shows to the TRE, if they are the event's own.
    pub(super) async fn openings(&self, index: u64, event: &Event) -> Result<Vec<Opening>> {
        let identity = self.desk.identity();
        let answer = self
            .client
            .openings(Some((&identity.keys, identity.origin())), index)
            .await?;
        let texts = answer
            .get("openings")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        let mut openings = Vec::new();
        for text in texts.iter().filter_map(|one| one.get("opening")?.as_str()) {
            let opening = Opening::parse(text)?;
            let digest = opening.digest().to_base64url();
            ensure!(
                event.claims().digests().any(|known| known == digest),
                "the hub shows an opening of entry {index} that the entry does not seal"
            );
            openings.push(opening);
        }
        Ok(openings)
    }
}
