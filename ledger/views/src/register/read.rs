//! Queries of the register.

use std::collections::BTreeMap;

use serde_json::Value;
use uuid::Uuid;

use super::table::{Opened, RegisterEntry, RegisterVersion, Rested, Searched, Thing};
use super::{Edition, NAME, Part, VERSION};
use crate::ViewError;
use crate::read::{Found, Listed, Page, Param, Query, Views, number};

/// Openings of the entries of one page at most: each of a hundred entries has fewer than twenty.
const MAX_OPENED: usize = 2_000;
/// Entries of one page at most.
const MAX_PARTS: usize = 400;

/// Which register entries are wanted. What is `None` does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegisterFilter {
    /// Only in this state.
    pub state: Option<String>,
}

/// The place of a register entry in the list of those that are due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DueKey(pub u64, pub Uuid);

impl Views {
    /// Where a project's register entry is.
    pub async fn register_entry(
        &self,
        project: Uuid,
        at_least: Option<u64>,
    ) -> Result<Found<RegisterEntry>, ViewError> {
        let query = Query::new((NAME, VERSION), &["project"], false).only("project = $", Some(project));
        self.find(query, at_least).await
    }

    /// Register entries in a state, those of the oldest projects first; the key is the index of the project's own entry.
    pub async fn register_entries(
        &self,
        filter: &RegisterFilter,
        page: &Page<DueKey>,
    ) -> Result<Listed<RegisterEntry>, ViewError> {
        let query = Query::new((NAME, VERSION), &["registered", "project"], false)
            .always("state IS NOT NULL")
            .only("state = $", filter.state.clone())
            .after(page.after.map(due_params));
        self.list(query, page.limit, page.at_least).await
    }

    /// Register entries that do not tell all that they should, those that wait longest first. Which of them may be
    /// published is the editor's to say.
    pub async fn register_due(&self, page: &Page<DueKey>) -> Result<Listed<RegisterEntry>, ViewError> {
        let query = Query::new((NAME, VERSION), &["due", "project"], false)
            .always("due IS NOT NULL")
            .after(page.after.map(due_params));
        self.list(query, page.limit, page.at_least).await
    }

    /// A version of a register entry; the last one where no number is given.
    pub async fn register_version(
        &self,
        project: Uuid,
        version: Option<i64>,
    ) -> Result<Found<RegisterVersion>, ViewError> {
        let query = Query::new((NAME, VERSION), &["version"], true)
            .only("project = $", Some(project))
            .only("version = $", version);
        self.find(query, None).await
    }

    /// The versions of a register entry, the last one first; the key is a version's number.
    pub async fn register_versions(
        &self,
        project: Uuid,
        page: &Page<i64>,
    ) -> Result<Listed<RegisterVersion>, ViewError> {
        let query = Query::new((NAME, VERSION), &["version"], true)
            .only("project = $", Some(project))
            .after(
                page.after
                    .map(|version| -> Vec<Param> { vec![Box::new(version)] }),
            );
        self.list(query, page.limit, page.at_least).await
    }

    /// A version with all that it shows.
    pub async fn edition(&self, version: RegisterVersion) -> Result<Edition, ViewError> {
        let rested = self.rested(&version.rests_on).await?;
        let opened = self.opened_of(&version.rests_on).await?;
        Ok(Edition::of(version, rested, opened))
    }

    async fn rested(&self, leaves: &[String]) -> Result<Vec<Rested>, ViewError> {
        let query =
            Query::new((NAME, VERSION), &["leaf"], false).only("leaf = ANY ($)", Some(leaves.to_vec()));
        Ok(self.read::<Rested>(&query, MAX_PARTS).await?.1)
    }

    async fn opened_of(&self, leaves: &[String]) -> Result<Vec<Opened>, ViewError> {
        let query =
            Query::new((NAME, VERSION), &["digest"], false).only("leaf = ANY ($)", Some(leaves.to_vec()));
        Ok(self.read::<Opened>(&query, MAX_OPENED).await?.1)
    }

    /// What of some projects may be searched for: those that are on the register now, by their ids.
    pub async fn searched(&self, projects: Vec<Uuid>) -> Result<BTreeMap<Uuid, Searched>, ViewError> {
        if projects.is_empty() {
            return Ok(BTreeMap::new());
        }
        let query = Query::new((NAME, VERSION), &["project"], false)
            .only("project = ANY ($)", Some(projects))
            .always("listed");
        let (_, rows) = self.read::<Searched>(&query, MAX_PARTS).await?;
        Ok(rows.into_iter().map(|row| (row.project, row)).collect())
    }

    /// Which of some openings are published, by their digests.
    pub async fn published_openings(&self, digests: Vec<String>) -> Result<Vec<String>, ViewError> {
        let query = Query::new((NAME, VERSION), &["digest"], false)
            .only("digest = ANY ($)", Some(digests))
            .always("value IS NOT NULL");
        let (_, opened) = self.read::<Opened>(&query, MAX_OPENED).await?;
        Ok(opened.into_iter().map(|one| one.digest).collect())
    }

    /// What the register has published about TREs, datasets and workflows, by their streams.
    pub async fn things(&self, streams: Vec<String>) -> Result<BTreeMap<String, Part>, ViewError> {
        if streams.is_empty() {
            return Ok(BTreeMap::new());
        }
        let query = Query::new((NAME, VERSION), &["stream"], false).only("stream = ANY ($)", Some(streams));
        let (_, things) = self.read::<Thing>(&query, MAX_PARTS).await?;
        let leaves: Vec<String> = things.into_iter().map(|thing| thing.leaf).collect();
        let (rested, opened) = (self.rested(&leaves).await?, self.opened_of(&leaves).await?);
        let mut fields: BTreeMap<String, BTreeMap<String, Value>> = BTreeMap::new();
        for one in opened {
            let value = one
                .value
                .as_deref()
                .and_then(|text| serde_json::from_str(text).ok());
            if let Some(value) = value {
                fields.entry(one.leaf).or_default().insert(one.name, value);
            }
        }
        let part = |rest: Rested| {
            let part = Part {
                fields: fields.remove(&rest.leaf).unwrap_or_default(),
                entry: rest.entry,
                kind: rest.kind,
                stream: rest.stream.clone(),
                at: rest.at,
                clear: serde_json::from_str(&rest.clear).unwrap_or_default(),
                leaf: rest.leaf,
            };
            (rest.stream, part)
        };
        Ok(rested.into_iter().map(part).collect())
    }
}

fn due_params(DueKey(index, project): DueKey) -> Vec<Param> {
    vec![Box::new(number(index)), Box::new(project)]
}
