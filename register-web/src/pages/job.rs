//! A job: where it is, whose turn it is, and everything that happened, in plain sentences.

use askama::Template;
use axum::extract::{Path, State};
use daybook_core::event::Event;
use daybook_core::id::random_id;
use daybook_store::read::Entry;
use daybook_views::Job;
use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use super::{Shown, posted};
use crate::failure::Failure;
use crate::frame::Frame;
use crate::model::job::JobRow;
use crate::model::names::Names;
use crate::site::Site;
use crate::text::clean;
use crate::visit::Visit;

/// Entries of a job that are shown at most; none has as many.
const STEPS: u16 = 500;
/// Seconds without news after which a page says so: while something runs, and while people are asked.
const STALE: (i64, i64) = (2 * 86_400, 14 * 86_400);

/// Something that happened.
struct Step {
    at: i64,
    sentence: String,
    entry: u64,
    /// Whether the team said it; else the TRE did.
    by_team: bool,
}

#[derive(Template)]
#[template(path = "job.html")]
struct JobPage {
    page: Frame,
    id: Uuid,
    row: JobRow,
    project: Uuid,
    project_title: Option<String>,
    workflow: Uuid,
    workflow_title: Option<String>,
    datasets: Vec<(Uuid, Option<String>)>,
    steps: Vec<Step>,
    /// Days without news, where that is long.
    stale: Option<i64>,
    siblings: Vec<JobRow>,
}

/// A job's page.
pub(crate) async fn get(State(site): State<Site>, visit: Visit, Path(id): Path<String>) -> Shown {
    let id = random_id(&id).map_err(|_| Failure::NotFound)?;
    let found = site.views.job(id, None).await?;
    let job = found.row.ok_or(Failure::NotFound)?;
    let published = site.views.register_entry(job.project, None).await?.row;
    let is_public =
        published.is_some_and(|row| row.version.is_some() && row.state.as_deref() != Some("withdrawn"));
    let siblings = siblings(&site, &job).await?;
    let streams = siblings
        .iter()
        .map(|one| format!("tre/{}", one.tre))
        .chain(job.datasets.iter().map(|id| format!("dataset/{id}")))
        .chain([format!("workflow/{}", job.workflow)])
        .collect();
    let names = Names::read(&site.views, streams).await?;
    let title = if is_public {
        project_title(&site, job.project).await?
    } else {
        None
    };
    let row = JobRow::of(&job, &names, visit.language);
    let steps = steps(&site, &job, &row.tre_name).await?;
    let title_text = visit.language.fill("job.title", &[("tre", &row.tre_name)]);
    let mut frame = Frame::new(&site, &visit, "projects", &title_text)
        .described(&row.sentence)
        .true_to(found.as_of)
        .about(&format!("/jobs/{id}"), &format!("/v1/jobs/{id}"), "/jobs")
        .with_post("author", &format!("/tres/{}", job.tre), "text/html")
        .of_type("Action");
    frame.is_indexed = is_public;
    let text =
        |part: Option<&daybook_views::register::Part>| part.and_then(|part| part.text("title")).map(clean);
    let page = JobPage {
        id,
        project: job.project,
        project_title: title,
        workflow: job.workflow,
        workflow_title: text(names.workflow(job.workflow)),
        datasets: job
            .datasets
            .iter()
            .map(|id| (*id, text(names.dataset(*id))))
            .collect(),
        stale: stale(&job),
        siblings: siblings
            .iter()
            .filter(|one| one.id != id)
            .map(|one| JobRow::of(one, &names, visit.language))
            .collect(),
        steps,
        row,
        page: frame,
    };
    posted(&page, &page.page)
}

/// The jobs of the same request, at other TREs.
async fn siblings(site: &Site, job: &Job) -> Result<Vec<Job>, Failure> {
    let filter = daybook_views::JobFilter {
        submission: Some(job.submission),
        ..daybook_views::JobFilter::default()
    };
    let found = site.views.jobs(&filter, &daybook_views::Page::default()).await?;
    Ok(found.rows)
}

async fn project_title(site: &Site, project: Uuid) -> Result<Option<String>, Failure> {
    let Some(version) = site.views.register_version(project, None).await?.row else {
        return Ok(None);
    };
    let edition = site.views.edition(version).await?;
    Ok(edition.details().and_then(|part| part.text("title")).map(clean))
}

/// What happened, the first first: the request, what the team said later about this job, and all that the TRE said.
async fn steps(site: &Site, job: &Job, tre: &str) -> Result<Vec<Step>, Failure> {
    let streams = [
        (format!("submission/{}", job.submission), 1),
        (format!("job/{}", job.id), 1),
    ];
    let entries = site.reader.entries_of_streams(&streams, STEPS).await?;
    let id = job.id.to_string();
    Ok(entries.iter().filter_map(|entry| step(entry, &id, tre)).collect())
}

fn step(entry: &Entry, job: &str, tre: &str) -> Option<Step> {
    let event = Event::parse(&entry.event).ok()?;
    let about = event.claims().data.get("job").and_then(Value::as_str);
    if about.is_some_and(|about| about != job) {
        return None;
    }
    Some(Step {
        at: event.claims().iat,
        sentence: daybook_views::activity::sentence(&entry.kind, tre)?,
        entry: entry.index,
        by_team: entry.stream.starts_with("submission/"),
    })
}

/// How many days nothing was heard of a job that is not over, where that is longer than usual.
fn stale(job: &Job) -> Option<i64> {
    let silent = Timestamp::now().as_second() - job.latest_at;
    let most = if job.state == "running" { STALE.0 } else { STALE.1 };
    (job.ending.is_none() && silent > most).then_some(silent / 86_400)
}
