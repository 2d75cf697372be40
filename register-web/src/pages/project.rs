//! A project: what it is for, who, with which data, where, what came of it; and what its record rests on.

use askama::Template;
use axum::extract::{Path, State};
use daybook_core::id::random_id;
use daybook_views::register::{Edition, RegisterEntry, RegisterVersion};
use daybook_views::{JobFilter, Page};
use jiff::Timestamp;
use uuid::Uuid;

use super::{Shown, posted, show};
use crate::failure::Failure;
use crate::frame::Frame;
use crate::machine::linked;
use crate::model::job::JobRow;
use crate::model::names::Names;
use crate::model::project::{self, ApprovalText, DatasetText, OutputText, ProjectText};
use crate::site::Site;
use crate::visit::Visit;

/// Jobs that the page shows; a page of their own shows all.
const JOBS: u16 = 10;
/// Versions that the page names.
const VERSIONS: u16 = 5;
/// Seconds of a month, on average.
const MONTH: i64 = 2_629_746;

#[derive(Template)]
#[template(path = "project.html")]
struct ProjectPage {
    page: Frame,
    id: Uuid,
    text: ProjectText,
    status: &'static str,
    approvals: Vec<ApprovalText>,
    datasets: Vec<DatasetText>,
    outputs: Vec<OutputText>,
    /// Months since it ended, where nothing has come of it.
    silent: Option<i64>,
    jobs: Vec<JobRow>,
    has_more_jobs: bool,
    version: RegisterVersion,
    versions: Vec<RegisterVersion>,
    first_at: i64,
    is_due: bool,
    has_lost: bool,
}

/// A project that is not on the register, or not any more.
#[derive(Template)]
#[template(path = "unpublished.html")]
struct Unpublished {
    page: Frame,
    state: String,
    tre: String,
    code: String,
    until: i64,
}

/// A project's page.
pub(crate) async fn get(State(site): State<Site>, visit: Visit, Path(id): Path<String>) -> Shown {
    let id = random_id(&id).map_err(|_| Failure::NotFound)?;
    let found = site.views.register_entry(id, None).await?;
    let entry = found.row.ok_or(Failure::NotFound)?;
    let version = site.views.register_version(id, None).await?.row;
    match version {
        Some(version) if entry.state.as_deref() != Some("withdrawn") => {
            published(&site, &visit, entry, version, found.as_of).await
        }
        _ => unpublished(&site, &visit, entry).await,
    }
}

async fn published(
    site: &Site,
    visit: &Visit,
    entry: RegisterEntry,
    version: RegisterVersion,
    as_of: u64,
) -> Shown {
    let id = entry.project;
    let edition = site.views.edition(version.clone()).await?;
    let filter = JobFilter {
        project: Some(id),
        ..JobFilter::default()
    };
    let jobs = site.views.jobs(&filter, &of(JOBS)).await?;
    let versions = site.views.register_versions(id, &of(VERSIONS)).await?;
    let mut tres = project::tres(&edition);
    tres.extend(jobs.rows.iter().map(|job| job.tre.as_str()));
    let names = Names::of_tres(&site.views, tres).await?;
    let text = ProjectText::of(&edition);
    let title = text
        .title
        .clone()
        .unwrap_or_else(|| visit.language.say("project.untitled").to_owned());
    let description = text
        .line
        .clone()
        .or_else(|| text.summary.first().cloned())
        .unwrap_or_default();
    let frame = Frame::new(site, visit, "projects", &title)
        .described(&description)
        .true_to(as_of.min(jobs.as_of))
        .with_feed(format!("/projects/{id}/feed.atom"))
        .with_data(format!("/projects/{id}/record.json"));
    let mut frame = frame
        .with_post(
            "cite-as",
            &format!("/projects/{id}/versions/{}", version.version),
            "text/html",
        )
        .with_post(
            "describedby",
            &format!("/projects/{id}/record.json"),
            "application/json",
        )
        .with_post("collection", "/projects", "text/html")
        .with_authors(&text.organisations)
        .of_type("ResearchProject");
    frame.linked = linked::project(&text, &frame.address());
    let outputs = project::outputs(&edition);
    let ended = closed_at(&edition).unwrap_or(text.until);
    let months = (Timestamp::now().as_second() - ended) / MONTH;
    let page = ProjectPage {
        id,
        status: status(&edition),
        approvals: project::approvals(&edition, &names),
        datasets: project::datasets(&edition, &names),
        silent: (outputs.is_empty() && months >= 1).then_some(months),
        outputs,
        jobs: JobRow::all(&jobs.rows, &names, visit.language),
        has_more_jobs: jobs.has_more,
        first_at: entry.first_at.unwrap_or(version.at),
        is_due: entry.due.is_some(),
        has_lost: edition.has_lost,
        versions: versions.rows,
        version,
        text,
        page: frame,
    };
    posted(&page, &page.page)
}

async fn unpublished(site: &Site, visit: &Visit, entry: RegisterEntry) -> Shown {
    let names = Names::of_tres(&site.views, entry.tre.as_deref()).await?;
    let state = entry.state.unwrap_or_else(|| "held".to_owned());
    let mut frame = Frame::new(site, visit, "projects", visit.language.say("unpublished.title"));
    frame.is_indexed = false;
    let page = Unpublished {
        tre: names.tre(entry.tre.as_deref().unwrap_or_default()),
        code: entry.code.unwrap_or_default(),
        until: entry.until.unwrap_or_default(),
        state,
        page: frame,
    };
    show(&page)
}

fn of<K>(limit: u16) -> Page<K> {
    Page {
        limit,
        ..Page::default()
    }
}

/// How far the project has come: a code.
fn status(edition: &Edition) -> &'static str {
    let has = |kind| edition.of_kind(kind).next().is_some();
    match () {
        () if has("project-closed") => "closed",
        () if has("job-released") => "released",
        () if has("run-started") => "running",
        () => "approved",
    }
}

fn closed_at(edition: &Edition) -> Option<i64> {
    edition.of_kind("project-closed").next().map(|part| part.at)
}
