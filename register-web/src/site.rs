//! What every page shares.

use std::sync::Arc;

use daybook_store::publish::Published;
use daybook_store::read::Reader;
use daybook_views::Views;
use serde::Deserialize;

use crate::kept::Kept;

/// How this register presents itself. The `[register]` table of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The name of the register, as it stands on top of each page.
    pub name: String,
    /// Who runs it.
    pub operator: String,
    /// How to reach who runs it: a mailbox or an https address; no link where it is empty.
    pub contact: String,
    /// The address of the site as the world knows it, without a slash at the end; made from the request where it is empty.
    pub address: String,
    /// The licence of the register's data: an address that says it.
    pub licence: String,
    /// Whether everything in it is made up, which every page then says.
    pub fictional: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            name: "Data use register".to_owned(),
            operator: String::new(),
            contact: String::new(),
            address: String::new(),
            licence: "https://creativecommons.org/licenses/by/4.0/".to_owned(),
            fictional: false,
        }
    }
}

/// The site: what it reads from, and how it presents itself. Cheap to clone.
#[derive(Clone)]
pub struct Site {
    pub(crate) views: Views,
    pub(crate) reader: Reader,
    pub(crate) published: Published,
    pub(crate) origin: Arc<str>,
    pub(crate) log_key: Arc<str>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) kept: Kept,
}

impl Site {
    /// A site over the views of an open log; `log_key` is the verifier key of its checkpoints.
    pub fn new(
        (origin, log_key): (&str, &str),
        views: Views,
        reader: Reader,
        published: Published,
        settings: Settings,
    ) -> Self {
        Self {
            views,
            reader,
            published,
            origin: origin.into(),
            log_key: log_key.into(),
            settings: Arc::new(settings),
            kept: Kept::default(),
        }
    }

    /// The tree size that every view has reached: what an answer from now on is at least as new as.
    pub(crate) fn size(&self) -> u64 {
        self.views
            .progress()
            .sizes()
            .into_values()
            .min()
            .unwrap_or_default()
    }
}
