//! What a version rests on, and what it shows: gathered from the log as it is now.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use daybook_core::Hash;
use daybook_core::event::Event;
use daybook_core::id::Stream;
use daybook_core::sealed::{self, Opening, ReaderClass};
use daybook_store::read::Reader;
use daybook_views::register::{RegisterEntry, Shown, document};
use daybook_views::{JobFilter, Page, Views};
use serde_json::Value;
use uuid::Uuid;

/// Entries on which a version rests at most, and openings that it publishes at most: as the rules say.
const MOST: usize = 100;
/// Jobs that are looked at for the workflows of a project: the newest.
const JOBS: u16 = 50;
/// Entries of a project that are looked at for the names of its members.
const MEMBERS: u16 = 500;

/// A version before it is signed.
pub(crate) struct Draft {
    /// Leaf hash of the project's version that approvals name.
    pub(crate) cause: String,
    /// The entries, in the order of the log.
    pub(super) parts: Vec<DraftPart>,
    /// Names of people in the submission's own openings, who did not choose to be named.
    pub(super) names: Vec<String>,
}

/// An entry on which the version rests.
pub(super) struct DraftPart {
    index: u64,
    leaf: String,
    kind: String,
    /// Its public fields.
    pub(super) fields: Vec<DraftField>,
}

/// A public field.
pub(super) struct DraftField {
    pub(super) name: String,
    pub(super) value: Value,
    digest: String,
    /// Whether no version has published it yet.
    pub(super) is_new: bool,
}

impl Draft {
    /// Leaf hashes of the entries on which it rests.
    pub(crate) fn leaves(&self) -> Vec<&str> {
        self.parts.iter().map(|part| part.leaf.as_str()).collect()
    }

    /// Digests of the openings that become public with it.
    pub(crate) fn news(&self) -> Vec<&str> {
        let fields = self.parts.iter().flat_map(|part| &part.fields);
        fields
            .filter(|field| field.is_new)
            .map(|field| field.digest.as_str())
            .collect()
    }

    /// What it shows, as the document whose digest it carries.
    pub(crate) fn document(&self, project: Uuid, version: i64) -> Value {
        let shown: Vec<Shown> = self
            .parts
            .iter()
            .map(|part| Shown {
                leaf: part.leaf.clone(),
                kind: part.kind.clone(),
                fields: part
                    .fields
                    .iter()
                    .map(|field| (field.name.clone(), field.value.clone()))
                    .collect(),
            })
            .collect();
        document(project, version, &self.cause, &shown)
    }
}

/// Gathers the next version; `None` where the view does not yet know all that it would rest on.
pub(crate) async fn draft(reader: &Reader, views: &Views, row: &RegisterEntry) -> Result<Option<Draft>> {
    let project = Stream::Project(row.project).to_string();
    let head = reader.stream_head(&project).await?;
    let cause = head.and_then(|head| Some(head.state.get("version")?.as_str()?.to_owned()));
    let Some(cause) = cause else { return Ok(None) };
    let mut parts = Vec::new();
    let (mut tres, mut datasets) = (BTreeSet::new(), BTreeSet::new());
    for leaf in &row.leaves {
        let leaf = Hash::from_base64url(leaf).context("a leaf hash of the view is none")?;
        let Some(index) = reader.index_of_leaf(&leaf).await? else {
            return Ok(None);
        };
        let (part, event) = part(reader, index).await?;
        if let (Stream::Approval(tre, ..), "approval-granted") = (&event.claims().sub, part.kind.as_str()) {
            tres.insert(tre.to_string());
            datasets.extend(ids(event.claims().data.get("datasets")));
        }
        parts.push(part);
    }
    for index in things(views, row.project, &tres, &datasets).await? {
        if parts.len() < MOST {
            parts.push(self::part(reader, index).await?.0);
        }
    }
    parts.sort_by_key(|part| part.index);
    mark_news(views, &mut parts).await?;
    let names = names(reader, &project, &parts).await?;
    Ok(Some(Draft { cause, parts, names }))
}

/// The entries that describe the TREs, the datasets and the workflows, as they are now.
async fn things(
    views: &Views,
    project: Uuid,
    tres: &BTreeSet<String>,
    datasets: &BTreeSet<Uuid>,
) -> Result<Vec<u64>> {
    let mut indexes = Vec::new();
    for tre in tres {
        indexes.extend(views.tre(tre, None).await?.row.and_then(|tre| tre.details));
    }
    for dataset in datasets {
        indexes.extend(
            views
                .dataset(*dataset, None)
                .await?
                .row
                .map(|dataset| dataset.details),
        );
    }
    let filter = JobFilter {
        project: Some(project),
        ..JobFilter::default()
    };
    let page = Page {
        limit: JOBS,
        ..Page::default()
    };
    let jobs = views.jobs(&filter, &page).await?;
    let workflows: BTreeSet<Uuid> = jobs.rows.iter().map(|job| job.workflow).collect();
    for workflow in workflows {
        indexes.extend(
            views
                .workflow(workflow, None)
                .await?
                .row
                .map(|workflow| workflow.registered),
        );
    }
    Ok(indexes)
}

async fn part(reader: &Reader, index: u64) -> Result<(DraftPart, Event)> {
    let entry = reader
        .entry(index)
        .await?
        .with_context(|| format!("entry {index} is not in the log"))?;
    let event = Event::parse(&entry.event)?;
    let openings = reader.openings(index).await?;
    let public = openings
        .iter()
        .filter(|opening| matches!(opening.class, ReaderClass::Public | ReaderClass::PublicFrom));
    let fields: Result<Vec<DraftField>> = public
        .map(|stored| {
            let opening = Opening::parse(&stored.opening)?;
            Ok(DraftField {
                name: opening.name().to_owned(),
                value: opening.value().clone(),
                digest: sealed::digest(&stored.opening).to_base64url(),
                is_new: true,
            })
        })
        .collect();
    let part = DraftPart {
        index,
        leaf: entry.leaf.to_base64url(),
        kind: entry.kind,
        fields: fields?,
    };
    Ok((part, event))
}

/// Tells what is published already, and leaves for the version after this one what is too much for one.
async fn mark_news(views: &Views, parts: &mut [DraftPart]) -> Result<()> {
    let digests = parts
        .iter()
        .flat_map(|part| &part.fields)
        .map(|field| field.digest.clone());
    let known: BTreeSet<String> = views
        .published_openings(digests.collect())
        .await?
        .into_iter()
        .collect();
    let mut left = MOST;
    for part in parts {
        part.fields.retain_mut(|field| {
            field.is_new = !known.contains(&field.digest);
            let fits = !field.is_new || left > 0;
            left -= usize::from(field.is_new && fits);
            fits
        });
    }
    Ok(())
}

/// The names of the project's people, without those who chose to be named.
async fn names(reader: &Reader, project: &str, parts: &[DraftPart]) -> Result<Vec<String>> {
    let mut names = BTreeMap::new();
    let entries = reader
        .entries_of_streams(&[(project.to_owned(), 1)], MEMBERS)
        .await?;
    let about_people = |kind: &str| matches!(kind, "member-added" | "project-registered" | "project-amended");
    for entry in entries.iter().filter(|entry| about_people(&entry.kind)) {
        for stored in reader.openings(entry.index).await? {
            let opening = Opening::parse(&stored.opening)?;
            let field = if entry.kind == "member-added" {
                "name"
            } else {
                "lead"
            };
            if let (true, Some(name)) = (opening.name() == field, opening.value().as_str()) {
                names.insert(name.to_lowercase(), name.to_owned());
            }
        }
    }
    let chosen = parts
        .iter()
        .flat_map(|part| &part.fields)
        .filter(|field| field.name == "applicants");
    for name in chosen
        .filter_map(|field| field.value.as_array())
        .flatten()
        .filter_map(Value::as_str)
    {
        names.remove(&name.to_lowercase());
    }
    Ok(names.into_values().collect())
}

fn ids(list: Option<&Value>) -> Vec<Uuid> {
    let list = list.and_then(Value::as_array).into_iter().flatten();
    list.filter_map(|id| id.as_str().and_then(|id| daybook_core::id::random_id(id).ok()))
        .collect()
}
