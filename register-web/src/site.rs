//! What every page shares.

use std::sync::Arc;

use daybook_store::publish::{Published, Released};
use daybook_store::read::Reader;
use daybook_store::witnessed::Witnesses;
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
    /// Who watches the log; nobody does by default.
    pub(crate) watch: Option<Watch>,
}

/// Who watches a log.
#[derive(Clone)]
pub(crate) struct Watch {
    pub(crate) witnesses: Witnesses,
    /// Names, in the policy, of those that are from outside of the federation.
    pub(crate) independent: Arc<[String]>,
    /// Whether no checkpoint is shown before the quorum has cosigned it.
    pub(crate) waits: bool,
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
            watch: None,
        }
    }

    /// The same where witnesses watch the log, of which those of these names are from outside of the federation. Where the
    /// hub `waits`, no checkpoint is shown before the quorum has cosigned it.
    #[must_use]
    pub fn witnessed(mut self, witnesses: Witnesses, independent: Arc<[String]>, waits: bool) -> Self {
        self.watch = Some(Watch {
            witnesses,
            independent,
            waits,
        });
        self
    }

    /// The newest signed checkpoint, with the cosignatures that it has so far.
    pub(crate) fn newest(&self) -> Option<Released> {
        match &self.watch {
            Some(watch) if watch.waits => watch.witnesses.witnessed(),
            Some(watch) => Some(watch.witnesses.decorated(self.published.latest()?)),
            None => self.published.latest(),
        }
    }

    /// The checkpoint that says most of an entry: the newest that enough witnesses have cosigned, if it covers the entry, or
    /// one with any cosignature, or the newest at all.
    pub(crate) fn covering(&self, index: u64) -> Option<Released> {
        let watch = self.watch.as_ref();
        let witnessed = watch.and_then(|watch| watch.witnesses.witnessed());
        let cosigned = watch
            .filter(|watch| !watch.waits)
            .and_then(|watch| watch.witnesses.cosigned());
        let all = [witnessed, cosigned, self.newest()];
        all.into_iter()
            .flatten()
            .find(|released| index < released.head.size)
    }

    /// Changes whenever any view has moved: the sum of the tree sizes that they have reached.
    pub(crate) fn moved(&self) -> u64 {
        self.views.progress().sizes().into_values().sum()
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
