//! Queries of submissions.

use uuid::Uuid;

use super::{NAME, Submission, VERSION};
use crate::ViewError;
use crate::read::{Found, Listed, NewestKey, Page, Query, Views};

/// Which submissions are wanted. What is `None` does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubmissionFilter {
    /// Only of this project.
    pub project: Option<Uuid>,
    /// Only by this membership.
    pub member: Option<Uuid>,
    /// Only with this workflow.
    pub workflow: Option<Uuid>,
}

impl Submission {
    /// Its place in a list.
    pub fn place(&self) -> NewestKey {
        NewestKey {
            index: self.submitted,
            id: self.id,
        }
    }
}

impl Views {
    /// Submissions, the last first.
    pub async fn submissions(
        &self,
        filter: &SubmissionFilter,
        page: &Page<NewestKey>,
    ) -> Result<Listed<Submission>, ViewError> {
        let query = Query::new((NAME, VERSION), &["submitted", "id"], true)
            .only("project = $", filter.project)
            .only("member = $", filter.member)
            .only("workflow = $", filter.workflow)
            .after(page.after.map(NewestKey::params));
        self.list(query, page.limit, page.at_least).await
    }

    /// A submission as the view knows it.
    pub async fn submission(&self, id: Uuid, at_least: Option<u64>) -> Result<Found<Submission>, ViewError> {
        let query = Query::new((NAME, VERSION), &["id"], false).only("id = $", Some(id));
        self.find(query, at_least).await
    }
}
