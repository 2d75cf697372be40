//! What TREs, datasets and workflows are called: by their published names, or else by their ids.

use std::collections::BTreeMap;

use daybook_core::id::Stream;
use daybook_views::Views;
use daybook_views::register::Part;
use uuid::Uuid;

use crate::failure::Failure;
use crate::text;

/// Names by stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names(BTreeMap<String, Part>);

impl Names {
    /// Reads the names of what these streams are about.
    pub(crate) async fn read(views: &Views, mut streams: Vec<String>) -> Result<Self, Failure> {
        streams.sort_unstable();
        streams.dedup();
        Ok(Self(views.things(streams).await?))
    }

    /// Of these TREs alone.
    pub(crate) async fn of_tres(
        views: &Views,
        tres: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<Self, Failure> {
        let streams: Vec<String> = tres
            .into_iter()
            .map(|tre| format!("tre/{}", tre.as_ref()))
            .collect();
        Self::read(views, streams).await
    }

    /// What is published about a stream's thing.
    pub(crate) fn part(&self, stream: &str) -> Option<&Part> {
        self.0.get(stream)
    }

    /// A TRE's name.
    pub(crate) fn tre(&self, tre: &str) -> String {
        let name = self
            .0
            .get(&format!("tre/{tre}"))
            .and_then(|part| part.text("name"));
        name.map(text::clean)
            .filter(|name| !name.trim().is_empty())
            .unwrap_or_else(|| tre.to_owned())
    }

    /// A dataset's title, if it is published.
    pub(crate) fn dataset(&self, dataset: Uuid) -> Option<&Part> {
        self.0.get(&Stream::Dataset(dataset).to_string())
    }

    /// What is published about a workflow.
    pub(crate) fn workflow(&self, workflow: Uuid) -> Option<&Part> {
        self.0.get(&Stream::Workflow(workflow).to_string())
    }
}
