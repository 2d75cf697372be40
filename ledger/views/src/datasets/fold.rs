//! How entries change datasets.

use daybook_core::id::Stream;
use daybook_store::project::{AnyRows, Entry, Fold, FoldError, Rows};

use super::Dataset;

/// The changes of a batch.
#[derive(Default)]
pub(super) struct Changes {
    datasets: Rows<Dataset>,
}

impl Fold for Changes {
    fn want(&mut self, entry: &Entry) -> Result<(), FoldError> {
        if let Stream::Dataset(id) = entry.stream
            && entry.kind != "dataset-registered"
        {
            self.datasets.want((id,));
        }
        Ok(())
    }

    fn fold(&mut self, entry: &Entry) -> Result<(), FoldError> {
        let Stream::Dataset(id) = entry.stream else {
            return Ok(());
        };
        if entry.kind == "dataset-registered" {
            self.datasets.put(Dataset {
                id,
                registered: entry.index,
                at: entry.at,
                tre: entry.tre()?.to_string(),
                state: "registered".to_owned(),
                version: entry.leaf.clone(),
                details: entry.index,
                withdrawn: None,
                latest: entry.index,
            });
            return Ok(());
        }
        self.datasets.change(&(id,), entry, |dataset| {
            dataset.latest = entry.index;
            if entry.kind == "dataset-amended" {
                dataset.version.clone_from(&entry.leaf);
                dataset.details = entry.index;
            } else {
                "withdrawn".clone_into(&mut dataset.state);
                dataset.withdrawn = Some(entry.text("reason")?.to_owned());
            }
            Ok(())
        })
    }

    fn tables(&mut self) -> Vec<&mut dyn AnyRows> {
        vec![&mut self.datasets]
    }
}
