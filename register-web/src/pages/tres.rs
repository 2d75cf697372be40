//! Where data are kept: the TREs, each with what it says about itself.

use askama::Template;
use axum::extract::{Path, Query, State};
use daybook_core::id::Slug;
use daybook_views::{DatasetFilter, JobFilter, Page, Tre};
use serde::Deserialize;
use uuid::Uuid;

use super::{Shown, first, posted};
use crate::failure::Failure;
use crate::frame::Frame;
use crate::model::figures::Figures;
use crate::model::job::JobRow;
use crate::model::names::Names;
use crate::model::thing::{DatasetPart, TreText};
use crate::paging;
use crate::site::Site;
use crate::visit::Visit;

/// TREs on one page.
const ROWS: u16 = 50;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    after: String,
}

/// A TRE as the list shows it.
struct TreRow {
    id: String,
    name: String,
    text: TreText,
    is_suspended: bool,
    has_joined: bool,
}

#[derive(Template)]
#[template(path = "tres.html")]
struct Tres {
    page: Frame,
    rows: Vec<TreRow>,
    next: Option<String>,
}

/// The list.
pub(crate) async fn all(State(site): State<Site>, visit: Visit, Query(asked): Query<Asked>) -> Shown {
    let after = if asked.after.is_empty() {
        None
    } else {
        Some(paging::decode::<String>(&asked.after).ok_or(Failure::Malformed)?)
    };
    let page = Page {
        after,
        limit: ROWS,
        at_least: None,
    };
    let found = site.views.tres(&page).await?;
    let names = Names::of_tres(&site.views, found.rows.iter().map(|tre| tre.id.as_str())).await?;
    let mut frame = Frame::new(&site, &visit, "tres", visit.language.say("tres.title"))
        .described(visit.language.say("tres.lead"))
        .true_to(found.as_of)
        .of_page_type("CollectionPage");
    frame.is_indexed = asked.after.is_empty();
    let last = found.rows.last().filter(|_| found.has_more);
    let next = last.map(|tre| frame.to(format!("/tres?after={}", paging::encode(&tre.id))));
    let page = Tres {
        rows: found
            .rows
            .iter()
            .map(|tre| TreRow {
                name: names.tre(&tre.id),
                text: TreText::of(&names, &tre.id),
                is_suspended: tre.suspended.is_some(),
                has_joined: tre.joined.is_some(),
                id: tre.id.clone(),
            })
            .collect(),
        next,
        page: frame,
    };
    posted(&page, &page.page)
}

#[derive(Template)]
#[template(path = "tre.html")]
struct TrePage {
    page: Frame,
    row: Tre,
    text: TreText,
    datasets: Vec<(Uuid, DatasetPart)>,
    has_more_datasets: bool,
    jobs: Vec<JobRow>,
    has_more_jobs: bool,
    figures: Figures,
}

/// One TRE's page.
pub(crate) async fn one(State(site): State<Site>, visit: Visit, Path(id): Path<String>) -> Shown {
    let id: Slug = id.parse().map_err(|_| Failure::NotFound)?;
    let found = site.views.tre(id.as_str(), None).await?;
    let row = found.row.ok_or(Failure::NotFound)?;
    let filter = DatasetFilter {
        tre: Some(row.id.clone()),
        state: None,
    };
    let datasets = site.views.datasets(&filter, &first()).await?;
    let filter = JobFilter {
        tre: Some(row.id.clone()),
        ..JobFilter::default()
    };
    let jobs = site.views.jobs(&filter, &first()).await?;
    let statistics = site.views.statistics(&row.id).await?;
    let streams = datasets
        .rows
        .iter()
        .map(|dataset| format!("dataset/{}", dataset.id))
        .chain([format!("tre/{}", row.id)]);
    let names = Names::read(&site.views, streams.collect()).await?;
    let text = TreText::of(&names, &row.id);
    let lead = visit.language.say("tre.lead");
    let frame = Frame::new(&site, &visit, "tres", &names.tre(&row.id))
        .described(text.note.first().map_or(lead, String::as_str))
        .true_to(
            found
                .as_of
                .min(datasets.as_of)
                .min(jobs.as_of)
                .min(statistics.as_of),
        )
        .with_feed(format!("/tres/{}/feed.atom", row.id))
        .about(
            &format!("/tres/{}", row.id),
            &format!("/v1/tres/{}", row.id),
            "/tres",
        )
        .of_type("Organization");
    let page = TrePage {
        datasets: datasets
            .rows
            .iter()
            .map(|dataset| (dataset.id, DatasetPart::of(names.dataset(dataset.id))))
            .collect(),
        has_more_datasets: datasets.has_more,
        jobs: JobRow::all(&jobs.rows, &names, visit.language),
        has_more_jobs: jobs.has_more,
        figures: Figures::of(&statistics),
        text,
        row,
        page: frame,
    };
    posted(&page, &page.page)
}
