//! `/v1/jobs` and `/v1/submissions`. They read states that the append writes, and never trail.

mod history;
mod queue;

use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use daybook_core::id::random_id;
use daybook_rules::words;
use daybook_store::read::StreamHead;
use serde::Deserialize;
use serde_json::{Value, json};

pub(crate) use self::history::get_job_history;
pub(crate) use self::queue::get_queue;
use crate::app::App;
use crate::conditional;
use crate::extract::{Path, Query};
use crate::handlers::follow::{self, Interest};
use crate::problem::{Problem, ProblemKind};
use crate::server::Ending;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FollowQuery {
    after: Option<u64>,
}

/// A job's state, in the rules' words and in the public's; or its events as they come.
pub(crate) async fn get_job(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(query): Query<FollowQuery>,
    headers: HeaderMap,
    ending: Option<Extension<Ending>>,
) -> Result<Response, Problem> {
    let head = stream(&app, "job", &id).await?;
    if follow::is_wanted(&headers) {
        return follow_job(&app, &head, &headers, query.after, ending).await;
    }
    Ok(conditional::json(&headers, &job_body(&id, &head)))
}

/// A submission and where each of its jobs is; or all their events as they come.
pub(crate) async fn get_submission(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(query): Query<FollowQuery>,
    headers: HeaderMap,
    ending: Option<Extension<Ending>>,
) -> Result<Response, Problem> {
    let head = stream(&app, "submission", &id).await?;
    let jobs = head.state.get("jobs").and_then(Value::as_object);
    let jobs = jobs.into_iter().flat_map(|jobs| jobs.values());
    let streams: Vec<String> = jobs
        .filter_map(|job| job.get("job").and_then(Value::as_str))
        .map(|job| format!("job/{job}"))
        .collect();
    if follow::is_wanted(&headers) {
        let from = follow::resume(&app, &headers, query.after).await?.unwrap_or(0);
        let interest = Interest::Streams([vec![head.stream], streams].concat());
        return app.follow.answer(&app, interest, from, ending).await;
    }
    let heads = app.reader.stream_heads(&streams).await?;
    // In the order of the submission, which is that of its TREs' names.
    let jobs: Vec<Value> = streams
        .iter()
        .filter_map(|name| heads.iter().find(|head| head.stream == *name))
        .map(|head| job_body(id_of(head), head))
        .collect();
    let leaf = head.leaf.map(|leaf| leaf.to_base64url());
    let body = json!({
        "id": id, "project": head.state.get("project"), "member": head.state.get("member"),
        "workflow": head.state.get("workflow"), "packet": head.state.get("packet"),
        "seq": head.seq, "leaf_hash": leaf, "jobs": jobs,
    });
    Ok(conditional::json(&headers, &body))
}

/// The events of a job as they come, that of its submission first.
async fn follow_job(
    app: &App,
    head: &StreamHead,
    headers: &HeaderMap,
    after: Option<u64>,
    ending: Option<Extension<Ending>>,
) -> Result<Response, Problem> {
    let from = follow::resume(app, headers, after).await?.unwrap_or(0);
    let interest = Interest::Job {
        job: head.stream.clone(),
        submission: submission_of(head),
    };
    app.follow.answer(app, interest, from, ending).await
}

/// The stream of the submission that asked for a job.
fn submission_of(head: &StreamHead) -> String {
    let id = head
        .state
        .get("submission")
        .and_then(Value::as_str)
        .unwrap_or_default();
    format!("submission/{id}")
}

fn id_of(head: &StreamHead) -> &str {
    head.stream.strip_prefix("job/").unwrap_or(&head.stream)
}

fn job_body(id: &str, head: &StreamHead) -> Value {
    let public = words::of(&head.state);
    let state = |name: &str| head.state.get(name).cloned().unwrap_or_default();
    json!({
        "id": id, "tre": state("tre"), "submission": state("submission"), "project": state("project"),
        "member": state("member"), "workflow": state("workflow"), "datasets": state("datasets"),
        "packet": state("packet"), "results": state("results"), "state": state("state"),
        "public": { "word": public.word, "sentence": public.sentence, "turn": public.turn.as_str() },
        "seq": head.seq, "leaf_hash": head.leaf.map(|leaf| leaf.to_base64url()),
    })
}

async fn stream(app: &App, kind: &str, id: &str) -> Result<StreamHead, Problem> {
    let missing = || Problem::new(ProblemKind::NotFound, format!("There is no {kind} {id:?}."));
    random_id(id).map_err(|_| missing())?;
    app.reader
        .stream_head(&format!("{kind}/{id}"))
        .await?
        .ok_or_else(missing)
}
