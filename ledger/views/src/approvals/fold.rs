//! How entries change approvals.

use daybook_core::id::Stream;
use daybook_store::project::{AnyRows, Entry, Fold, FoldError, Rows};

use super::Approval;

/// The changes of a batch.
#[derive(Default)]
pub(super) struct Changes {
    approvals: Rows<Approval>,
}

impl Fold for Changes {
    fn want(&mut self, entry: &Entry) -> Result<(), FoldError> {
        if let Stream::Approval(tre, subject, id) = &entry.stream
            && entry.kind != "approval-granted"
        {
            self.approvals
                .want((tre.to_string(), subject.as_str().to_owned(), *id));
        }
        Ok(())
    }

    fn fold(&mut self, entry: &Entry) -> Result<(), FoldError> {
        let Stream::Approval(tre, subject, id) = &entry.stream else {
            return Ok(());
        };
        let (tre, subject) = (tre.to_string(), subject.as_str().to_owned());
        if entry.kind == "approval-granted" {
            self.approvals.put(Approval {
                tre,
                subject,
                id: *id,
                state: "granted".to_owned(),
                granted: entry.index,
                at: entry.at,
                version: entry.leaf.clone(),
                cause: entry.text("cause")?.to_owned(),
                until: entry.integer("until")?,
                body: entry.text("body")?.to_owned(),
                project: entry.maybe_id("project")?,
                datasets: entry.ids("datasets")?,
                sign_off: entry.maybe_text("sign_off"),
                egress: entry.maybe_text("egress"),
                withdrawn: None,
                latest: entry.index,
            });
            return Ok(());
        }
        self.approvals.change(&(tre, subject, *id), entry, |approval| {
            approval.latest = entry.index;
            "withdrawn".clone_into(&mut approval.state);
            approval.withdrawn = Some(entry.text("reason")?.to_owned());
            Ok(())
        })
    }

    fn tables(&mut self) -> Vec<&mut dyn AnyRows> {
        vec![&mut self.approvals]
    }
}
