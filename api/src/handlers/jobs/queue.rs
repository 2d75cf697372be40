//! Each TRE's queue: the jobs that nobody has collected yet.

use std::collections::HashMap;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use daybook_core::id::Slug;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{id_of, job_body, submission_of};
use crate::app::App;
use crate::cursor;
use crate::extract::{Path, Query};
use crate::problem::{Problem, ProblemKind};
use crate::server::Ending;

/// How long a poll may wait.
const MAX_WAIT: u64 = 30;
/// Jobs in one page at most, and where the query does not say.
const MAX_PAGE: u16 = 1_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct QueueQuery {
    after: Option<u64>,
    wait: Option<u64>,
    cursor: Option<String>,
    limit: Option<u16>,
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
    let list = format!("queue of {tre}");
    let begin: String = match &query.cursor {
        Some(cursor) => cursor::decode(&list, cursor)?,
        None => String::new(),
    };
    if let (Some(after), Some(wait)) = (query.after, query.wait) {
        let patience = Duration::from_secs(wait.min(MAX_WAIT));
        until_larger(&app, after, patience, ending).await;
    }
    // Read before the jobs, so that the next `after` misses none of them.
    let size = app.head.borrow().size;
    let limit = query.limit.unwrap_or(MAX_PAGE).clamp(1, MAX_PAGE);
    // One more than is shown tells whether there is more.
    let mut waiting = app.reader.waiting_jobs(tre.as_str(), &begin, limit + 1).await?;
    let has_more = waiting.len() > usize::from(limit);
    waiting.truncate(usize::from(limit));
    let next = waiting.last().filter(|_| has_more);
    let next = next.map(|last| cursor::encode(&list, &last.stream));

    let submissions: Vec<String> = waiting.iter().map(submission_of).collect();
    let firsts = app.reader.first_entries(&submissions).await?;
    let causes: HashMap<&str, String> = firsts
        .iter()
        .map(|first| (first.stream.as_str(), first.leaf.to_base64url()))
        .collect();
    let jobs: Vec<Value> = waiting
        .iter()
        .zip(&submissions)
        .map(|(job, submission)| {
            let mut body = job_body(id_of(job), job);
            body["cause"] = json!(causes.get(submission.as_str()));
            body
        })
        .collect();
    let body = json!({ "tre": tre.to_string(), "tree_size": size, "jobs": jobs, "next": next });
    Ok(axum::Json(body))
}

/// Waits until the log is larger than it was, the time is over, or the hub ends. What waits then is the answer.
async fn until_larger(app: &App, size: u64, patience: Duration, ending: Option<Extension<Ending>>) {
    let mut head = app.head.clone();
    let Extension(Ending(ending)) = ending.unwrap_or_default();
    let grown = tokio::time::timeout(patience, head.wait_for(|head| head.size > size));
    drop(ending.run_until_cancelled(grown).await);
}
