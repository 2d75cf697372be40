//! `/v1/jobs`, `/v1/submissions` and each TRE's queue. They read states that the append writes, and never trail.

use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use daybook_core::event::Event;
use daybook_core::id::{Slug, random_id};
use daybook_rules::words;
use daybook_store::read::{Filter, StreamHead};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::App;
use crate::extract::{Path, Query};
use crate::problem::{Problem, ProblemKind};
use crate::server::Ending;

/// How long a poll may wait.
const MAX_WAIT: u64 = 30;

/// A job's state, in the rules' words and in the public's.
pub(crate) async fn get_job(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<axum::Json<Value>, Problem> {
    let head = stream(&app, "job", &id).await?;
    Ok(axum::Json(job_body(&id, &head)))
}

/// Every event of a job, the submission's first one before them.
pub(crate) async fn get_job_history(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<axum::Json<Value>, Problem> {
    let head = stream(&app, "job", &id).await?;
    let mut entries = Vec::new();
    if let Some(submission) = head.state.get("submission").and_then(Value::as_str) {
        entries = history(&app, format!("submission/{submission}"), 1).await?;
    }
    entries.extend(history(&app, format!("job/{id}"), 500).await?);
    Ok(axum::Json(json!({ "id": id, "entries": entries })))
}

/// A submission and where each of its jobs is.
pub(crate) async fn get_submission(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<axum::Json<Value>, Problem> {
    let head = stream(&app, "submission", &id).await?;
    let mut jobs = Vec::new();
    for job in head
        .state
        .get("jobs")
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(|jobs| jobs.values())
    {
        if let Some(job_id) = job.get("job").and_then(Value::as_str) {
            jobs.push(job_body(job_id, &stream(&app, "job", job_id).await?));
        }
    }
    let leaf = head.leaf.map(|leaf| leaf.to_base64url());
    Ok(axum::Json(json!({
        "id": id, "project": head.state.get("project"), "member": head.state.get("member"),
        "workflow": head.state.get("workflow"), "packet": head.state.get("packet"),
        "seq": head.seq, "leaf_hash": leaf, "jobs": jobs,
    })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct QueueQuery {
    after: Option<u64>,
    wait: Option<u64>,
}

/// Every job that waits for a TRE. `after` is a tree size: with `wait` seconds, the answer comes once the log is larger.
pub(crate) async fn get_queue(
    State(app): State<App>,
    Path(tre): Path<String>,
    Query(query): Query<QueueQuery>,
    ending: Option<Extension<Ending>>,
) -> Result<axum::Json<Value>, Problem> {
    let tre: Slug = tre
        .parse()
        .map_err(|error| Problem::because(ProblemKind::NotFound, &error))?;
    let mut head = app.head.clone();
    if let (Some(after), Some(wait)) = (query.after, query.wait) {
        let patience = Duration::from_secs(wait.min(MAX_WAIT));
        let Extension(Ending(ending)) = ending.unwrap_or_default();
        let grown = tokio::time::timeout(patience, head.wait_for(|head| head.size > after));
        // Any outcome ends the wait: what waits now is the answer.
        drop(ending.run_until_cancelled(grown).await);
    }
    // Read before the jobs, so that the next `after` misses none of them.
    let size = head.borrow().size;
    let waiting = app.reader.waiting_jobs(tre.as_str()).await?;
    let mut jobs = Vec::new();
    for job in &waiting {
        let id = job.stream.strip_prefix("job/").unwrap_or(&job.stream);
        let mut body = job_body(id, job);
        let submission = job
            .state
            .get("submission")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let first = app
            .reader
            .entries(&first_of(&format!("submission/{submission}")))
            .await?;
        body["cause"] = json!(first.first().map(|entry| entry.leaf.to_base64url()));
        jobs.push(body);
    }
    Ok(axum::Json(
        json!({ "tre": tre.to_string(), "tree_size": size, "jobs": jobs }),
    ))
}

fn first_of(stream: &str) -> Filter {
    Filter {
        stream: Some(stream.to_owned()),
        before: u64::MAX,
        limit: 1,
        ..Filter::default()
    }
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

async fn history(app: &App, stream: String, limit: u16) -> Result<Vec<Value>, Problem> {
    let filter = Filter {
        stream: Some(stream),
        before: u64::MAX,
        limit,
        ..Filter::default()
    };
    let entries = app.reader.entries(&filter).await?;
    let bodies = entries.into_iter().map(|entry| {
        let event = Event::parse(&entry.event).map_err(|error| Problem::internal(&error))?;
        let claims = event.claims();
        Ok(json!({
            "index": entry.index, "leaf_hash": entry.leaf.to_base64url(), "type": claims.kind,
            "author": claims.iss.to_string(), "seq": claims.seq, "at": claims.iat, "event": entry.event,
        }))
    });
    bodies.collect()
}
