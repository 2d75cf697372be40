//! How entries change workflows.

use daybook_core::id::Stream;
use daybook_store::project::{AnyRows, Entry, Fold, FoldError, Rows};

use super::Workflow;

/// The changes of a batch.
#[derive(Default)]
pub(super) struct Changes {
    workflows: Rows<Workflow>,
}

impl Fold for Changes {
    fn want(&mut self, entry: &Entry) -> Result<(), FoldError> {
        if let Stream::Workflow(id) = entry.stream
            && entry.kind != "workflow-registered"
        {
            self.workflows.want((id,));
        }
        Ok(())
    }

    fn fold(&mut self, entry: &Entry) -> Result<(), FoldError> {
        let Stream::Workflow(id) = entry.stream else {
            return Ok(());
        };
        if entry.kind == "workflow-registered" {
            self.workflows.put(Workflow {
                id,
                registered: entry.index,
                at: entry.at,
                registrar: entry.author.to_string(),
                state: "registered".to_owned(),
                version: entry.leaf.clone(),
                digest: entry.text("digest")?.to_owned(),
                withdrawn: None,
                latest: entry.index,
            });
            return Ok(());
        }
        self.workflows.change(&(id,), entry, |workflow| {
            workflow.latest = entry.index;
            "withdrawn".clone_into(&mut workflow.state);
            workflow.withdrawn = Some(entry.text("reason")?.to_owned());
            Ok(())
        })
    }

    fn tables(&mut self) -> Vec<&mut dyn AnyRows> {
        vec![&mut self.workflows]
    }
}
