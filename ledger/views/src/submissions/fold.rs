//! How entries change submissions.

use daybook_core::id::{Actor, Stream};
use daybook_store::project::{AnyRows, Entry, Fold, FoldError, Rows};

use super::Submission;
use crate::jobs::opened;

/// The changes of a batch.
#[derive(Default)]
pub(super) struct Changes {
    submissions: Rows<Submission>,
}

impl Fold for Changes {
    fn want(&mut self, entry: &Entry) -> Result<(), FoldError> {
        if let Stream::Submission(id) = entry.stream
            && entry.kind != "job-submitted"
        {
            self.submissions.want((id,));
        }
        Ok(())
    }

    fn fold(&mut self, entry: &Entry) -> Result<(), FoldError> {
        let Stream::Submission(id) = entry.stream else {
            return Ok(());
        };
        if entry.kind != "job-submitted" {
            return self.submissions.change(&(id,), entry, |submission| {
                submission.latest = entry.index;
                submission.latest_at = entry.at;
                Ok(())
            });
        }
        let Actor::Member { project, member } = entry.author else {
            return Err(entry.no("iss"));
        };
        let jobs = opened(entry)?;
        self.submissions.put(Submission {
            id,
            submitted: entry.index,
            at: entry.at,
            project,
            member,
            workflow: entry.id("workflow")?,
            packet: entry.id("packet")?,
            replaces: entry.maybe_id("replaces")?,
            tres: jobs.iter().map(|(tre, ..)| (*tre).to_owned()).collect(),
            jobs: jobs.iter().map(|(_, job, _)| *job).collect(),
            latest: entry.index,
            latest_at: entry.at,
        });
        Ok(())
    }

    fn tables(&mut self) -> Vec<&mut dyn AnyRows> {
        vec![&mut self.submissions]
    }
}
