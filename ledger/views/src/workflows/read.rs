//! Queries of workflows.

use uuid::Uuid;

use super::{NAME, VERSION, Workflow};
use crate::ViewError;
use crate::read::{Found, Listed, NewestKey, Page, Query, Views};

/// Which workflows are wanted. What is `None` does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkflowFilter {
    /// Only in this state: registered or withdrawn.
    pub state: Option<String>,
}

impl Workflow {
    /// Its place in a list.
    pub fn place(&self) -> NewestKey {
        NewestKey {
            index: self.registered,
            id: self.id,
        }
    }
}

impl Views {
    /// Workflows, the last registered first.
    pub async fn workflows(
        &self,
        filter: &WorkflowFilter,
        page: &Page<NewestKey>,
    ) -> Result<Listed<Workflow>, ViewError> {
        let query = Query::new((NAME, VERSION), &["registered", "id"], true)
            .only("state = $", filter.state.clone())
            .after(page.after.map(NewestKey::params));
        self.list(query, page.limit, page.at_least).await
    }

    /// A workflow as the view knows it.
    pub async fn workflow(&self, id: Uuid, at_least: Option<u64>) -> Result<Found<Workflow>, ViewError> {
        let query = Query::new((NAME, VERSION), &["id"], false).only("id = $", Some(id));
        self.find(query, at_least).await
    }
}
