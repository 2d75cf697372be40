//! All analyses, the last asked for first; narrowed to a project, a TRE, a dataset, a workflow, or to how they ended.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Path, Query, State};
use daybook_core::id::{Slug, random_id};
use daybook_views::{JobFilter, JobKey, NewestKey, Page};
use serde::Deserialize;
use uuid::Uuid;

use super::{Shown, posted};
use crate::failure::Failure;
use crate::frame::Frame;
use crate::model::job::JobRow;
use crate::model::names::Names;
use crate::paging;
use crate::site::Site;
use crate::text::clean;
use crate::visit::Visit;

/// Jobs on one page.
const ROWS: u16 = 25;
/// Endings by which the list can be narrowed, by the names of the rules.
const ENDINGS: [&str; 5] = ["released", "withheld", "refused", "cancelled", "abandoned"];

/// What the address may ask for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    project: String,
    tre: String,
    dataset: String,
    workflow: String,
    state: String,
    after: String,
}

/// A job with the project to which it belongs.
struct ListedJob {
    row: JobRow,
    project: Uuid,
    /// Title and language, if the project is on the register.
    title: Option<(String, String)>,
}

/// A way to narrow the list: its words, its address, and whether it is on.
struct Choice {
    words: &'static str,
    href: String,
    is_on: bool,
}

#[derive(Template)]
#[template(path = "jobs.html")]
struct Jobs {
    page: Frame,
    rows: Vec<ListedJob>,
    /// What the list is narrowed to, in words, and the address of that thing's page.
    of: Vec<(String, String)>,
    endings: Vec<Choice>,
    next: Option<String>,
    clear: Option<String>,
}

/// The jobs of one project.
pub(crate) async fn of_project(
    State(site): State<Site>,
    visit: Visit,
    Path(project): Path<String>,
    Query(asked): Query<Asked>,
) -> Shown {
    let asked = Asked {
        project: random_id(&project).map_err(|_| Failure::NotFound)?.to_string(),
        ..asked
    };
    list(&site, &visit, asked).await
}

/// The list.
pub(crate) async fn get(State(site): State<Site>, visit: Visit, Query(asked): Query<Asked>) -> Shown {
    list(&site, &visit, asked).await
}

async fn list(site: &Site, visit: &Visit, asked: Asked) -> Shown {
    let filter = asked.filter()?;
    let page = Page {
        after: paging::place(&asked.after)?.map(|(index, id)| NewestKey { index, id }),
        limit: ROWS,
        at_least: None,
    };
    let found = site.views.jobs(&filter, &page).await?;
    let mut projects: Vec<Uuid> = found.rows.iter().map(|job| job.project).collect();
    projects.extend(filter.project);
    projects.sort_unstable();
    projects.dedup();
    let titles: BTreeMap<Uuid, (String, String)> = site
        .views
        .searched(projects)
        .await?
        .into_iter()
        .filter(|(_, row)| !row.title.is_empty())
        .map(|(id, row)| (id, (clean(&row.title), row.lang)))
        .collect();
    let streams = found
        .rows
        .iter()
        .map(|job| format!("tre/{}", job.tre))
        .chain(filter.tre.iter().map(|tre| format!("tre/{tre}")))
        .chain(filter.dataset.iter().map(|id| format!("dataset/{id}")))
        .chain(filter.workflow.iter().map(|id| format!("workflow/{id}")));
    let names = Names::read(&site.views, streams.collect()).await?;
    let mut frame = Frame::new(site, visit, "projects", visit.language.say("jobs.title"))
        .described(visit.language.say("jobs.lead"))
        .true_to(found.as_of)
        .of_page_type("CollectionPage");
    let query = asked.query(&frame, "");
    frame.path = format!("/jobs{query}");
    frame.is_indexed = query.is_empty();
    let last = found.rows.last().filter(|_| found.has_more);
    let next = last.map(|job| {
        let join = if query.is_empty() { '?' } else { '&' };
        frame.to(format!("/jobs{query}{join}after={}", place(job.place())))
    });
    let page = Jobs {
        rows: found
            .rows
            .iter()
            .map(|job| ListedJob {
                row: JobRow::of(job, &names, visit.language),
                project: job.project,
                title: titles.get(&job.project).cloned(),
            })
            .collect(),
        of: Asked::of(&frame, &filter, &names, &titles),
        endings: asked.endings(&frame),
        next,
        clear: (!query.is_empty()).then(|| frame.to("/jobs")),
        page: frame,
    };
    posted(&page, &page.page)
}

fn place(JobKey { index, id }: JobKey) -> String {
    paging::encode(&(index, id))
}

impl Asked {
    /// What is looked for; what cannot be meant is refused, since "nothing found" would be untrue.
    fn filter(&self) -> Result<JobFilter, Failure> {
        let id = |text: &str| match text {
            "" => Ok(None),
            text => random_id(text).map(Some).map_err(|_| Failure::Malformed),
        };
        let tre = match self.tre.as_str() {
            "" => None,
            text => Some(text.parse::<Slug>().map_err(|_| Failure::Malformed)?),
        };
        if !self.state.is_empty() && !ENDINGS.contains(&self.state.as_str()) {
            return Err(Failure::Malformed);
        }
        Ok(JobFilter {
            project: id(&self.project)?,
            tre: tre.map(|tre| tre.to_string()),
            dataset: id(&self.dataset)?,
            workflow: id(&self.workflow)?,
            state: Some(self.state.clone()).filter(|state| !state.is_empty()),
            ..JobFilter::default()
        })
    }

    /// As a query, with its question mark, without one of its parts.
    fn query(&self, frame: &Frame, without: &str) -> String {
        let all = [
            ("project", &self.project),
            ("tre", &self.tre),
            ("dataset", &self.dataset),
            ("workflow", &self.workflow),
            ("state", &self.state),
        ];
        let pairs: Vec<String> = all
            .iter()
            .filter(|(name, value)| !value.is_empty() && *name != without)
            .map(|(name, value)| format!("{name}={}", frame.escape(value)))
            .collect();
        if pairs.is_empty() {
            String::new()
        } else {
            format!("?{}", pairs.join("&"))
        }
    }

    fn of(
        frame: &Frame,
        filter: &JobFilter,
        names: &Names,
        titles: &BTreeMap<Uuid, (String, String)>,
    ) -> Vec<(String, String)> {
        let text = |part: Option<&daybook_views::register::Part>| {
            part.and_then(|part| part.text("title")).map(clean)
        };
        let mut of = Vec::new();
        if let Some(id) = filter.project {
            let title = titles.get(&id).map(|(title, _)| title.clone());
            let title = title.unwrap_or_else(|| frame.say("job.its-project").to_owned());
            of.push((title, frame.link("/projects/", id)));
        }
        if let Some(tre) = &filter.tre {
            of.push((names.tre(tre), frame.link("/tres/", tre)));
        }
        if let Some(id) = filter.dataset {
            let title = text(names.dataset(id));
            let title = title.unwrap_or_else(|| frame.say("project.unnamed-dataset").to_owned());
            of.push((title, frame.link("/datasets/", id)));
        }
        if let Some(id) = filter.workflow {
            let title = text(names.workflow(id));
            let title = title.unwrap_or_else(|| frame.say("job.unnamed-workflow").to_owned());
            of.push((title, frame.link("/workflows/", id)));
        }
        of
    }

    fn endings(&self, frame: &Frame) -> Vec<Choice> {
        let base = self.query(frame, "state");
        let all = [""].into_iter().chain(ENDINGS);
        all.map(|state| {
            let join = if base.is_empty() { '?' } else { '&' };
            let query = if state.is_empty() {
                base.clone()
            } else {
                format!("{base}{join}state={state}")
            };
            Choice {
                words: if state.is_empty() {
                    frame.say("jobs.all")
                } else {
                    frame.code("ending", state)
                },
                href: frame.to(format!("/jobs{query}")),
                is_on: self.state == state,
            }
        })
        .collect()
    }
}
