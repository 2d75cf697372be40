//! The datasets on which analyses may run, each with who decides about it.

use askama::Template;
use axum::extract::{Path, Query, State};
use daybook_core::id::random_id;
use daybook_views::register::{SearchFilter, Sort};
use daybook_views::{Dataset, DatasetFilter, JobFilter, NewestKey, Page};
use serde::Deserialize;
use uuid::Uuid;

use super::{Shown, first, posted};
use crate::failure::Failure;
use crate::frame::Frame;
use crate::machine::linked;
use crate::model::job::JobRow;
use crate::model::names::Names;
use crate::model::thing::DatasetPart;
use crate::pages::projects::ProjectRow;
use crate::paging;
use crate::site::Site;
use crate::visit::Visit;

/// Datasets on one page.
const ROWS: u16 = 50;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    tre: String,
    after: String,
}

/// A dataset as the list shows it.
struct DatasetRow {
    id: Uuid,
    text: DatasetPart,
    tre: String,
    tre_name: String,
    is_withdrawn: bool,
}

#[derive(Template)]
#[template(path = "datasets.html")]
struct Datasets {
    page: Frame,
    rows: Vec<DatasetRow>,
    /// The TRE whose datasets these are, where only one's are wanted.
    of: Option<String>,
    next: Option<String>,
}

/// The list.
pub(crate) async fn all(State(site): State<Site>, visit: Visit, Query(asked): Query<Asked>) -> Shown {
    let after = paging::place(&asked.after)?;
    let page = Page {
        after: after.map(|(index, id)| NewestKey { index, id }),
        limit: ROWS,
        at_least: None,
    };
    let tre = Some(asked.tre.clone()).filter(|tre| !tre.is_empty());
    let filter = DatasetFilter {
        tre: tre.clone(),
        state: None,
    };
    let found = site.views.datasets(&filter, &page).await?;
    let streams = found
        .rows
        .iter()
        .flat_map(|row| [format!("dataset/{}", row.id), format!("tre/{}", row.tre)])
        .chain(tre.iter().map(|tre| format!("tre/{tre}")));
    let names = Names::read(&site.views, streams.collect()).await?;
    let of = tre.as_ref().map(|tre| names.tre(tre));
    let title = of.as_ref().map_or_else(
        || visit.language.say("datasets.title").to_owned(),
        |name| visit.language.fill("datasets.title-of", &[("tre", name)]),
    );
    let mut frame = Frame::new(&site, &visit, "tres", &title)
        .described(visit.language.say("datasets.lead"))
        .true_to(found.as_of)
        .of_page_type("CollectionPage");
    let query = tre
        .as_ref()
        .map(|tre| format!("?tre={}", frame.escape(tre)))
        .unwrap_or_default();
    frame.path = format!("/datasets{query}");
    frame.is_indexed = asked.after.is_empty() && tre.is_none();
    let last = found.rows.last().filter(|_| found.has_more);
    let next = last.map(|row| {
        let join = if query.is_empty() { '?' } else { '&' };
        let place = paging::encode(&(row.registered, row.id));
        frame.to(format!("/datasets{query}{join}after={place}"))
    });
    let page = Datasets {
        rows: found
            .rows
            .iter()
            .map(|row| DatasetRow {
                id: row.id,
                text: DatasetPart::of(names.dataset(row.id)),
                tre_name: names.tre(&row.tre),
                tre: row.tre.clone(),
                is_withdrawn: row.withdrawn.is_some(),
            })
            .collect(),
        of,
        next,
        page: frame,
    };
    posted(&page, &page.page)
}

#[derive(Template)]
#[template(path = "dataset.html")]
struct DatasetPage {
    page: Frame,
    row: Dataset,
    text: DatasetPart,
    tre_name: String,
    projects: Vec<ProjectRow>,
    has_more_projects: bool,
    jobs: Vec<JobRow>,
    has_more_jobs: bool,
}

/// One dataset's page.
pub(crate) async fn one(State(site): State<Site>, visit: Visit, Path(id): Path<String>) -> Shown {
    let id = random_id(&id).map_err(|_| Failure::NotFound)?;
    let found = site.views.dataset(id, None).await?;
    let row = found.row.ok_or(Failure::NotFound)?;
    let filter = SearchFilter {
        dataset: Some(id),
        ..SearchFilter::default()
    };
    let projects = site
        .views
        .search_register(&filter, Sort::Newest, &first())
        .await?;
    let filter = JobFilter {
        dataset: Some(id),
        ..JobFilter::default()
    };
    let jobs = site.views.jobs(&filter, &first()).await?;
    let streams = projects
        .rows
        .iter()
        .flat_map(|hit| hit.row.tres.iter())
        .map(|tre| format!("tre/{tre}"))
        .chain([format!("dataset/{id}"), format!("tre/{}", row.tre)]);
    let names = Names::read(&site.views, streams.collect()).await?;
    let text = DatasetPart::of(names.dataset(id));
    let title = text
        .title
        .clone()
        .unwrap_or_else(|| visit.language.say("project.unnamed-dataset").to_owned());
    let description = text.description.first().cloned();
    let mut frame = Frame::new(&site, &visit, "tres", &title)
        .described(
            description
                .as_deref()
                .unwrap_or(visit.language.say("datasets.lead")),
        )
        .true_to(found.as_of.min(projects.as_of).min(jobs.as_of))
        .with_feed(format!("/datasets/{id}/feed.atom"));
    frame.is_indexed = text.title.is_some();
    let mut frame = frame
        .about(
            &format!("/datasets/{id}"),
            &format!("/v1/datasets/{id}"),
            "/datasets",
        )
        .of_type("Dataset");
    frame.linked = linked::dataset(&text, &names.tre(&row.tre), &frame.address());
    let page = DatasetPage {
        tre_name: names.tre(&row.tre),
        projects: projects
            .rows
            .iter()
            .map(|hit| ProjectRow::of(&hit.row, &names))
            .collect(),
        has_more_projects: projects.has_more,
        jobs: JobRow::all(&jobs.rows, &names, visit.language),
        has_more_jobs: jobs.has_more,
        text,
        row,
        page: frame,
    };
    posted(&page, &page.page)
}
