//! Leases, and what else is noted of a job.

use uuid::Uuid;

use super::{Desk, DeskError, Notes};
use crate::link::wire::Lease;

/// How long a lease lasts, in seconds.
const LEASE: i64 = 60;

impl Desk {
    /// Gives a job to a runner for a minute, or for a minute more. One that nobody renews comes back.
    pub fn lease(&self, job: Uuid, holder: Uuid, now: i64) -> Result<Lease, DeskError> {
        let lease = Lease {
            holder,
            until: now.saturating_add(LEASE),
        };
        let taken = lease.clone();
        self.note(job, move |notes| match &notes.lease {
            Some(other) if other.holder != holder && other.until > now => {
                Err(DeskError::Leased(other.until - now))
            }
            _ => {
                notes.lease = Some(taken);
                Ok(())
            }
        })?;
        Ok(lease)
    }

    /// Takes a job back from whoever holds it, if it is that holder.
    pub fn give_back(&self, job: Uuid, holder: Uuid) -> Result<(), DeskError> {
        self.note(job, |notes| {
            notes.lease = notes.lease.take().filter(|lease| lease.holder != holder);
            Ok(())
        })
    }

    /// Changes what is noted of a job: on the disk first, and not at all if `change` says no.
    pub fn note(
        &self,
        job: Uuid,
        change: impl FnOnce(&mut Notes) -> Result<(), DeskError>,
    ) -> Result<(), DeskError> {
        let mut inner = self.lock();
        let job = inner.jobs.get_mut(&job).ok_or(DeskError::NoJob(job))?;
        let mut notes = job.notes.clone();
        change(&mut notes)?;
        // A longer lease is nothing that anybody waits for.
        let is_news = Notes {
            lease: None,
            ..notes.clone()
        } != Notes {
            lease: None,
            ..job.notes.clone()
        };
        job.write_notes(notes)?;
        drop(inner);
        if is_news {
            self.changed();
        }
        Ok(())
    }

    /// What is noted of a job.
    pub fn notes(&self, job: Uuid) -> Result<Notes, DeskError> {
        let inner = self.lock();
        let job = inner.jobs.get(&job).ok_or(DeskError::NoJob(job))?;
        Ok(job.notes.clone())
    }
}
