//! What an author needs to sign, and a verifier to judge: heads of streams, keys, rule tables.

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use daybook_core::Hash;
use daybook_core::id::Stream;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::App;
use crate::extract::{Path, Query};
use crate::problem::{Problem, ProblemKind};

/// Position and leaf hash of a stream's last event; 0 and none before the first.
pub(crate) async fn get_stream_head(
    State(app): State<App>,
    Path(rest): Path<String>,
) -> Result<axum::Json<Value>, Problem> {
    let name = rest.strip_suffix("/head");
    let name =
        name.ok_or_else(|| Problem::new(ProblemKind::NotFound, "A stream has a `/head`, and nothing else."))?;
    let stream: Stream = name
        .parse()
        .map_err(|error| Problem::because(ProblemKind::MalformedRequest, &error))?;
    let head = app.reader.stream_head(&stream.to_string()).await?;
    let (seq, leaf) = head.map_or((0, None), |head| (head.seq, head.leaf));
    let leaf = leaf.map(|leaf| leaf.to_base64url());
    Ok(axum::Json(
        json!({ "stream": stream.to_string(), "seq": seq, "leaf_hash": leaf }),
    ))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeysQuery {
    actor: Option<String>,
    from: Option<u64>,
}

/// Keys that were ever registered, from the entry `from` on. Which are valid now, the streams say.
pub(crate) async fn list_keys(
    State(app): State<App>,
    Query(query): Query<KeysQuery>,
) -> Result<axum::Json<Value>, Problem> {
    let keys = app
        .reader
        .keys(query.actor.as_deref(), query.from.unwrap_or(0))
        .await?;
    let keys: Vec<Value> = keys
        .into_iter()
        .map(|key| {
            json!({
                "kid": key.kid.to_base64url(), "actor": key.actor, "use": key.usage, "x": key.key.to_x(),
                "index": key.index,
            })
        })
        .collect();
    Ok(axum::Json(json!({ "keys": keys })))
}

/// A rule table that was adopted, by the digest of its canonical JSON.
pub(crate) async fn get_rules(State(app): State<App>, Path(hash): Path<String>) -> Result<Response, Problem> {
    let missing = || Problem::new(ProblemKind::NotFound, "No rule table of that digest was adopted.");
    let hash = Hash::from_base64url(&hash).ok_or_else(missing)?;
    let table = app.reader.rules(&hash).await?.ok_or_else(missing)?;
    Ok((
        [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))],
        table,
    )
        .into_response())
}
