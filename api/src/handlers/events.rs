//! `/v1/events`: append, read, prove, open.

use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use daybook_core::Hash;
use daybook_core::event::{Event, FormError};
use daybook_core::id::random_id;
use daybook_core::sealed::{Opening, OpeningError};
use daybook_store::append::Candidate;
use daybook_store::read::{Entry, Filter};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::app::{App, now};
use crate::auth::MaybeCaller;
use crate::extract::{Json, Path, Query};
use crate::problem::{Problem, ProblemKind};
use crate::reading;

/// How long `wait=published` waits.
const WAIT: Duration = Duration::from_secs(10);
/// Openings beside one event at most.
const MAX_OPENINGS: usize = 64;
/// Entries in one answer at most.
const MAX_PAGE: u16 = 500;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with `event` and `openings`")]
pub(crate) struct AppendBody {
    event: String,
    #[serde(default)]
    openings: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AppendQuery {
    wait: Option<Wait>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Wait {
    Published,
}

/// Appends an event: 201 with where it stands, 200 where it stood there before.
pub(crate) async fn append_event(
    State(app): State<App>,
    Query(query): Query<AppendQuery>,
    Json(body): Json<AppendBody>,
) -> Result<Response, Problem> {
    let event = Event::parse(&body.event).map_err(|error| {
        let kind = match error {
            FormError::TooLong { .. } => ProblemKind::TooLarge,
            _ => ProblemKind::MalformedEvent,
        };
        Problem::because(kind, &error)
    })?;
    let openings = parse_openings(&body.openings)?;
    let stream = event.claims().sub.to_string();
    let seq = event.claims().seq;
    let receipt = app.appender.append(Candidate { event, openings }, now()).await?;

    let mut answer = json!({
        "index": receipt.index, "leaf_hash": receipt.leaf.to_base64url(), "stream": stream, "seq": seq,
    });
    if matches!(query.wait, Some(Wait::Published)) {
        let mut published = app.published.clone();
        let released = tokio::time::timeout(WAIT, published.covering(receipt.index + 1))
            .await
            .ok()
            .flatten();
        if let Some(released) = released
            && let Some(proof) = app.reader.proof(receipt.index, &released).await?
        {
            answer["proof"] = proof.to_string().into();
        }
    }
    let status = if receipt.is_repeat {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    let location = format!("/v1/events/{}", receipt.index);
    Ok((status, [(header::LOCATION, location)], axum::Json(answer)).into_response())
}

fn parse_openings(texts: &[String]) -> Result<Vec<Opening>, Problem> {
    if texts.len() > MAX_OPENINGS {
        let detail = format!("At most {MAX_OPENINGS} openings travel beside an event.");
        return Err(Problem::new(ProblemKind::TooLarge, detail));
    }
    let openings: Result<Vec<_>, _> = texts.iter().map(|text| Opening::parse(text)).collect();
    openings.map_err(|error| {
        let kind = match error {
            OpeningError::TooLong(_) => ProblemKind::TooLarge,
            _ => ProblemKind::MalformedOpening,
        };
        Problem::because(kind, &error)
    })
}

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
    limit: Option<u16>,
}

#[derive(Serialize)]
pub(crate) struct EntryBody {
    index: u64,
    leaf_hash: String,
    event: String,
}

impl From<Entry> for EntryBody {
    fn from(entry: Entry) -> Self {
        Self {
            index: entry.index,
            leaf_hash: entry.leaf.to_base64url(),
            event: entry.event,
        }
    }
}

/// Lists entries in the order of the log; `after` is the last index of the page before.
pub(crate) async fn list_events(
    State(app): State<App>,
    Query(query): Query<ListQuery>,
) -> Result<axum::Json<Value>, Problem> {
    let head = app.head.borrow().size;
    let exact = exact_index(&app, &query).await?;
    let (from, before) = match exact {
        Some(None) => (0, 0),
        Some(Some(index)) => (index, index + 1),
        None => (query.after.map_or(0, |after| after.saturating_add(1)), u64::MAX),
    };
    let limit = query.limit.unwrap_or(100).clamp(1, MAX_PAGE);
    let filter = Filter {
        stream: query.stream,
        author: query.author,
        kind: query.kind,
        from,
        before,
        limit,
    };
    let entries = app.reader.entries(&filter).await?;
    let next = if entries.len() == usize::from(limit) {
        entries.last().map(|entry| entry.index)
    } else {
        None
    };
    let entries: Vec<EntryBody> = entries.into_iter().map(EntryBody::from).collect();
    Ok(axum::Json(
        json!({ "entries": entries, "next_after": next, "tree_size": head }),
    ))
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

/// One entry.
pub(crate) async fn get_event(
    State(app): State<App>,
    Path(index): Path<u64>,
) -> Result<axum::Json<EntryBody>, Problem> {
    let entry = app.reader.entry(index).await?;
    entry
        .map(|entry| axum::Json(entry.into()))
        .ok_or_else(|| no_entry(index))
}

/// The proof of one entry against the newest checkpoint, as a `.tlog-proof`.
pub(crate) async fn get_event_proof(
    State(app): State<App>,
    Path(index): Path<u64>,
) -> Result<Response, Problem> {
    let Some(released) = app.published.latest() else {
        return Err(unpublished(&app, index));
    };
    let proof = app
        .reader
        .proof(index, &released)
        .await?
        .ok_or_else(|| unpublished(&app, index))?;
    let name = format!("attachment; filename=\"daybook-{index}.tlog-proof\"");
    let name = HeaderValue::from_str(&name).unwrap_or(HeaderValue::from_static("attachment"));
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        ),
        (header::CONTENT_DISPOSITION, name),
    ];
    Ok((headers, proof.to_string()).into_response())
}

/// The openings of one entry that the caller may read, and how many digests of it stay closed.
///
/// Decoys and erased openings count as closed: how many openings there are would tell which optional fields were said.
pub(crate) async fn get_event_openings(
    State(app): State<App>,
    MaybeCaller(caller): MaybeCaller,
    Path(index): Path<u64>,
) -> Result<axum::Json<Value>, Problem> {
    let entry = app.reader.entry(index).await?.ok_or_else(|| no_entry(index))?;
    let event = Event::parse(&entry.event).map_err(|error| Problem::internal(&error))?;
    let parties = reading::parties(&app.reader, &event).await?;
    let openings = app.reader.openings(index).await?;
    let total = event.claims().digests().count();
    let readable: Vec<Value> = openings
        .into_iter()
        .filter(|opening| reading::may_read(opening.class, caller.as_ref(), &event, &parties))
        .map(|opening| json!({ "name": opening.name, "class": opening.class.as_str(), "opening": opening.opening }))
        .collect();
    Ok(axum::Json(
        json!({ "index": index, "withheld": total.saturating_sub(readable.len()), "openings": readable }),
    ))
}

fn no_entry(index: u64) -> Problem {
    Problem::new(ProblemKind::NotFound, format!("The log has no entry {index}."))
}

fn unpublished(app: &App, index: u64) -> Problem {
    if index < app.head.borrow().size {
        Problem::new(
            ProblemKind::NotPublished,
            format!("No checkpoint covers entry {index} yet."),
        )
    } else {
        no_entry(index)
    }
}
