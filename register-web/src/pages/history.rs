//! A project's record through time: its versions, what each changed, and each as it stood.

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::IntoResponse as _;
use daybook_core::canonical;
use daybook_core::id::random_id;
use daybook_views::Page;
use daybook_views::register::{Edition, Part, RegisterVersion};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::{Shown, posted};
use crate::failure::Failure;
use crate::frame::Frame;
use crate::model::difference::{self, Piece};
use crate::model::names::Names;
use crate::model::project::ProjectText;
use crate::site::Site;
use crate::text::clean;
use crate::visit::Visit;

/// Versions on one page.
const ROWS: u16 = 10;

/// A version and what it changed.
struct VersionRow {
    version: i64,
    at: i64,
    entry: u64,
    /// Entries that it tells of and the one before did not: a key of the catalogue, and a name.
    news: Vec<(String, String)>,
    /// Fields of the project whose text changed.
    changes: Vec<Change>,
    is_first: bool,
    has_lost: bool,
}

/// A field whose text changed.
struct Change {
    field: String,
    pieces: Vec<Piece>,
}

#[derive(Deserialize)]
pub(crate) struct Asked {
    before: Option<i64>,
}

#[derive(Template)]
#[template(path = "history.html")]
struct History {
    page: Frame,
    id: Uuid,
    title: String,
    rows: Vec<VersionRow>,
    next: Option<String>,
}

#[derive(Template)]
#[template(path = "version.html")]
struct VersionPage {
    page: Frame,
    id: Uuid,
    title: String,
    version: RegisterVersion,
    newest: i64,
    parts: Vec<PartText>,
    has_lost: bool,
}

/// An entry on which a version rests, as the page of the version shows it.
struct PartText {
    kind: String,
    entry: u64,
    at: i64,
    fields: Vec<(String, String)>,
}

/// All versions, the last one first.
pub(crate) async fn get(
    State(site): State<Site>,
    visit: Visit,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Shown {
    let id = public_project(&site, &id).await?;
    let page = Page {
        after: asked.before,
        // One more: the first on the next page is what the last here is compared with.
        limit: ROWS + 1,
        at_least: None,
    };
    let found = site.views.register_versions(id, &page).await?;
    let mut editions = Vec::new();
    for version in found.rows {
        editions.push(site.views.edition(version).await?);
    }
    if editions.is_empty() {
        return Err(Failure::NotFound);
    }
    let streams = editions
        .iter()
        .flat_map(|edition| &edition.parts)
        .filter_map(tre_of)
        .map(|tre| format!("tre/{tre}"));
    let names = Names::read(&site.views, streams.collect()).await?;
    let newest = editions.first().map(ProjectText::of).and_then(|text| text.title);
    let title = newest.unwrap_or_else(|| visit.language.say("project.untitled").to_owned());
    let shown = editions.len().min(usize::from(ROWS));
    let rows: Vec<VersionRow> = (0..shown)
        .map(|nth| row(&editions[nth], editions.get(nth + 1), &names))
        .collect();
    let mut frame = Frame::new(
        &site,
        &visit,
        "projects",
        &visit.language.fill("history.title", &[("title", &title)]),
    )
    .true_to(found.as_of)
    .with_feed(format!("/projects/{id}/feed.atom"))
    .with_post("collection", &format!("/projects/{id}"), "text/html")
    .of_page_type("CollectionPage");
    frame.is_indexed = false;
    let next = rows.last().filter(|_| editions.len() > shown);
    let next = next.map(|row| frame.to(format!("/projects/{id}/history?before={}", row.version)));
    let page = History {
        page: frame,
        id,
        title,
        rows,
        next,
    };
    posted(&page, &page.page)
}

/// One version as it stood.
pub(crate) async fn version(
    State(site): State<Site>,
    visit: Visit,
    Path((id, number)): Path<(String, String)>,
) -> Shown {
    let (id, edition) = edition(&site, &id, &number).await?;
    let newest = site
        .views
        .register_version(id, None)
        .await?
        .row
        .map_or(0, |version| version.version);
    let title = ProjectText::of(&edition).title;
    let title = title.unwrap_or_else(|| visit.language.say("project.untitled").to_owned());
    let number = edition.version.version.to_string();
    let heading = visit
        .language
        .fill("history.version-title", &[("title", &title), ("number", &number)]);
    let mut frame = Frame::new(&site, &visit, "projects", &heading)
        .with_data(format!("/projects/{id}/versions/{number}/record.json"))
        .about(
            &format!("/projects/{id}/versions/{number}"),
            &format!("/projects/{id}/versions/{number}/record.json"),
            &format!("/projects/{id}/history"),
        )
        .with_post("latest-version", &format!("/projects/{id}"), "text/html")
        .with_authors(&ProjectText::of(&edition).organisations)
        .of_type("ResearchProject");
    frame.is_indexed = false;
    let page = VersionPage {
        id,
        title,
        newest,
        parts: edition.parts.iter().map(part_text).collect(),
        has_lost: edition.has_lost,
        version: edition.version,
        page: frame,
    };
    posted(&page, &page.page)
}

/// The document whose digest a version carries, in its canonical form: what a reader's own program hashes.
pub(crate) async fn record(State(site): State<Site>, Path((id, number)): Path<(String, String)>) -> Shown {
    let (_, edition) = edition(&site, &id, &number).await?;
    let text = canonical::text(&edition.document());
    Ok(([(header::CONTENT_TYPE, "application/json")], text).into_response())
}

/// The same of the newest version.
pub(crate) async fn newest_record(State(site): State<Site>, Path(id): Path<String>) -> Shown {
    let id = public_project(&site, &id).await?;
    let version = site
        .views
        .register_version(id, None)
        .await?
        .row
        .ok_or(Failure::NotFound)?;
    let edition = site.views.edition(version).await?;
    Ok((
        [(header::CONTENT_TYPE, "application/json")],
        canonical::text(&edition.document()),
    )
        .into_response())
}

async fn edition(site: &Site, id: &str, number: &str) -> Result<(Uuid, Edition), Failure> {
    let id = public_project(site, id).await?;
    let number: i64 = number.parse().map_err(|_| Failure::NotFound)?;
    let version = site
        .views
        .register_version(id, Some(number))
        .await?
        .row
        .ok_or(Failure::NotFound)?;
    Ok((id, site.views.edition(version).await?))
}

/// A project that is on the register: of one that was taken off, nothing of before is shown either.
pub(crate) async fn public_project(site: &Site, id: &str) -> Result<Uuid, Failure> {
    let id = random_id(id).map_err(|_| Failure::NotFound)?;
    let entry = site
        .views
        .register_entry(id, None)
        .await?
        .row
        .ok_or(Failure::NotFound)?;
    let is_public = entry.version.is_some() && entry.state.as_deref() != Some("withdrawn");
    if is_public { Ok(id) } else { Err(Failure::NotFound) }
}

fn row(edition: &Edition, before: Option<&Edition>, names: &Names) -> VersionRow {
    let known: BTreeSet<&str> = before
        .iter()
        .flat_map(|before| &before.parts)
        .map(|part| part.leaf.as_str())
        .collect();
    let news = edition
        .parts
        .iter()
        .filter(|part| !known.contains(part.leaf.as_str()));
    let news = news.map(|part| {
        let tre = tre_of(part).map(|tre| names.tre(tre)).unwrap_or_default();
        (part.kind.clone(), tre)
    });
    VersionRow {
        version: edition.version.version,
        at: edition.version.at,
        entry: edition.version.entry,
        news: news.collect::<BTreeSet<_>>().into_iter().collect(),
        changes: before.map(|before| changes(before, edition)).unwrap_or_default(),
        is_first: edition.version.version == 1,
        has_lost: edition.has_lost,
    }
}

/// The fields of the project whose text is another one now.
fn changes(before: &Edition, after: &Edition) -> Vec<Change> {
    let fields = |edition: &Edition| -> BTreeMap<String, String> {
        let fields = edition
            .details()
            .map(|part| part.fields.clone())
            .unwrap_or_default();
        fields
            .into_iter()
            .map(|(name, value)| (name, text_of(&value)))
            .collect()
    };
    let (old, new) = (fields(before), fields(after));
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let of = |fields: &BTreeMap<String, String>, name: &String| fields.get(name).cloned().unwrap_or_default();
    names
        .into_iter()
        .filter(|name| old.get(*name) != new.get(*name))
        .map(|name| Change {
            field: name.clone(),
            pieces: difference::between(&of(&old, name), &of(&new, name)),
        })
        .collect()
}

fn part_text(part: &Part) -> PartText {
    PartText {
        kind: part.kind.clone(),
        entry: part.entry,
        at: part.at,
        fields: part
            .fields
            .iter()
            .map(|(name, value)| (name.clone(), text_of(value)))
            .collect(),
    }
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => clean(text),
        Value::Array(items) => items
            .iter()
            .filter_map(Value::as_str)
            .map(clean)
            .collect::<Vec<_>>()
            .join("; "),
        other => other.to_string(),
    }
}

fn tre_of(part: &Part) -> Option<&str> {
    let rest = part
        .stream
        .strip_prefix("approval/")
        .or_else(|| part.stream.strip_prefix("tre/"))?;
    rest.split('/').next()
}
