//! A job's events, page by page or as they come.

use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use daybook_store::read::Filter;
use serde::Deserialize;
use serde_json::json;

use super::{follow_job, stream, submission_of};
use crate::app::App;
use crate::entry::EntryBody;
use crate::extract::{Path, Query};
use crate::handlers::events::MAX_PAGE;
use crate::handlers::follow;
use crate::problem::Problem;
use crate::server::Ending;
use crate::{conditional, cursor};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HistoryQuery {
    /// Only of a stream of events: the index after which it goes on.
    after: Option<u64>,
    cursor: Option<String>,
    limit: Option<u16>,
}

/// Every event of a job, the submission's first one before them.
pub(crate) async fn get_job_history(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(query): Query<HistoryQuery>,
    headers: HeaderMap,
    ending: Option<Extension<Ending>>,
) -> Result<Response, Problem> {
    let head = stream(&app, "job", &id).await?;
    if follow::is_wanted(&headers) {
        return follow_job(&app, &head, &headers, query.after, ending).await;
    }
    let limit = query.limit.unwrap_or(MAX_PAGE).clamp(1, MAX_PAGE);
    let list = format!("history of {id}");
    let (mut entries, from) = match &query.cursor {
        Some(cursor) => (Vec::new(), cursor::decode(&list, cursor)?),
        None => (app.reader.first_entries(&[submission_of(&head)]).await?, 0),
    };
    let filter = Filter {
        stream: Some(head.stream),
        ..Filter::default()
    };
    let page = app.reader.page(&filter, from, u64::MAX, limit).await?;
    entries.extend(page.entries);
    let entries: Vec<EntryBody> = entries.into_iter().map(EntryBody::from).collect();
    let next = page.next.map(|at| cursor::encode(&list, &at));
    let body = json!({ "id": id, "entries": entries, "next": next });
    Ok(conditional::json(&headers, &body))
}
