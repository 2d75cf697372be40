//! Queries of what happened.

use uuid::Uuid;

use super::{Activity, NAME, VERSION, sentence};
use crate::ViewError;
use crate::read::{Listed, Page, Param, Query, Views, number};

/// What is wanted. What is `None` does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActivityFilter {
    /// Only about this project.
    pub project: Option<Uuid>,
    /// Only at this TRE.
    pub tre: Option<String>,
}

/// The place of a row in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ActivityKey {
    /// Index of the entry.
    pub index: u64,
    /// Tells the rows of one entry apart.
    pub part: i64,
}

impl Activity {
    /// Its place in a list.
    pub fn place(&self) -> ActivityKey {
        ActivityKey {
            index: self.entry,
            part: self.part,
        }
    }

    /// What happened, as one sentence, the TRE being called by the name given.
    pub fn sentence(&self, tre: &str) -> String {
        sentence(&self.kind, tre).unwrap_or_default()
    }
}

impl Views {
    /// What happened, the last first.
    pub async fn activity(
        &self,
        filter: &ActivityFilter,
        page: &Page<ActivityKey>,
    ) -> Result<Listed<Activity>, ViewError> {
        let after = page
            .after
            .map(|key| -> Vec<Param> { vec![Box::new(number(key.index)), Box::new(key.part)] });
        let query = Query::new((NAME, VERSION), &["entry", "part"], true)
            .only("project = $", filter.project)
            .only("tre = $", filter.tre.clone())
            .after(after);
        self.list(query, page.limit, page.at_least).await
    }
}
