//! The workflows that may run: each one exact version, by its digest.

use askama::Template;
use axum::extract::{Path, Query, State};
use daybook_core::id::random_id;
use daybook_views::{JobFilter, NewestKey, Page, Workflow, WorkflowFilter};
use serde::Deserialize;
use uuid::Uuid;

use super::{Shown, first, posted};
use crate::failure::Failure;
use crate::frame::Frame;
use crate::model::job::JobRow;
use crate::model::names::Names;
use crate::model::thing::WorkflowPart;
use crate::paging;
use crate::site::Site;
use crate::visit::Visit;

/// Workflows on one page.
const ROWS: u16 = 50;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    after: String,
}

/// A workflow as the list shows it.
struct WorkflowRow {
    id: Uuid,
    text: WorkflowPart,
    at: i64,
    is_withdrawn: bool,
}

#[derive(Template)]
#[template(path = "workflows.html")]
struct Workflows {
    page: Frame,
    rows: Vec<WorkflowRow>,
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
    let found = site.views.workflows(&WorkflowFilter::default(), &page).await?;
    let streams = found.rows.iter().map(|row| format!("workflow/{}", row.id));
    let names = Names::read(&site.views, streams.collect()).await?;
    let mut frame = Frame::new(&site, &visit, "projects", visit.language.say("workflows.title"))
        .described(visit.language.say("workflows.lead"))
        .true_to(found.as_of)
        .of_page_type("CollectionPage");
    frame.is_indexed = asked.after.is_empty();
    let last = found.rows.last().filter(|_| found.has_more);
    let next = last.map(|row| {
        let place = paging::encode(&(row.registered, row.id));
        frame.to(format!("/workflows?after={place}"))
    });
    let page = Workflows {
        rows: found
            .rows
            .iter()
            .map(|row| WorkflowRow {
                id: row.id,
                text: WorkflowPart::of(names.workflow(row.id)),
                at: row.at,
                is_withdrawn: row.withdrawn.is_some(),
            })
            .collect(),
        next,
        page: frame,
    };
    posted(&page, &page.page)
}

#[derive(Template)]
#[template(path = "workflow.html")]
struct WorkflowPage {
    page: Frame,
    row: Workflow,
    text: WorkflowPart,
    jobs: Vec<JobRow>,
    has_more_jobs: bool,
}

/// One workflow's page.
pub(crate) async fn one(State(site): State<Site>, visit: Visit, Path(id): Path<String>) -> Shown {
    let id = random_id(&id).map_err(|_| Failure::NotFound)?;
    let found = site.views.workflow(id, None).await?;
    let row = found.row.ok_or(Failure::NotFound)?;
    let filter = JobFilter {
        workflow: Some(id),
        ..JobFilter::default()
    };
    let jobs = site.views.jobs(&filter, &first()).await?;
    let streams = jobs
        .rows
        .iter()
        .map(|job| format!("tre/{}", job.tre))
        .chain([format!("workflow/{id}")]);
    let names = Names::read(&site.views, streams.collect()).await?;
    let text = WorkflowPart::of(names.workflow(id));
    let title = text
        .title
        .clone()
        .unwrap_or_else(|| visit.language.say("job.unnamed-workflow").to_owned());
    let mut frame = Frame::new(&site, &visit, "projects", &title)
        .described(visit.language.say("workflows.lead"))
        .true_to(found.as_of.min(jobs.as_of))
        .about(
            &format!("/workflows/{id}"),
            &format!("/v1/workflows/{id}"),
            "/workflows",
        )
        .of_type("SoftwareSourceCode");
    // What the page is about, where it is.
    if let Some(permalink) = &text.permalink {
        frame = frame.with_link("item", permalink);
    }
    frame.is_indexed = text.title.is_some();
    let page = WorkflowPage {
        jobs: JobRow::all(&jobs.rows, &names, visit.language),
        has_more_jobs: jobs.has_more,
        text,
        row,
        page: frame,
    };
    posted(&page, &page.page)
}
