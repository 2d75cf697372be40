//! Queries of approvals.

use uuid::Uuid;

use super::{Approval, NAME, VERSION};
use crate::ViewError;
use crate::read::{Listed, Page, Param, Query, Views};

/// Which approvals are wanted. What is `None` does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApprovalFilter {
    /// Only by this TRE.
    pub tre: Option<String>,
    /// Only of this kind: project, workflow or member.
    pub subject: Option<String>,
    /// Only of what has this id.
    pub id: Option<Uuid>,
    /// Only of this project, or of memberships of it.
    pub project: Option<Uuid>,
    /// Only in this state: granted or withdrawn.
    pub state: Option<String>,
}

/// The place of an approval in a list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApprovalKey {
    /// The TRE.
    pub tre: String,
    /// project, workflow or member.
    pub subject: String,
    /// The id of what is approved.
    pub id: Uuid,
}

impl Approval {
    /// Its place in a list.
    pub fn place(&self) -> ApprovalKey {
        ApprovalKey {
            tre: self.tre.clone(),
            subject: self.subject.clone(),
            id: self.id,
        }
    }
}

impl Views {
    /// Approvals, in the order of TRE, kind and id.
    pub async fn approvals(
        &self,
        filter: &ApprovalFilter,
        page: &Page<ApprovalKey>,
    ) -> Result<Listed<Approval>, ViewError> {
        let after = page
            .after
            .clone()
            .map(|key| -> Vec<Param> { vec![Box::new(key.tre), Box::new(key.subject), Box::new(key.id)] });
        let query = Query::new((NAME, VERSION), &["tre", "subject", "id"], false)
            .only("tre = $", filter.tre.clone())
            .only("subject = $", filter.subject.clone())
            .only("id = $", filter.id)
            .only(
                "(project = $ OR (subject = 'project' AND id = $))",
                filter.project,
            )
            .only("state = $", filter.state.clone())
            .after(after);
        self.list(query, page.limit, page.at_least).await
    }
}
