//! Lists of entries, page by page.

use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use daybook_core::Hash;
use daybook_core::id::random_id;
use daybook_store::read::{Filter, Page};
use serde::Deserialize;
use serde_json::json;

use crate::app::App;
use crate::cursor;
use crate::entry::EntryBody;
use crate::extract::Query;
use crate::handlers::follow::{self, Interest};
use crate::problem::{Problem, ProblemKind};
use crate::server::Ending;

/// Entries in one page at most.
pub(crate) const MAX_PAGE: u16 = 500;
/// Entries in one page where the query does not say.
const USUAL_PAGE: u16 = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListQuery {
    stream: Option<String>,
    author: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    leaf_hash: Option<String>,
    jti: Option<String>,
    after: Option<u64>,
    before: Option<u64>,
    cursor: Option<String>,
    limit: Option<u16>,
}

/// Lists entries in the order of the log, or follows it.
pub(crate) async fn list_events(
    State(app): State<App>,
    Query(query): Query<ListQuery>,
    headers: HeaderMap,
    ending: Option<Extension<Ending>>,
) -> Result<Response, Problem> {
    if follow::is_wanted(&headers) {
        return follow_log(&app, query, &headers, ending).await;
    }
    let limit = query.limit.unwrap_or(USUAL_PAGE).clamp(1, MAX_PAGE);
    let filter = query.filter();
    let known = app.head.borrow().size;
    let page = match exact_index(&app, &query).await? {
        Some(index) => exact_page(&app, index, &query, &filter).await?,
        None => next_page(&app, &query, &filter, limit).await?,
    };
    // What was read just now may be newer than what this instance had heard of.
    let size = page
        .entries
        .last()
        .map_or(known, |last| known.max(last.index + 1));
    let next = page.next.map(|at| cursor::encode(list_name(&filter), &at));
    let entries: Vec<EntryBody> = page.entries.into_iter().map(EntryBody::from).collect();
    Ok(axum::Json(json!({ "entries": entries, "next": next, "tree_size": size })).into_response())
}

impl ListQuery {
    fn filter(&self) -> Filter {
        Filter {
            stream: self.stream.clone(),
            author: self.author.clone(),
            kind: self.kind.clone(),
        }
    }
}

/// A cursor of the log is an index, one of a stream a position in it: they are not to be mixed up.
fn list_name(filter: &Filter) -> &'static str {
    if filter.stream.is_some() {
        "events of a stream"
    } else {
        "events"
    }
}

async fn next_page(app: &App, query: &ListQuery, filter: &Filter, limit: u16) -> Result<Page, Problem> {
    let from = match (&query.cursor, query.after) {
        (Some(cursor), _) => cursor::decode(list_name(filter), cursor)?,
        (None, Some(after)) => app.reader.position(filter, after.saturating_add(1)).await?,
        (None, None) => 0,
    };
    let before = match query.before {
        Some(before) => app.reader.position(filter, before).await?,
        None => u64::MAX,
    };
    Ok(app.reader.page(filter, from, before, limit).await?)
}

/// The entry that is asked for by a name of its own, if the rest of the query takes it too.
async fn exact_page(
    app: &App,
    index: Option<u64>,
    query: &ListQuery,
    filter: &Filter,
) -> Result<Page, Problem> {
    let entry = match index {
        Some(index) => app.reader.entry(index).await?,
        None => None,
    };
    let entry = entry.filter(|entry| {
        filter.takes(entry)
            && query.after.is_none_or(|after| entry.index > after)
            && query.before.is_none_or(|before| entry.index < before)
    });
    Ok(Page {
        entries: Vec::from_iter(entry),
        next: None,
    })
}

/// The one index that `leaf_hash` or `author` with `jti` names, if the query has either.
async fn exact_index(app: &App, query: &ListQuery) -> Result<Option<Option<u64>>, Problem> {
    let malformed = |detail: &str| Problem::new(ProblemKind::MalformedRequest, detail);
    if let Some(leaf) = &query.leaf_hash {
        let leaf = Hash::from_base64url(leaf);
        let leaf = leaf.ok_or_else(|| malformed("`leaf_hash` is 43 characters of unpadded base64url."))?;
        return Ok(Some(app.reader.index_of_leaf(&leaf).await?));
    }
    let Some(jti) = &query.jti else { return Ok(None) };
    let jti = random_id(jti).map_err(|error| Problem::because(ProblemKind::MalformedRequest, &error))?;
    let author = query
        .author
        .as_deref()
        .ok_or_else(|| malformed("`jti` needs `author`."))?;
    Ok(Some(app.reader.index_of_jti(author, jti).await?))
}

/// The log itself as it grows, from now on or from `after`.
async fn follow_log(
    app: &App,
    query: ListQuery,
    headers: &HeaderMap,
    ending: Option<Extension<Ending>>,
) -> Result<Response, Problem> {
    let has_more = query.leaf_hash.is_some()
        || query.jti.is_some()
        || query.before.is_some()
        || query.cursor.is_some()
        || query.limit.is_some();
    if has_more {
        return Err(Problem::new(
            ProblemKind::MalformedRequest,
            "A stream of events takes `stream`, `author`, `type` and `after`, and nothing else.",
        ));
    }
    let from = follow::resume(app, headers, query.after).await?;
    let from = match from {
        Some(from) => from,
        None => app.head.borrow().size,
    };
    app.follow
        .answer(app, Interest::Log(query.filter()), from, ending)
        .await
}
