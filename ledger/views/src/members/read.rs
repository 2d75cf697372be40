//! Queries of memberships.

use uuid::Uuid;

use super::{Member, NAME, VERSION};
use crate::ViewError;
use crate::read::{Listed, Page, Param, Query, Views};

/// Which memberships are wanted. What is `None` does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberFilter {
    /// Only of this project.
    pub project: Option<Uuid>,
    /// Only those that were removed, or only those that were not.
    pub is_removed: Option<bool>,
}

/// The place of a membership in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MemberKey {
    /// The project.
    pub project: Uuid,
    /// The membership.
    pub member: Uuid,
}

impl Member {
    /// Its place in a list.
    pub fn place(&self) -> MemberKey {
        MemberKey {
            project: self.project,
            member: self.member,
        }
    }
}

impl Views {
    /// Memberships, in the order of their ids.
    pub async fn members(
        &self,
        filter: &MemberFilter,
        page: &Page<MemberKey>,
    ) -> Result<Listed<Member>, ViewError> {
        let after = page
            .after
            .map(|key| -> Vec<Param> { vec![Box::new(key.project), Box::new(key.member)] });
        let query = Query::new((NAME, VERSION), &["project", "member"], false)
            .only("project = $", filter.project)
            .only("(removed IS NOT NULL) = $", filter.is_removed)
            .after(after);
        self.list(query, page.limit, page.at_least).await
    }
}
