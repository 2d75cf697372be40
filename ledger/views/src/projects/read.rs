//! Queries of projects.

use uuid::Uuid;

use super::{NAME, Project, VERSION};
use crate::ViewError;
use crate::read::{Found, Listed, NewestKey, Page, Query, Views};

/// Which projects are wanted. What is `None` does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProjectFilter {
    /// Only in this state: open or closed.
    pub state: Option<String>,
    /// Only with a register entry in this state: published, held, deferred or withdrawn.
    pub register: Option<String>,
    /// Only with a register entry, in whichever state.
    pub has_register: bool,
}

impl Project {
    /// Its place in a list.
    pub fn place(&self) -> NewestKey {
        NewestKey {
            index: self.registered,
            id: self.id,
        }
    }
}

impl Views {
    /// Projects, the last registered first.
    pub async fn projects(
        &self,
        filter: &ProjectFilter,
        page: &Page<NewestKey>,
    ) -> Result<Listed<Project>, ViewError> {
        let query = Query::new((NAME, VERSION), &["registered", "id"], true)
            .only("state = $", filter.state.clone())
            .only("register = $", filter.register.clone())
            .after(page.after.map(NewestKey::params));
        let query = if filter.has_register && filter.register.is_none() {
            query.always("register IS NOT NULL")
        } else {
            query
        };
        self.list(query, page.limit, page.at_least).await
    }

    /// A project as the view knows it.
    pub async fn project(&self, id: Uuid, at_least: Option<u64>) -> Result<Found<Project>, ViewError> {
        let query = Query::new((NAME, VERSION), &["id"], false).only("id = $", Some(id));
        self.find(query, at_least).await
    }
}
