//! What an author needs to sign, and a verifier to judge: heads of streams, keys, rule tables.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use daybook_core::Hash;
use daybook_core::id::Stream;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::App;
use crate::extract::{Path, Query};
use crate::handlers::log::IMMUTABLE;
use crate::problem::{Problem, ProblemKind};
use crate::{conditional, cursor};

/// Keys in one page at most, and where the query does not say.
const MAX_PAGE: u16 = 1_000;

/// Position and leaf hash of a stream's last event; 0 and none before the first.
pub(crate) async fn get_stream_head(
    State(app): State<App>,
    Path(rest): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let name = rest.strip_suffix("/head");
    let name =
        name.ok_or_else(|| Problem::new(ProblemKind::NotFound, "A stream has a `/head`, and nothing else."))?;
    let stream: Stream = name
        .parse()
        .map_err(|error| Problem::because(ProblemKind::MalformedRequest, &error))?;
    let head = app.reader.stream_head(&stream.to_string()).await?;
    let (seq, leaf) = head.map_or((0, None), |head| (head.seq, head.leaf));
    let leaf = leaf.map(|leaf| leaf.to_base64url());
    let body = json!({ "stream": stream.to_string(), "seq": seq, "leaf_hash": leaf });
    Ok(conditional::json(&headers, &body))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeysQuery {
    actor: Option<String>,
    from: Option<u64>,
    cursor: Option<String>,
    limit: Option<u16>,
}

/// Keys that were ever registered, from the entry `from` on. Which are valid now, the streams say.
pub(crate) async fn list_keys(
    State(app): State<App>,
    Query(query): Query<KeysQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (from, after) = match &query.cursor {
        Some(cursor) => {
            let (from, kid): (u64, String) = cursor::decode("keys", cursor)?;
            (from, Hash::from_base64url(&kid))
        }
        None => (query.from.unwrap_or(0), None),
    };
    let limit = query.limit.unwrap_or(MAX_PAGE).clamp(1, MAX_PAGE);
    let actor = query.actor.as_deref();
    // One more than is shown tells whether there is more.
    let mut keys = app.reader.keys(actor, from, after.as_ref(), limit + 1).await?;
    let has_more = keys.len() > usize::from(limit);
    keys.truncate(usize::from(limit));
    let next = keys.last().filter(|_| has_more);
    let next = next.map(|last| cursor::encode("keys", &(last.index, last.kid.to_base64url())));
    let keys: Vec<Value> = keys
        .into_iter()
        .map(|key| {
            json!({
                "kid": key.kid.to_base64url(), "actor": key.actor, "use": key.usage, "x": key.key.to_x(),
                "index": key.index,
            })
        })
        .collect();
    Ok(conditional::json(
        &headers,
        &json!({ "keys": keys, "next": next }),
    ))
}

/// A rule table that was adopted, by the digest of its canonical JSON.
pub(crate) async fn get_rules(
    State(app): State<App>,
    Path(hash): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let missing = || Problem::new(ProblemKind::NotFound, "No rule table of that digest was adopted.");
    let hash = Hash::from_base64url(&hash).ok_or_else(missing)?;
    let table = app.reader.rules(&hash).await?.ok_or_else(missing)?;
    let kind = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CACHE_CONTROL, IMMUTABLE),
    ];
    let answer = (kind, table).into_response();
    Ok(conditional::tagged(&headers, &hash.to_base64url(), answer))
}
