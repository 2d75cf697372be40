//! `GET /v1/jobs` and `GET /v1/submissions`.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use daybook_rules::Table;
use daybook_views::{Job, JobFilter, Submission, SubmissionFilter};
use serde_json::{Value, json};

use super::{listed, newest, newest_place, of_list, time, views};
use crate::app::App;
use crate::params::Params;
use crate::problem::Problem;

/// Jobs, those submitted last first.
pub(crate) async fn list_jobs(
    State(app): State<App>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let filters = [
        "project",
        "tre",
        "state",
        "member",
        "workflow",
        "dataset",
        "submission",
    ];
    let params = of_list(params, &filters)?;
    let filter = JobFilter {
        project: params.id("project")?,
        tre: params.slug("tre")?,
        state: params.one_of("state", Table::v1().states("job"))?,
        member: params.id("member")?,
        workflow: params.id("workflow")?,
        dataset: params.id("dataset")?,
        submission: params.id("submission")?,
    };
    let page = newest(&params, "jobs")?;
    let found = views(&app)?.jobs(&filter, &page).await?;
    let place = |job: &Job| newest_place(job.place());
    Ok(listed(&headers, ("jobs", "jobs"), &found, job, place))
}

/// Submissions, the last first.
pub(crate) async fn list_submissions(
    State(app): State<App>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let params = of_list(params, &["project", "member", "workflow"])?;
    let filter = SubmissionFilter {
        project: params.id("project")?,
        member: params.id("member")?,
        workflow: params.id("workflow")?,
    };
    let page = newest(&params, "submissions")?;
    let found = views(&app)?.submissions(&filter, &page).await?;
    let place = |submission: &Submission| newest_place(submission.place());
    let names = ("submissions", "submissions");
    Ok(listed(&headers, names, &found, submission, place))
}

/// As one job is told by itself, but for its place in its own stream.
fn job(job: &Job) -> Value {
    let public = job.public(&job.tre);
    json!({
        "id": job.id, "tre": job.tre, "submission": job.submission, "project": job.project, "member": job.member,
        "workflow": job.workflow, "datasets": job.datasets, "packet": job.packet, "results": job.results,
        "state": job.state,
        "public": { "word": public.word, "sentence": public.sentence, "turn": public.turn.as_str() },
        "cause": job.cause, "submitted": job.submitted, "at": time(job.at),
        "attempts": job.attempts, "held": job.held, "failure": job.failure, "extent": job.extent,
        "recalled": job.recalled, "latest": job.latest, "latest_at": time(job.latest_at),
    })
}

fn submission(submission: &Submission) -> Value {
    let jobs: Vec<Value> = submission
        .tres
        .iter()
        .zip(&submission.jobs)
        .map(|(tre, job)| json!({ "tre": tre, "id": job }))
        .collect();
    json!({
        "id": submission.id, "project": submission.project, "member": submission.member,
        "workflow": submission.workflow, "packet": submission.packet, "replaces": submission.replaces,
        "jobs": jobs, "submitted": submission.submitted, "at": time(submission.at),
        "latest": submission.latest, "latest_at": time(submission.latest_at),
    })
}
