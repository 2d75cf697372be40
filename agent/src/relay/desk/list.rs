//! Views of jobs, for the link and for the relay's own steps.

use std::sync::atomic::Ordering;

use daybook_core::event::Event;
use daybook_core::id::Stream;
use daybook_rules::Table;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::job::Job;
use super::{Desk, DeskError, Inner};
use crate::link::wire::{EventRef, JobList, JobView};
use crate::outbox::Outbox;

/// The file that holds everything; `daybook relay hold --all` writes it, whoever runs.
pub(crate) const HOLD: &str = "hold.json";

/// Why the TRE holds everything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hold {
    /// A code of the rule table's list `hold`.
    pub code: String,
    /// Since when, in seconds since 1970.
    pub since: i64,
}

impl Desk {
    /// Every open job, those found first first.
    pub fn list(&self) -> JobList {
        let version = *self.version.borrow();
        let hold = self.hold().map(|hold| hold.code);
        let inner = self.lock();
        let mut jobs: Vec<&Job> = inner
            .jobs
            .values()
            .filter(|job| job.notes.settled.is_none())
            .collect();
        jobs.sort_by_key(|job| (job.collected.found, job.collected.job));
        let jobs = jobs.into_iter().map(|job| view(job, &inner.outbox)).collect();
        JobList {
            version,
            is_shadow: self.identity.is_shadow,
            hold,
            jobs,
        }
    }

    /// Every job that is not archived yet, the ended ones too.
    pub fn jobs(&self) -> Vec<Uuid> {
        self.lock().jobs.keys().copied().collect()
    }

    /// One job.
    pub fn view(&self, job: Uuid) -> Result<JobView, DeskError> {
        let inner = self.lock();
        let Inner { outbox, jobs } = &*inner;
        jobs.get(&job)
            .map(|job| view(job, outbox))
            .ok_or(DeskError::NoJob(job))
    }

    /// The time that the last event of a kind states, in seconds since 1970.
    pub fn time_of(&self, job: Uuid, kind: &str) -> Option<i64> {
        let inner = self.lock();
        let events = inner.outbox.events(&Stream::Job(job)).iter().rev();
        let mut said = events
            .map(|item| item.event.claims())
            .filter(|claims| claims.kind == kind);
        said.next().map(|claims| claims.iat)
    }

    /// The `job-submitted` that asked for a job.
    pub fn submission(&self, job: Uuid) -> Result<Event, DeskError> {
        let inner = self.lock();
        let job = inner.jobs.get(&job).ok_or(DeskError::NoJob(job))?;
        let event = Event::parse(&job.collected.entry);
        event.map_err(|error| DeskError::NotHere(format!("the submission is no event: {error}")))
    }

    /// Tells whoever waits for a change if a hold has come or gone.
    pub(crate) fn look_at_hold(&self) {
        let is_held = self.hold().is_some();
        if self.held.swap(is_held, Ordering::Relaxed) != is_held {
            self.changed();
        }
    }

    /// Why everything is held, if it is.
    pub fn hold(&self) -> Option<Hold> {
        let bytes = std::fs::read(self.file(HOLD)).ok()?;
        // A hold that cannot be read is a hold: whoever wrote it wanted one.
        let unreadable = || Hold {
            code: "incident".to_owned(),
            since: 0,
        };
        Some(serde_json::from_slice(&bytes).unwrap_or_else(|_| unreadable()))
    }
}

fn view(job: &Job, outbox: &Outbox) -> JobView {
    let notes = job.notes.clone();
    let events = outbox.events(&Stream::Job(job.collected.job)).iter().map(|item| {
        let claims = item.event.claims();
        EventRef {
            seq: claims.seq,
            kind: claims.kind.clone(),
            leaf: item.event.leaf().to_base64url(),
            is_proved: item.is_proved,
        }
    });
    JobView {
        id: job.collected.job,
        state: job.word().to_owned(),
        facts: job.state.clone(),
        events: events.collect(),
        packet: notes.packet,
        workflow: notes.workflow,
        images: notes.images,
        cancellation: notes.cancellation,
        answer: notes.answer,
        lease: notes.lease,
        missing: notes.outputs.as_ref().map(|outputs| job.missing(outputs)),
        waits_for: notes.waits_for,
        is_ended: Table::v1().is_end("job", job.word()),
    }
}
