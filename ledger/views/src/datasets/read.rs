//! Queries of datasets.

use uuid::Uuid;

use super::{Dataset, NAME, VERSION};
use crate::ViewError;
use crate::read::{Found, Listed, NewestKey, Page, Query, Views};

/// Which datasets are wanted. What is `None` does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DatasetFilter {
    /// Only of this TRE.
    pub tre: Option<String>,
    /// Only in this state: registered or withdrawn.
    pub state: Option<String>,
}

impl Dataset {
    /// Its place in a list.
    pub fn place(&self) -> NewestKey {
        NewestKey {
            index: self.registered,
            id: self.id,
        }
    }
}

impl Views {
    /// Datasets, the last registered first.
    pub async fn datasets(
        &self,
        filter: &DatasetFilter,
        page: &Page<NewestKey>,
    ) -> Result<Listed<Dataset>, ViewError> {
        let query = Query::new((NAME, VERSION), &["registered", "id"], true)
            .only("tre = $", filter.tre.clone())
            .only("state = $", filter.state.clone())
            .after(page.after.map(NewestKey::params));
        self.list(query, page.limit, page.at_least).await
    }

    /// A dataset as the view knows it.
    pub async fn dataset(&self, id: Uuid, at_least: Option<u64>) -> Result<Found<Dataset>, ViewError> {
        let query = Query::new((NAME, VERSION), &["id"], false).only("id = $", Some(id));
        self.find(query, at_least).await
    }
}
