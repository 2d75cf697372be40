//! Queries of TREs.

use super::{NAME, Tre, VERSION};
use crate::ViewError;
use crate::read::{Found, Listed, Page, Param, Query, Views};

impl Views {
    /// TREs, in the order of their ids; the key of a row is its id.
    pub async fn tres(&self, page: &Page<String>) -> Result<Listed<Tre>, ViewError> {
        let after = page.after.clone().map(|id| -> Vec<Param> { vec![Box::new(id)] });
        let query = Query::new((NAME, VERSION), &["id"], false).after(after);
        self.list(query, page.limit, page.at_least).await
    }

    /// A TRE as the view knows it.
    pub async fn tre(&self, id: &str, at_least: Option<u64>) -> Result<Found<Tre>, ViewError> {
        let query = Query::new((NAME, VERSION), &["id"], false).only("id = $", Some(id.to_owned()));
        self.find(query, at_least).await
    }
}
