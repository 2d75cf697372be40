//! Queries of keys.

use super::{Key, NAME, VERSION};
use crate::ViewError;
use crate::read::{Found, Listed, Page, Param, Query, Views, number};

/// Which keys are wanted. What is `None` does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyFilter {
    /// Only of this actor.
    pub actor: Option<String>,
    /// Only those that have ended, or only those that have not.
    pub is_ended: Option<bool>,
}

/// The place of a key in a list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyKey {
    /// Index of the entry that registered it.
    pub index: u64,
    /// Its thumbprint, base64url.
    pub kid: String,
}

impl Key {
    /// Its place in a list.
    pub fn place(&self) -> KeyKey {
        KeyKey {
            index: self.registered,
            kid: self.kid.clone(),
        }
    }
}

impl Views {
    /// Keys, in the order in which they were registered.
    pub async fn keys(&self, filter: &KeyFilter, page: &Page<KeyKey>) -> Result<Listed<Key>, ViewError> {
        let after = page
            .after
            .clone()
            .map(|key| -> Vec<Param> { vec![Box::new(number(key.index)), Box::new(key.kid)] });
        let query = Query::new((NAME, VERSION), &["registered", "kid"], false)
            .only("actor = $", filter.actor.clone())
            .only("(ended IS NOT NULL) = $", filter.is_ended)
            .after(after);
        self.list(query, page.limit, page.at_least).await
    }

    /// A key by its thumbprint in base64url.
    pub async fn key(&self, kid: &str, at_least: Option<u64>) -> Result<Found<Key>, ViewError> {
        let query = Query::new((NAME, VERSION), &["kid"], false).only("kid = $", Some(kid.to_owned()));
        self.find(query, at_least).await
    }
}
